"""Speech and a style -> what the mouth and face do: the one call of the expression adapter."""

import numpy as np
from torch import Tensor

from adamesh.features import features_for_frames, load_features
from adamesh.models.expression import ExpressionAdapter
from adamesh.pipeline.amplitude import enlarge, resting_expression
from adamesh.pipeline.style import Style


def speak(
    model: ExpressionAdapter,
    style: Style,
    samples: np.ndarray,
    frames: int,
    *,
    intensity: float | None = 1.0,
) -> Tensor:
    """[T, D] without blinks and gaze, see `motion.regression`, for the first `frames` frames of `samples`.

    Args:
        model: of the person, see `Style.personal_model`.
        intensity: factor on the style's own amplitude; None gives the bare regression.
    """
    features = features_for_frames(
        load_features(model.config.features), samples, frames + model.config.lookahead
    )
    embedding, betas = style.embedding[None], style.betas[None]
    regressed = model.predict(features, embedding, betas)
    if intensity is None:
        return regressed
    rest = resting_expression(model, embedding, betas)
    return enlarge(model.config.space, regressed, rest, style.gain * intensity)
