"""Files in, files out: one line of speech, or a list of many."""
