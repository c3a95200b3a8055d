"""What of somebody's motion no speech tells: the face they rest in, and how far their mouth opens.

Both are taken out of what the expression adapter learns, and put back from the reference: a network that has
to say them learns them by heart, for the people it was trained on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from adamesh.errors import InputError
from adamesh.faces.face import Face
from adamesh.metrics.mouth import mouth_opening, opening_range
from adamesh.motion.spaces import MOUTH, coefficient_space

TYPICAL = 3.0  # mm, deviation of the mouth's opening in talking people: the network's unit
SMALLEST = 0.5  # mm; a mouth that moved less did not talk
RESTING = 0.08  # of the range of opening: lips below it are shut, and some of them pressed
PRIOR_FRAMES = 50  # 2 s, as much as which people in general count for one of them
FEWEST_SHUT = 10  # frames that a resting face is a mean of


@dataclass(frozen=True)
class Baseline:
    """A person's resting face and the size of their motion.

    Attributes:
        rest: [E] expression with the lips shut, or as near to it as the person comes.
        amplitude: mm, standard deviation of the mouth's opening while talking.
    """

    rest: Tensor
    amplitude: float

    @classmethod
    def of(cls, face: Face, expression: Tensor) -> "Baseline":
        """The baseline that somebody's motion shows.

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
        """This baseline, measured on `frames` frames, drawn towards people's in general.

        Means of the posterior: the population counts as `PRIOR_FRAMES`.
        """
        own = frames / (frames + PRIOR_FRAMES)
        return Baseline(
            own * self.rest + (1 - own) * population.rest,
            self.amplitude**own * population.amplitude ** (1 - own),
        )

    def remove(self, space: str, expression: Tensor) -> Tensor:
        """[..., E] coefficients -> motion about the resting face, of everybody's size."""
        return enlarge(space, expression - self.rest, TYPICAL / self.amplitude)

    def restore(self, space: str, motion: Tensor) -> Tensor:
        """Inverse of `remove`, within the bounds of the space."""
        known = coefficient_space(space)
        expression = self.rest + enlarge(space, motion, self.amplitude / TYPICAL)
        return expression.clamp(known.lower, known.upper)


def enlarge(space: str, motion: Tensor, factor: float | Tensor) -> Tensor:
    """Motion [..., E] about the resting face with the mouth's part times `factor`, a number or [...].

    Where components have no names, all of them are the mouth's.
    """
    mouth = MOUTH if space == "arkit52" else slice(None)
    larger = motion.clone()
    larger[..., mouth] *= factor[..., None] if isinstance(factor, Tensor) else factor
    return larger
