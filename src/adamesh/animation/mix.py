"""New styles of old ones: several people mixed, and one person calmer or livelier."""

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from adamesh.animation.expression import enlarged, regress
from adamesh.animation.options import LARGEST_FACTOR
from adamesh.animation.sample import sample_speech
from adamesh.animation.style import Style
from adamesh.checkpoints.networks import shared_network
from adamesh.errors import InputError
from adamesh.faces.library import load_named_face
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.saccades import FARTHEST, GazeStatistics
from adamesh.motion.spaces import ARKIT52
from adamesh.nn.molora import mixed_branches
from adamesh.rates import frames_in

ROUNDS = 4  # of finding a mix's gain: blendshapes end at 0 and 1, so one is not enough

# Fields of a style that are plain statistics of events. Mixing takes the means of all their numbers; scaling
# multiplies, by the named factor of `scale_style`, the numbers that say how much of it there is.
STATISTICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "blinks": ("blinks", ("rate_hz",)),
    "brows": ("brows", ("size", "size_spread", "drift")),
    "gaze": ("eyes", ("pitch", "yaw", "away_size", "away_spread")),
}

FloatArray = NDArray[np.float32]


def mix_styles(
    styles: Sequence[Style],
    weights: Sequence[float] | None = None,
    *,
    model: ExpressionAdapter | None = None,
) -> Style:
    """A style between several people's.

    What they learnt of speaking (MoLoRA, embedding), their faces and how they rest are weighted means, and so
    are blinks and gaze; how far mouth, brows and head move are weighted geometric means. The looped motion of
    head and eyes is that of the heaviest style, as large as the mix moves. The mix speaks the packaged sample
    to find its gain, which takes some seconds.

    Args:
        styles: two or more of the same base model.
        weights: of each, not negative; they are divided by their sum. Equal ones by default.
        model: base expression adapter that the styles belong to; the shipped one by default.
    Returns:
        A style that goes wherever a style of `adapt` goes. With all weight on one style, that style.
    Raises:
        InputError: too few styles, weights that do not fit, or styles of different models.
    """
    shares = _shares(styles, weights)
    used = [(share, style) for share, style in zip(shares, styles, strict=True) if share > 0]
    if len(used) == 1:
        return used[0][1]
    shares, styles = [share for share, _ in used], [style for _, style in used]
    # Of equals the livelier: less motion is made of more without enlarging the tracker's noise.
    _, heaviest = max(used, key=lambda one: (one[0], one[1].pose.deviation.sum()))
    branches, molora = mixed_branches(
        [(share, style.branches, style.molora) for share, style in used]
    )

    def mean(values: Sequence[Any]) -> Any:
        return weighted_mean(values, shares)

    def geometric(values: Sequence[Any]) -> Any:
        return math.prod(value**share for share, value in zip(shares, values, strict=True))

    deviation = geometric([style.pose.deviation for style in styles])
    statistics = {name: mean([getattr(style, name) for style in styles]) for name in STATISTICS}
    head_motion, eye_motion = _moved(
        heaviest,
        _ratio(deviation, heaviest.pose.deviation),
        _ratio(_spread(statistics["gaze"]), _spread(heaviest.gaze)),
    )
    mix = replace(
        heaviest,
        branches=branches,
        molora=molora,
        embedding=mean([style.embedding for style in styles]),
        betas=mean([style.betas for style in styles]),
        baseline=Baseline(
            mean([style.baseline.rest for style in styles]),
            geometric([style.baseline.amplitude for style in styles]),
        ),
        gain=geometric([style.gain for style in styles]),
        squint_slope=mean([style.squint_slope for style in styles]),
        pose=replace(
            heaviest.pose,
            embedding=mean([style.pose.embedding for style in styles]),
            deviation=deviation,
            gain=geometric([style.pose.gain for style in styles]),
        ),
        head_motion=head_motion,
        eye_motion=eye_motion,
        source=" + ".join(f"{100 * share:.3g} % {_as_part(style.source)}" for share, style in used),
        sound_offset=None,  # of one reference; a mix has several
        **statistics,
    )
    # The sum of what networks learnt does not speak as large as they do in the mean: the gain mends that.
    model = model or shared_network(ExpressionAdapter)
    wanted = geometric([_amplitude(style, model, _said(style, model)) for style in styles])
    said = _said(mix, model)
    for _ in range(ROUNDS):
        found = _amplitude(mix, model, said)
        if found > 0:
            mix = replace(mix, gain=mix.gain * wanted / found)
    return mix


def scale_style(
    style: Style,
    *,
    mouth: float = 1.0,
    brows: float = 1.0,
    head: float = 1.0,
    blinks: float = 1.0,
    eyes: float = 1.0,
) -> Style:
    """The same person calmer or livelier; every factor is within 0..4, and 1 changes nothing.

    Args:
        mouth: on its motion about the resting face; shut lips stay shut.
        brows: on how far they rise and knit, and drift.
        head: on its rotations, looped and generated. The eyes keep what they look at.
        blinks: on how often they come.
        eyes: on how far they look about.
    Raises:
        InputError: a factor is out of bounds, or the style's coefficients have no brows of their own.
    """
    factors = {"mouth": mouth, "brows": brows, "head": head, "blinks": blinks, "eyes": eyes}
    for name, factor in factors.items():
        if not 0 <= factor <= LARGEST_FACTOR:
            raise InputError(f"{name} must be within 0..{LARGEST_FACTOR:g}, got {factor:g}")
    changed = {name: factor for name, factor in factors.items() if factor != 1}
    if not changed:
        return style
    if brows != 1 and len(style.baseline.rest) != len(ARKIT52):
        raise InputError(
            "brows cannot be scaled: the coefficients of this style's model have no names; leave brows out"
        )
    statistics = {
        name: scaled_statistics(getattr(style, name), factors[factor_name], sizes)
        for name, (factor_name, sizes) in STATISTICS.items()
    }
    head_motion, eye_motion = _moved(style, np.full(3, head), np.full(2, eyes))
    return replace(
        style,
        gain=mouth * style.gain,
        pose=replace(style.pose, deviation=np.float32(head) * style.pose.deviation),
        head_motion=head_motion,
        eye_motion=eye_motion,
        source=", ".join([style.source, *(f"{n} x{factor:g}" for n, factor in changed.items())]),
        **statistics,
    )


