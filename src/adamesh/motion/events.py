"""What all sampled events share: when the next one begins, and how large it is."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


class Waiting:
    """When events begin, frame after frame: a Poisson process whose rate may change with every frame.

    Args:
        fps: frames per second.
        rng: a number is drawn for each event.
    """

    def __init__(self, fps: float, rng: np.random.Generator) -> None:
        self.fps, self.rng = fps, rng
        self._due = float(rng.exponential())  # of a clock that runs by the rate
        self._free = 0.0  # s; nothing begins earlier
        self._passed = 0.0  # s that were waited through

    def rest_until(self, second: float) -> None:
        """No event begins before that, which is after the last one."""
        self._free = second

    def onset(self, frame: int, rate_hz: float) -> float | None:
        """The second within the frame's time at which an event begins, if one does; call for every frame."""
        start, end = max(self._passed, self._free), (frame + 1) / self.fps
        passed = rate_hz * max(end - start, 0.0)
        if self._due > passed:
            self._due -= passed
            self._passed = end
            return None
        onset = max(start + self._due / rate_hz, frame / self.fps)
        self._due = float(self.rng.exponential())
        self._passed = onset  # the rest of the frame counts for the next one
        return onset


def drawn(mean: float, spread: float, least: float, deviate: float) -> float:
    """A size or a duration: `least`, plus a log-normal rest of that mean and deviation.

    Args:
        deviate: standard normal; deviates that go together make values that do.
    """
    over = max(mean - least, 1e-6)
    variance = np.log1p((spread / over) ** 2)
    return float(least + over * np.exp(np.sqrt(variance) * deviate - variance / 2))
