"""Speech and a style -> what the mouth and face do: the one call of the expression adapter."""

import numpy as np
from torch import Tensor

from adamesh.animation.pauses import ease
from adamesh.animation.style import Style
from adamesh.features import features_for_frames, load_features
from adamesh.models.baseline import enlarge
from adamesh.models.expression import ExpressionAdapter


def predict_expression(
    model: ExpressionAdapter,
    style: Style,
    samples: np.ndarray,
    frames: int,
    *,
    intensity: float = 1.0,
    streamed: bool = False,
) -> Tensor:
    """[T, D] without blinks and gaze, see `motion.regression`, for the first `frames` frames of `samples`.

    Args:
        model: adapted to the style, see `Style.adapted_model`.
        intensity: factor on the style's own amplitude.
        streamed: hear as a stream does: no frame waits for more than a fifth of a second.
    """
    motion, activity = regress(model, style, samples, frames, streamed=streamed)
    motion = enlarged(model, style, motion, activity, intensity=intensity)
    return style.baseline.restore(model.config.space, motion)


def bare_expression(
    model: ExpressionAdapter, style: Style, samples: np.ndarray, frames: int
) -> Tensor:
    """[T, D] as `predict_expression`, at the amplitude that the network gives, without rest in pauses."""
    motion, _ = regress(model, style, samples, frames)
    return style.baseline.restore(model.config.space, motion)


def regress(
    model: ExpressionAdapter,
    style: Style,
    samples: np.ndarray,
    frames: int,
    *,
    streamed: bool = False,
) -> tuple[Tensor, Tensor]:
    """[T, D] about the resting face, and [T] probability of speech: what the network says, as it is."""
    features = features_for_frames(
        load_features(model.config.features, streamed=streamed),
        samples,
        frames + model.config.lookahead,
    )
    return model.predict(features, style.embedding[None], style.betas[None])


def enlarged(
    model: ExpressionAdapter,
    style: Style,
    motion: Tensor,
    activity: Tensor,
    *,
    intensity: float = 1.0,
) -> Tensor:
    """[T, D] of `regress` with the style's own amplitude times `intensity`, at rest in pauses."""
    return enlarge(model.config.space, motion, style.gain * intensity * ease(activity))
