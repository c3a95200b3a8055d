"""HuBERT (arXiv 2106.07447) through `transformers`, for users who have its weights.

Attention sees all it is given, so that a frame depends on the length of the recording. Long audio therefore
goes through in fixed chunks, in training as in inference: the recording is cut every `HOP` seconds, every
piece is computed with `MARGIN` seconds of its neighbours on both sides (silence beyond the ends), and the
margins' frames are dropped.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adamesh.errors import InputError, MissingDependencyError
from adamesh.features.precision import best_dtype
from adamesh.rates import FEATURE_RATE, SAMPLE_RATE, SAMPLES_PER_FEATURE

HOP = 8.0  # s of new speech a chunk
MARGIN = 1.0  # s of speech around it
# The convolutional stem has windows of 400 samples with a stride of 320: this much silence on both sides
# makes one frame of every 320 samples and puts each window's middle on its frame's.
STEM_PADDING = 40


class HubertFeatures:
    """Last hidden states of a HuBERT, base (768 channels) or large (1024)."""

    lookahead = float("inf")

    def __init__(self, source: str, dtype: torch.dtype | None = None) -> None:
        """Loads the model.

        Args:
            source: a local directory in the layout of `transformers`, or a hub name.
            dtype: to compute in; by default bfloat16 where the processor multiplies it, else float32.
        Raises:
            InputError: no such model, or it is no HuBERT of 16 kHz speech.
            MissingDependencyError: no `transformers`.
        """
        try:
            from transformers import HubertModel
            from transformers.utils import logging
        except ImportError as error:
            raise MissingDependencyError("transformers", "HuBERT features", "hubert") from error
        self.name = f"hubert:{source}"
        logging.disable_progress_bar()
        try:
            model = HubertModel.from_pretrained(source)
        except (OSError, ValueError) as error:
            raise InputError(
                f"HuBERT '{source}' is not here: give a folder with config.json and the weights, or fetch it "
                "once with `hf download facebook/hubert-base-ls960 --local-dir hubert-base` and name "
                "hubert:hubert-base"
            ) from error
        self.dtype = dtype or best_dtype()
        self.model: Any = model.eval().requires_grad_(False).to(self.dtype)
        self.dim = int(self.model.config.hidden_size)
        self.normalize = _normalizes(Path(source))

    def __call__(self, samples: np.ndarray) -> Tensor:
        hop, margin = int(HOP * SAMPLE_RATE), int(MARGIN * SAMPLE_RATE)
        frames = -(-len(samples) // SAMPLES_PER_FEATURE)
        chunks = -(-len(samples) // hop)
        padded = np.pad(samples, (margin, chunks * hop - len(samples) + margin))
        kept = slice(int(MARGIN * FEATURE_RATE), int((MARGIN + HOP) * FEATURE_RATE))
        parts = []
        for first in range(0, chunks * hop, hop):
            parts.append(self.chunk(padded[first : first + hop + 2 * margin])[kept])
        return torch.cat(parts)[:frames]

    def chunk(self, samples: np.ndarray) -> Tensor:
        """[N] samples, N a multiple of 320 -> [N / 320, dim], all of it seen at once."""
        x = torch.from_numpy(samples)[None]
        if self.normalize:
            x = (x - x.mean()) / torch.sqrt(x.var(correction=0) + 1e-7)
        x = F.pad(x, (STEM_PADDING, STEM_PADDING)).to(self.model.device, self.dtype)
        with torch.inference_mode():
            hidden: Tensor = self.model(x).last_hidden_state[0]
        return hidden.float().cpu().clone()


def _normalizes(source: Path) -> bool:
    """Whether the model wants its input at zero mean and unit variance; the known ones do."""
    file = source / "preprocessor_config.json"
    if not file.is_file():
        return True
    return bool(json.loads(file.read_text(encoding="utf-8")).get("do_normalize", True))