def _shares(styles: Sequence[Style], weights: Sequence[float] | None) -> list[float]:
    """Weights that add up to 1, for styles that go together."""
    if len(styles) < 2:
        raise InputError(f"a mix needs at least two styles, got {len(styles)}")
    weights = [1.0] * len(styles) if weights is None else list(weights)
    if len(weights) != len(styles):
        raise InputError(
            f"got {len(weights)} weights for {len(styles)} styles; give one for each style"
        )
    if not all(0 <= weight < math.inf for weight in weights) or not sum(weights):
        given = ", ".join(f"{weight:g}" for weight in weights)
        raise InputError(f"weights must not be negative, and not all of them zero; got {given}")
    first = styles[0]
    for other in styles[1:]:
        for kind, mine, theirs in (
            ("base models", first.base, other.base),
            ("pose adapters", first.pose.base, other.pose.base),
        ):
            if mine != theirs:
                raise InputError(
                    f"the styles '{first.source}' and '{other.source}' belong to different {kind} ({mine}, "
                    f"{theirs}) and cannot be mixed; run `adamesh adapt` on both videos again"
                )
    return [weight / sum(weights) for weight in weights]


def weighted_mean(values: Sequence[Any], shares: Sequence[float]) -> Any:
    """The weighted mean of numbers, tensors or arrays, or of every number in dataclasses and tuples of them.

    Args:
        values: of the same type and form.
        shares: of each, that add up to 1.
    """
    first: Any = values[0]
    if is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first)]
        means = {n: weighted_mean([getattr(one, n) for one in values], shares) for n in names}
        return replace(first, **means)
    if isinstance(first, tuple):
        return tuple(weighted_mean(column, shares) for column in zip(*values, strict=True))
    return sum(share * value for share, value in zip(shares, values, strict=True))


def scaled_statistics(value: Any, factor: float, sizes: tuple[str, ...]) -> Any:
    """Statistics with the numbers of these names times `factor`, in dataclasses within them too."""
    changed = {}
    for field in fields(value):
        own = getattr(value, field.name)
        if field.name in sizes:
            changed[field.name] = factor * own
        elif is_dataclass(own):
            changed[field.name] = scaled_statistics(own, factor, sizes)
    return replace(value, **changed)


def _said(style: Style, model: ExpressionAdapter) -> tuple[Tensor, Tensor]:
    """What the network says of the packaged sample in a style, whatever the style's gain."""
    samples = sample_speech()
    return regress(style.adapted_model(model), style, samples, frames_in(len(samples)))


def _amplitude(style: Style, model: ExpressionAdapter, said: tuple[Tensor, Tensor]) -> float:
    """Metres, standard deviation of the mouth's opening where the style speaks what `_said` gives."""
    motion = style.baseline.restore(model.config.space, enlarged(model, style, *said))
    return float(mouth_opening(load_named_face(model.config.face), motion).std())


def _moved(
    style: Style, head_factors: np.ndarray, gaze_factors: np.ndarray
) -> tuple[FloatArray, FloatArray]:
    """Looped motion of head and eyes [R, 2, 3] with the head's rotation, and what is looked at, enlarged.

    Args:
        head_factors: [3] on pitch, yaw and roll of the head.
        gaze_factors: [2] on pitch and yaw of the eyes' targets in the world, about their mean.
    """
    head = (style.head_motion * head_factors).astype(np.float32)
    # Joints as plain vectors, see `motion.head`. The eyes turn by what the head does not.
    before, after = (motion.sum(1, keepdims=True)[..., :2] for motion in (style.head_motion, head))
    eyes = style.eye_motion.copy()
    targets = eyes[..., :2] + before
    turned = eyes[..., :2] + (gaze_factors - 1) * (targets - targets.mean(0)) + (before - after)
    limit = np.maximum(FARTHEST, np.abs(eyes[..., :2]))  # nobody's own glance is cut off
    eyes[..., :2] = np.clip(turned, -limit, limit)
    return head, eyes


def _spread(gaze: GazeStatistics) -> np.ndarray:
    """[2] radians, deviation of targets in pitch and yaw."""
    return np.array([gaze.pitch, gaze.yaw])


def _ratio(wanted: np.ndarray, own: np.ndarray) -> np.ndarray:
    """By how much to enlarge what moves by `own`; what does not move cannot be enlarged."""
    return np.divide(wanted, own, out=np.ones_like(wanted), where=own > 0)


def _as_part(source: str) -> str:
    """A name that is part of another."""
    return f"({source})" if " + " in source or ", " in source else source
