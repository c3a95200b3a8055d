"""Units of speech: which of the k-means clusters of the compact features each frame belongs to."""

import numpy as np
from torch import Tensor

from adamesh.features.compact import CompactFeatures
from adamesh.features.registry import load_features


def speech_units(samples: np.ndarray) -> Tensor:
    """[N] samples -> [S] unit of each feature frame."""
    compact = _compact()
    return compact.encoder.units(compact(samples))


def unit_count() -> int:
    """How many units there are."""
    return _compact().encoder.config.units


def _compact() -> CompactFeatures:
    compact = load_features("compact")
    assert isinstance(compact, CompactFeatures)
    return compact
