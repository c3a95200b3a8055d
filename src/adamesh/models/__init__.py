"""The networks of AdaMesh, built of the parts in `adamesh.nn`."""
