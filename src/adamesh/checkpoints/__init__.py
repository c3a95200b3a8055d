"""Files that hold networks: safetensors that carry their own configuration; no pickle is ever read."""
