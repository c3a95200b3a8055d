"""Speech features behind one interface: samples in, feature frames on the explicit 50 Hz clock out.

A checkpoint names the features it was trained on, `whisper+log_mel` for example, and `load_features` makes
them again. `registry.FEATURES` lists the kinds.
"""

from adamesh.features.interface import SpeechFeatures, features_for_frames
from adamesh.features.registry import FEATURES, load_features

__all__ = ["FEATURES", "SpeechFeatures", "features_for_frames", "load_features"]
