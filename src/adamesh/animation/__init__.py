"""The main job in steps: a reference becomes a style, a style and speech become motion."""
