"""A person's resting face and how far their mouth opens, neither of which can be told from speech.

Both are removed from the motion that the expression adapter is trained on, and restored from the reference
when motion is generated. A network that had to predict them would memorise them for the people it was
trained on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.metrics.mouth import mouth_opening, opening_range
from adamesh.motion.spaces import MOUTH, coefficient_space
from adamesh.values import Value

TYPICAL = 3.0  # mm, deviation of the mouth's opening in talking people: the network's unit
SMALLEST = 0.5  # mm of the same; a mouth that moves less is not talking
RESTING = 0.08  # of the range of opening; below it lips are shut, some of them pressed together
PRIOR_FRAMES = 50  # 2 s; weight of the population's baseline in `towards`
FEWEST_SHUT = 10  # frames that a resting face is the mean of


@dataclass(frozen=True, eq=False, repr=False)
class Baseline(Value):
    """A person's resting face and the size of their motion.

    Attributes:
        rest: [E] mean expression with the lips shut; if they never are, where they are nearest to it.
        amplitude: mm, standard deviation of the mouth's opening while talking.
    """

    rest: Tensor
    amplitude: float

    @classmethod
    def of(cls, face: Face, expression: Tensor) -> "Baseline":
        """Measures a person's baseline on their motion.

        Args:
            expression: [T, E] of `face`, see `motion.regression`; all clips of the person.
        Raises:
            InputError: the mouth never moves.
        """
        opening = 1000.0 * mouth_opening(face, expression)
        amplitude = float(opening.std())
        if not amplitude >= SMALLEST:
            raise InputError(
                f"the mouth opens and shuts by {amplitude:.2f} mm only (standard deviation), expected at "
                f"least {SMALLEST} mm; give a stretch in which the person talks"
            )
        low, high = opening_range(opening)
        shut = opening <= low + RESTING * (high - low)
        if int(shut.sum()) < FEWEST_SHUT:
            shut = torch.zeros_like(shut)
            shut[opening.argsort()[:FEWEST_SHUT]] = True
        return cls(expression[shut].mean(0), amplitude)

    def towards(self, population: "Baseline", frames: int) -> "Baseline":
        """This baseline, measured on `frames` frames, shrunk towards the population's.

        The means of the posterior, for a prior that is worth `PRIOR_FRAMES` frames.
        """
        own = frames / (frames + PRIOR_FRAMES)
        return Baseline(
            own * self.rest + (1 - own) * population.rest,
            self.amplitude**own * population.amplitude ** (1 - own),
        )

    def remove(self, space: str, expression: Tensor) -> Tensor:
        """[..., E] coefficients -> motion about the resting face, scaled to an amplitude of `TYPICAL`."""
        return enlarge(space, expression - self.rest, TYPICAL / self.amplitude)

    def restore(self, space: str, motion: Tensor) -> Tensor:
        """The inverse of `remove`, clamped to the bounds of the space."""
        known = coefficient_space(space)
        expression = self.rest + enlarge(space, motion, self.amplitude / TYPICAL)
        return expression.clamp(known.lower, known.upper)


def enlarge(space: str, motion: Tensor, factor: float | Tensor) -> Tensor:
    """Multiplies the mouth's part of motion [..., E] about the resting face by `factor`, a number or [...].

    In spaces other than arkit52 the components have no names, and all of them are scaled.
    """
    mouth = MOUTH if space == "arkit52" else slice(None)
    larger = motion.clone()
    larger[..., mouth] *= factor[..., None] if isinstance(factor, Tensor) else factor
    return larger
