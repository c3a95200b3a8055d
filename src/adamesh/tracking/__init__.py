"""From a video of a face to motion: landmarks, the fit, and the two together."""
