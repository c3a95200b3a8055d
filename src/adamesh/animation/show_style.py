"""A style to look at: what it holds in figures, and as a picture beside the neutral one."""

import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from adamesh.alignment import SoundOffset
from adamesh.animation.animator import animate
from adamesh.animation.sample import sample_speech
from adamesh.animation.style import Style
from adamesh.errors import MissingDependencyError
from adamesh.faces.library import load_named_face
from adamesh.files import atomic_output
from adamesh.metrics.mouth import mouth_opening
from adamesh.models.expression import ExpressionAdapter
from adamesh.motion.blinks import BlinkStatistics
from adamesh.motion.brows import BrowStatistics
from adamesh.motion.regression import regressed_motion, regression_target
from adamesh.motion.saccades import GazeStatistics
from adamesh.motion.spaces import ARKIT52, EYE_BLINK, EYE_LOOK, coefficient_space
from adamesh.render import HeadRenderer
from adamesh.render.presets import preset_camera

MOVES = 0.005  # standard deviation of a blendshape's weight; below it nobody sees a motion
FACE = (450, 500)  # pixels of the resting face
OWN, NEUTRAL = "tab:blue", "0.72"  # colours of the bars
AXES = ("pitch", "yaw", "roll")


@dataclass(frozen=True)
class StyleFacts:
    """What a style holds, and what comes of it when it speaks the packaged sample.

    Attributes:
        source: name of the reference.
        base, pose_base: fingerprints of the expression adapter and the pose adapter it belongs to.
        resting_face: weight of each blendshape, largest first.
        mouth_mm: standard deviation of the mouth's opening in the reference.
        mouth_gain: factor on the motion that speech gives.
        spoken_mm: standard deviation of the mouth's opening when it speaks.
        blendshapes: standard deviation of the weight of each blendshape when it speaks, largest first.
        blinks, brows, gaze: of the person.
        head_range: degrees between the two ends of the looped motion, on each axis.
        sound_offset: how late the reference's sound was; None where nobody looked.
        ranks: of the MoLoRA branches.
        numbers: how many these hold together.
    """

    source: str
    base: str
    pose_base: str
    resting_face: dict[str, float]
    mouth_mm: float
    mouth_gain: float
    spoken_mm: float
    blendshapes: dict[str, float]
    blinks: BlinkStatistics
    brows: BrowStatistics
    gaze: GazeStatistics
    head_range: dict[str, float]
    sound_offset: SoundOffset | None
    ranks: tuple[int, ...]
    numbers: int


def style_facts(style: Style, model: ExpressionAdapter) -> StyleFacts:
    """Everything about a style in numbers; takes some seconds, since it speaks.

    Args:
        model: base expression adapter that the style belongs to.
    Raises:
        InputError: it belongs to another one.
    """
    config = model.config
    spoken = animate(sample_speech(), style, model=model)
    opening = mouth_opening(
        load_named_face(config.face), torch.from_numpy(regression_target(spoken))
    )
    turned = np.degrees(np.ptp(style.head_motion.sum(1), axis=0))
    return StyleFacts(
        source=style.source,
        base=style.base,
        pose_base=style.pose.base,
        resting_face=_by_size(config.space, style.baseline.rest.numpy()),
        mouth_mm=style.baseline.amplitude,
        mouth_gain=style.gain,
        spoken_mm=1000 * float(opening.std()),
        blendshapes=_by_size(config.space, spoken.expression.std(0)),
        blinks=style.blinks,
        brows=style.brows,
        gaze=style.gaze,
        head_range={axis: float(degrees) for axis, degrees in zip(AXES, turned, strict=True)},
        sound_offset=style.sound_offset,
        ranks=tuple(branch.rank for branch in style.branches),
        numbers=sum(tensor.numel() for tensor in style.molora.values()),
    )


def _by_size(space: str, values: np.ndarray) -> dict[str, float]:
    """Values of the space's channels by name, largest first; a jaw that follows them is left out."""
    channels = coefficient_space(space).channels
    named = zip(channels, values[: len(channels)].tolist(), strict=True)
    return dict(sorted(named, key=lambda one: -abs(one[1])))


