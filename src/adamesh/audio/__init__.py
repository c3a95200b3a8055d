"""Speech features: samples in, feature frames on the 50 Hz clock out."""
