"""Sound as numbers: log-mel frames on the 50 Hz clock, prosody, onsets, and voices altered for training."""