def draw_style(
    style: Style,
    facts: StyleFacts,
    neutral: StyleFacts | None,
    model: ExpressionAdapter,
    path: str | os.PathLike[str],
) -> None:
    """A picture (.png): the resting face, how far head and blendshapes move, blinks and gaze in words.

    Args:
        facts: of the style.
        neutral: of the style that grey bars are drawn of, if any.
        model: base expression adapter of both.
        path: replaced if it exists.
    Raises:
        MissingDependencyError: the extra for rendering is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "drawing a style", "render") from error
    # Blinks and glances are events; how often they come says more than how far the lids move.
    events = {ARKIT52[index] for index in EYE_BLINK + EYE_LOOK}
    largest = {
        name: max(size, 0.0 if neutral is None else neutral.blendshapes[name])
        for name, size in facts.blendshapes.items()
        if name not in events
    }
    moving = {name: facts.blendshapes[name] for name, size in largest.items() if size >= MOVES}
    picture = Figure(
        figsize=(11, max(6.6, 1.0 + 0.27 * len(moving))),
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
    )
    left, right = picture.subfigures(1, 2, squeeze=False, width_ratios=(4.5, 6.5))[0]
    face, head = left.subplots(2, 1, height_ratios=(5, 1.5))
    face.imshow(_resting_face(style, model))
    face.set_axis_off()
    face.set_title(_shortened(facts.source), fontsize=13, fontweight="bold")
    face.text(
        0.5,
        -0.03,
        _in_words(facts, neutral),
        transform=face.transAxes,
        ha="center",
        va="top",
        fontsize=9.5,
    )
    _bars(
        head,
        facts.head_range,
        None if neutral is None else neutral.head_range,
        "Head: degrees from end to end",
        "{:.0f}",
    )
    blendshapes = right.subplots()
    _bars(
        blendshapes,
        moving,
        None if neutral is None else neutral.blendshapes,
        "Blendshapes: standard deviation of the weight, speaking the sample",
        "{:.3f}",
    )
    if neutral is not None:
        blendshapes.legend(loc="lower right", frameon=False)
    with atomic_output(path) as temporary:
        picture.savefig(temporary, dpi=100, format="png")


def _resting_face(style: Style, model: ExpressionAdapter) -> NDArray[np.uint8]:
    """[H, W, 3] sRGB of the person's face, at rest."""
    face = load_named_face(model.config.face)
    posed = {
        name: torch.from_numpy(values)
        for name, values in regressed_motion(
            model.config.space, style.baseline.rest[None].numpy()
        ).items()
    }
    with HeadRenderer(
        face, FACE, preset_camera(face, FACE, "front"), background=(1.0, 1.0, 1.0)
    ) as renderer:
        return renderer.render(face(betas=style.betas[None], **posed).vertices[0].numpy())


def _in_words(facts: StyleFacts, neutral: StyleFacts | None) -> str:
    """Blinks, gaze and mouth, each on a line."""

    def line(text: str, of: Callable[[StyleFacts], float], digits: int) -> str:
        compared = "" if neutral is None else f" (neutral {of(neutral):.{digits}f})"
        return text.format(f"{of(facts):.{digits}f}") + compared

    return "\n".join(
        (
            line("speaking, the mouth moves by {} mm", lambda f: f.spoken_mm, 1),
            line("{} blinks a minute", lambda f: 60 * f.blinks.rate_hz, 0),
            line("{} s on what is looked at", lambda f: f.gaze.fixation, 1),
        )
    )


def _bars(
    axes: Any, own: dict[str, float], neutral: dict[str, float] | None, title: str, label: str
) -> None:
    """Horizontal bars from the top down, each with its number, and thin grey ones for the neutral style."""
    places = np.arange(len(own))
    thickness = 0.7 if neutral is None else 0.44
    bars = axes.barh(places, list(own.values()), thickness, color=OWN, label="this style")
    axes.bar_label(bars, fmt=label, padding=3, fontsize=8)
    if neutral is not None:
        sizes = [neutral[name] for name in own]
        axes.barh(places + 0.34, sizes, 0.24, color=NEUTRAL, label="neutral style")
    axes.set_yticks(places, list(own), fontsize=9)
    axes.set_ylim(len(own) - 0.3, -0.5)
    axes.margins(x=0.12)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=10, loc="left")


def _shortened(source: str) -> str:
    """A name that fits over the face."""
    return textwrap.fill(textwrap.shorten(source, 90, placeholder=" ..."), 34)
