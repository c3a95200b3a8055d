"""Accuracy where the truth is known, and speed."""
