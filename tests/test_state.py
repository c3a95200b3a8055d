"""What networks carry from chunk to chunk is plain tensors, and all of theirs are where their inputs are."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from adamesh.models.baseline import Baseline
from adamesh.models.expression import ExpressionAdapter, ExpressionConfig
from adamesh.models.opening import OpeningConfig, OpeningNetwork
from adamesh.models.pose_gpt import PoseGPT, PoseGPTConfig
from adamesh.models.pose_vqvae import PoseVQVAE, PoseVQVAEConfig
from adamesh.models.whisper import AFTER, BEFORE, WhisperConfig, WhisperEncoder
from adamesh.nn.conformer import Blockwise
from adamesh.nn.state import START, State

EXPRESSION = ExpressionConfig(feature_dim=6, dim=16, style_dim=4, identity_dim=3, window=8)
GPT = PoseGPTConfig(
    feature_dim=7, speech_dim=4, codes=16, code_dim=8, style_dim=4, dim=16, window=6, units=5
)
VQVAE = PoseVQVAEConfig(codes=16, code_dim=8, dim=16)
WHISPER = WhisperConfig(mel_dim=8, dim=16, heads=2, layers=2)
BLOCK = Blockwise(frames=4, past=8)

Shapes = list[tuple[int, ...]]
Step = Callable[[nn.Module, tuple[Tensor, ...], State], tuple[Tensor, State]]


def expression_step(
    model: ExpressionAdapter, inputs: tuple[Tensor, ...], state: State
) -> tuple[Tensor, State]:
    output, state = model.step(*inputs, state)
    return output.after, state


# Of each streaming network: how it is made, a chunk's inputs, and one step.
STREAMS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], tuple[Tensor, ...]], Step]] = {
    "expression": (
        lambda: ExpressionAdapter(EXPRESSION),
        lambda _: (torch.randn(1, 8, 6), torch.full((1, 4), 0.3), torch.full((1, 3), -0.2)),
        expression_step,
    ),
    "PoseGPT": (
        lambda: PoseGPT(GPT),
        lambda _: (torch.randint(0, 16, (1, 2)), torch.randn(1, 2, 5), torch.full((1, 4), 0.3)),
        lambda model, inputs, state: model.step(*inputs, state),
    ),
    "VQ-VAE": (
        lambda: PoseVQVAE(VQVAE),
        lambda _: (torch.randint(0, 16, (1, 2)),),
        lambda model, inputs, state: model.step(*inputs, state),
    ),
    "Whisper": (
        lambda: WhisperEncoder(WHISPER),
        lambda k: (torch.randn(1, BEFORE + 2 * 4 + AFTER, 8), torch.tensor(4 * k)),
        lambda model, inputs, state: model.step(inputs[0], BLOCK, state, inputs[1]),
    ),
}


def expression_shapes(past: int) -> Shapes:
    block = [(1, past, 32), (1, 6, 16)]
    return [*[(1, 4, 16)] * 3, *block, *block, (1, 4, 52), (1, 4, 16)]


# Of each network, the shapes of its state after the first chunk and after many, as its `step` documents.
SHAPES: dict[str, tuple[Shapes, Shapes]] = {
    "expression": (expression_shapes(4), expression_shapes(7)),
    "PoseGPT": ([(1, 2, 32)] * 6, [(1, 5, 32)] * 6),
    "VQ-VAE": ([(1, 2, 8), *[(1, 4, 16)] * 5], [(1, 2, 8), *[(1, 4, 16)] * 5]),
    "Whisper": ([(1, 4, 32)] * 2, [(1, 8, 32)] * 2),
}


def made(name: str) -> tuple[nn.Module, list[tuple[Tensor, ...]], Step]:
    torch.manual_seed(0)
    make, chunk, step = STREAMS[name]
    model = make().eval()
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    return model, [chunk(k) for k in range(9)], step


@pytest.mark.parametrize("name", STREAMS)
def test_a_state_survives_being_saved(name: str) -> None:
    model, chunks, step = made(name)
    state: State = START
    other: State = START
    with torch.no_grad():
        for chunk in chunks:
            expected, state = step(model, chunk, state)
            found, other = step(model, chunk, other)
            torch.testing.assert_close(found, expected, atol=0, rtol=0)
            content = save({str(i): x.contiguous() for i, x in enumerate(other)})
            stored = load(content)
            other = tuple(stored[str(i)] for i in range(len(stored)))
    assert len(state) == len(other) > 0


@pytest.mark.parametrize("name", STREAMS)
def test_a_state_is_a_flat_tuple_of_the_documented_shapes(name: str) -> None:
    model, chunks, step = made(name)
    first, last = SHAPES[name]
    state: State = START
    for number, chunk in enumerate(chunks):
        _, state = step(model, chunk, state)
        assert isinstance(state, tuple)
        assert all(type(x) is Tensor for x in state)
        if number in (0, len(chunks) - 1):
            assert [tuple(x.shape) for x in state] == (last if number else first)


@pytest.mark.parametrize("name", STREAMS)
def test_a_state_is_not_changed_in_place(name: str) -> None:
    """A stream may go back to where it was: the same state and chunk give the same."""
    model, chunks, step = made(name)
    with torch.no_grad():
        _, state = step(model, chunks[0], START)
        once, after = step(model, chunks[1], state)
        step(model, chunks[2], after)
        again, _ = step(model, chunks[1], state)
    torch.testing.assert_close(again, once, atol=0, rtol=0)


@pytest.mark.parametrize("name", STREAMS)
def test_a_step_can_be_exported(name: str) -> None:
    """As a graph from tensors to tensors, the state among both, which goes on from a past of any length."""
    model, chunks, step = made(name)

    class Stepping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: tuple[Tensor, ...], state: State) -> tuple[Tensor, State]:
            return step(self.model, inputs, state)

    grows = [a != b for a, b in zip(*SHAPES[name], strict=True)]
    any_length = tuple({1: torch.export.Dim.AUTO} if grown else None for grown in grows)
    with torch.no_grad():
        _, state = step(model, chunks[0], START)
        graph: Any = torch.export.export(
            Stepping().eval(),
            (chunks[1], state),
            dynamic_shapes=((None,) * len(chunks[1]), any_length),
        ).module()
        for chunk in chunks[1:]:
            expected, after = step(model, chunk, state)
            found, kept = graph(chunk, state)
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
            for a, b in zip(kept, after, strict=True):
                torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)
            state = after


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_stays_on_its_device(name: str) -> None:
    """On the meta device, which refuses tensors of the processor as a GPU does."""
    model, chunks, step = made(name)
    model.to("meta")
    state: State = START
    for chunk in chunks[:3]:
        result, state = step(model, tuple(x.to("meta") for x in chunk), state)
        assert result.device.type == "meta"
        assert {x.device.type for x in state} == {"meta"}


def test_the_other_parts_stay_on_their_device() -> None:
    meta = torch.device("meta")
    with meta:
        adapter, gpt, vqvae = ExpressionAdapter(EXPRESSION), PoseGPT(GPT), PoseVQVAE(VQVAE)
        opening = OpeningNetwork(OpeningConfig(feature_dim=6, dim=16))
        motion, features = torch.empty(1, 24, 3), torch.empty(1, 48, 7)
        codes, expression = torch.empty(1, 6, dtype=torch.long), torch.empty(2, 12, 52)
    made = [
        adapter.encode_style(expression),
        opening(torch.empty(1, 8, 6, device=meta)),
        gpt.hear(features),
        gpt.encode_style(vqvae.encode(motion)),
        gpt.nats(codes, gpt.hear(features), torch.empty(1, 4, device=meta), 0),
        vqvae.codes(vqvae.encode(motion)),
        Baseline(torch.empty(52, device=meta), 4.0).restore("arkit52", expression),
    ]
    assert {x.device.type for x in made} == {"meta"}
