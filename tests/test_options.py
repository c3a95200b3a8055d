"""Options are plain values: they go through JSON, refuse what nobody reads, and every caller shares them."""

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from adamesh.animation.options import MotionOptions
from adamesh.cli.options import motion_options, output_options
from adamesh.errors import InputError
from adamesh.export import ExportPlan, OutputOptions, Pictures, plan_export
from adamesh.jobs.animate_file import AnimateOptions

LOOK = Pictures((640, 360), "close", "soft", "#102030", wireframe=True, beside=Path("me.mp4"))
GIVEN = AnimateOptions(
    MotionOptions("generated", 0.5, 1.5, 7),
    OutputOptions(29.97, "flame2023", "average", "sparse", Path("me.png"), LOOK, force=True),
    sound_offset=-0.04,
    checkpoint=Path("own.safetensors"),
)


@pytest.mark.parametrize("options", [AnimateOptions(), GIVEN])
def test_there_and_back_as_json(options: AnimateOptions) -> None:
    kind = TypeAdapter(AnimateOptions)
    assert kind.validate_json(kind.dump_json(options)) == options


def test_a_plan_there_and_back_as_json(tmp_path: Path) -> None:
    plan = plan_export(tmp_path / "a.glb", OutputOptions(fps=24, force=True), sound=True)
    kind = TypeAdapter(ExportPlan)
    again = kind.validate_json(kind.dump_json(plan))
    assert again == plan
    assert again.format is plan.format


@pytest.mark.parametrize(
    "sent",
    [
        '{"motion": {"pose": "loop", "scale": 2}}',
        '{"output": {"codec": "draco"}}',
        '{"output": {"encoding": "tiny"}}',
        '{"motion": {"seed": "first"}}',
        '{"jobs": 2}',
    ],
)
def test_what_nobody_reads_is_refused(sent: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnimateOptions).validate_json(sent)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MotionOptions(pose="up"), "pose must be one of loop, generated, still, off"),
        (lambda: MotionOptions(pose_scale=5), "pose scale must be within 0..4, got 5"),
        (lambda: MotionOptions(intensity=-1), "intensity must be within 0..4, got -1"),
        (lambda: MotionOptions(seed=-1), "seed must be within"),
        (lambda: OutputOptions(fps=0), "fps must be within 1..1000, got 0"),
        (lambda: OutputOptions(identity="me"), "identity must be one of person, average"),
        (lambda: OutputOptions(encoding="zip"), "encoding must be one of plain, sparse, quantised"),
    ],
)
def test_values_that_there_are_not(make, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


def test_the_command_line_has_an_option_for_every_field() -> None:
    """And the same defaults: a field that is added without one is seen here."""
    for maker, kind in ((motion_options, MotionOptions), (output_options, OutputOptions)):
        given = inspect.signature(maker).parameters
        assert maker(**{name: p.default for name, p in given.items()}) == kind()
        inner = {"pictures": {field.name for field in fields(Pictures)}}
        wanted = set().union(*(inner.get(f.name, {f.name}) for f in fields(kind)))
        assert set(given) == wanted
