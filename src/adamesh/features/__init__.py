"""Speech features behind one interface: samples in, feature frames on the explicit 50 Hz clock out.

A checkpoint names the features it was trained on, and `load_features` makes them again:

    log_mel             nothing learnt; two mel frames of 10 ms each
    whisper             the first layers of Whisper base, which ship with the package
    hubert:NAME         HuBERT by local directory or hub name, with the extra `hubert`
    A+B                 both, side by side: `whisper+log_mel`
"""

from adamesh.features.interface import SpeechFeatures, features_for_frames
from adamesh.features.registry import load_features

__all__ = ["SpeechFeatures", "features_for_frames", "load_features"]
