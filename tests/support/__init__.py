"""What tests share: made-up faces, files, avatars and performances, and readers of our outputs."""
