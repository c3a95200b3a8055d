"""Units of speech: which of the k-means clusters of the compact features each frame belongs to."""

import numpy as np
from torch import Tensor

from adamesh.features.compact import CompactFeatures
from adamesh.features.registry import load_features


def speech_units(samples: np.ndarray) -> Tensor:
    """[N] samples -> [S] unit of each feature frame."""
    compact = load_features("compact")
    assert isinstance(compact, CompactFeatures)
    return compact.encoder.units(compact(samples))
