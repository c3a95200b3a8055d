"""Training recipes: a config file and data in, a checkpoint with its metrics out."""
