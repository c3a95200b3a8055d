"""The networks of the method, built from `adamesh.nn`."""
