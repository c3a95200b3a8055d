"""Metrics of motion, from vertices and curves alone; imports no network."""
