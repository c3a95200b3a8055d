"""Many channels of sound -> one, by what is in them.

The mean of the channels is right for most recordings and wrong for some: microphones wired in opposite phase
cancel each other, a channel without a microphone halves the other, and a film's dialogue is in one of six. So
the energies of the channels and of their mean are measured while a recording is read, and where another mix
is called for it is read again.
"""

from dataclasses import dataclass, field

import numpy as np
from av.audio.layout import AudioLayout

from adamesh.values import Value

CANCELLED = 0.25  # mean of the channels, over the energy it has where they have nothing in common
UNHEARD = 1e-4  # energy of a channel over that of the loudest; 40 dB below it is crosstalk
DIALOGUE = 0.1  # energy of the centre over that of the loudest, from which on it has the speech
CENTRE, DEEP = "FC", "LFE"


@dataclass(eq=False, repr=False)
class Channels(Value):
    """What was heard in one layout: energies, summed over its samples.

    Attributes:
        names: of the channels, such as FL, FR.
        energy: [C] of each.
        mixed: of their mean.
    """

    names: tuple[str, ...]
    energy: np.ndarray = field(init=False)
    mixed: float = 0.0

    def __post_init__(self) -> None:
        self.energy = np.zeros(len(self.names))

    def add(self, block: np.ndarray) -> None:
        """Hears float [C, n] more."""
        self.energy += np.square(block, dtype=np.float64).sum(1)
        self.mixed += float(np.square(block.T @ plain_weights(self.names), dtype=np.float64).sum())

    def weights(self) -> tuple[np.ndarray, str | None]:
        """[C] of a mix that keeps the speech, and a few words on it where it leaves something out."""
        plain, loudest = plain_weights(self.names), int(self.energy.argmax())
        most = self.energy[loudest]
        if len(self.names) == 1 or not most:
            return plain, None
        centre = self.names.index(CENTRE) if CENTRE in self.names else None
        if centre is not None and len(self.names) > 2 and self.energy[centre] > DIALOGUE * most:
            return _only(len(self.names), centre), None
        if self.mixed < CANCELLED * float(self.energy @ np.square(plain)):
            said = f"its channels cancel each other; number {loudest + 1} of {len(self.names)} is taken"
            return _only(len(self.names), loudest), said
        heard = (plain > 0) & (self.energy > UNHEARD * most)
        return (heard / heard.sum() if heard.any() else plain).astype(np.float32), None


def channel_names(layout: AudioLayout) -> tuple[str, ...]:
    """Of the layout; numbers where it is a number of channels only."""
    names = [channel.name for channel in layout.channels]
    return tuple(names if len(set(names)) == len(names) else map(str, range(len(names))))


def plain_weights(names: tuple[str, ...]) -> np.ndarray:
    """[C] float32 of the mean of all channels but the one for the subwoofer."""
    kept = np.array([name != DEEP or len(names) == 1 for name in names])
    return (kept / kept.sum()).astype(np.float32)


def _only(count: int, channel: int) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[channel]
