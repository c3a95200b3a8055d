"""Corpora of talking faces, their tracks, and the windows that training draws from them."""
