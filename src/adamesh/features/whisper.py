"""What Whisper's first layers hear, see `models.whisper`: of whole recordings, or as a stream hears them.

Attention sees all it is given, so that a frame depends on what surrounds it. Recordings go through in
chunks of `HOP` seconds with `MARGIN` seconds of their neighbours on both sides, in training as in
inference. A stream cannot wait for seconds: there a frame sees the block of `BLOCK` it lies in and `PAST`
before that, and nothing is computed twice.
"""

import numpy as np
import torch
from torch import Tensor

from adamesh.audio.whisper_mel import CENTRE, WINDOW, whisper_mel
from adamesh.audio.whisper_mel import HOP as MEL_HOP
from adamesh.features.precision import best_dtype
from adamesh.models.whisper import BEFORE, WhisperEncoder
from adamesh.nn.conformer import Blockwise
from adamesh.nn.state import START
from adamesh.rates import FEATURE_RATE, SAMPLE_RATE, SAMPLES_PER_FEATURE

HOP = 8 * FEATURE_RATE  # feature frames of new speech a chunk
MARGIN = FEATURE_RATE  # feature frames around it
BLOCK = Blockwise(frames=8, past=2 * FEATURE_RATE)  # 160 ms, 2 s
BLOCKS_AT_ONCE = 50
# Samples that the first window of a chunk reaches before its first feature's own, and the last behind.
REACH = BEFORE * MEL_HOP + WINDOW // 2 - CENTRE


class WhisperFeatures:
    """Hidden states of a `WhisperEncoder`."""

    def __init__(
        self,
        encoder: WhisperEncoder,
        *,
        streamed: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Args: dtype: to compute in; by default the fastest that this processor is good at."""
        self.dtype = dtype or best_dtype()
        self.encoder = encoder.to(self.dtype)
        self.streamed = streamed
        self.name = "whisper"
        self.dim = encoder.config.dim
        ahead = (BLOCK.frames - 1) * SAMPLES_PER_FEATURE + REACH
        self.lookahead = ahead / SAMPLE_RATE if streamed else float("inf")

    def __call__(self, samples: np.ndarray) -> Tensor:
        frames = -(-len(samples) // SAMPLES_PER_FEATURE)
        with torch.no_grad():  # not inference mode: other networks are trained on the features
            parts = (
                self._stream(samples, frames) if self.streamed else self._chunks(samples, frames)
            )
            return torch.cat(parts)[:frames].float().cpu()

    def _chunks(self, samples: np.ndarray, frames: int) -> list[Tensor]:
        return [
            self.encoder(self._input(samples, first - MARGIN, HOP + 2 * MARGIN))[0, MARGIN:-MARGIN]
            for first in range(0, frames, HOP)
        ]

    def _stream(self, samples: np.ndarray, frames: int) -> list[Tensor]:
        state, size, parts = START, BLOCKS_AT_ONCE * BLOCK.frames, []
        for first in range(0, frames, size):
            mels = self._input(samples, first, size)
            part, state = self.encoder.step(mels, BLOCK, state, first)
            parts.append(part[0])
        return parts

    def _input(self, samples: np.ndarray, first: int, count: int) -> Tensor:
        """The result of `_mels` in the dtype and on the device of the encoder."""
        return _mels(samples, first, count).to(self.encoder.conv1.weight)


def _mels(samples: np.ndarray, first: int, count: int) -> Tensor:
    """[1, H, D] the mel frames of `count` features from `first` on; silence beyond the recording."""
    start = first * SAMPLES_PER_FEATURE - REACH
    stop = (first + count) * SAMPLES_PER_FEATURE + REACH
    heard = samples[max(start, 0) : max(stop, 0)]
    padded = np.pad(heard, (max(-start, 0), stop - max(start, 0) - len(heard)))
    return whisper_mel(torch.from_numpy(padded))[None]
