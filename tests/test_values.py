"""What a program and a person at a prompt see of our values."""

import ast
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import adamesh
from adamesh.animation.style import default_style
from adamesh.faces import load_embedded_face
from adamesh.motion.clip import MotionClip
from adamesh.values import Value, short

PACKAGE = Path(adamesh.__file__).parent
ARRAYS = re.compile(r"\b(Tensor|ndarray|NDArray|FloatArray|Float)\b")


def test_reprs_fit_a_line_or_two() -> None:
    clip = MotionClip("arkit52", 25, np.zeros((149, 52)), betas=np.zeros(10))
    assert repr(clip) == "MotionClip(149 frames at 25 fps, 5.96 s, arkit52, with betas)"
    style = default_style()
    assert repr(style).startswith("Style('neutral', not adapted, ")
    for value in (style, style.pose, style.baseline, style.loop, load_embedded_face()(None)):
        assert len(repr(value)) < 500, repr(value)
        assert "\n" not in repr(value)
    assert "rest=float32[52]" in repr(style.baseline)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.zeros((2, 3), np.float32), "float32[2, 3]"),
        (torch.zeros(4, dtype=torch.int64), "int64[4]"),
        (0.1234567891, "0.123457"),
        ({"a": torch.zeros(2)}, "<1 in a dict>"),
        ((1, 2), "(1, 2)"),
        (list(range(100)), "<100 in a list>"),
        ("x" * 100, repr("x" * 57 + "...")),
    ],
)
def test_short(value: object, expected: str) -> None:
    assert short(value) == expected


def test_values_compare_as_objects() -> None:
    one, two = (MotionClip("arkit52", 25, np.zeros((2, 52))) for _ in range(2))
    assert one in [one]
    assert one != two
    assert len({one, two}) == 2


def test_no_dataclass_compares_or_prints_arrays() -> None:
    """Comparing two of them would raise, printing one would fill the screen."""
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            decorators = [ast.unparse(d) for d in node.decorator_list]
            fields = [ast.unparse(b.annotation) for b in node.body if isinstance(b, ast.AnnAssign)]
            held = [f for f in fields if ARRAYS.search(f) and "Callable" not in f]
            if not held or not any(d.startswith("dataclass") for d in decorators):
                continue
            if not {"eq=False", "repr=False"} <= set(re.findall(r"\w+=\w+", decorators[0])):
                wrong.append(f"{path.name}: {node.name}")
    assert wrong == []


def test_a_value_prints_its_fields() -> None:
    @dataclasses.dataclass(eq=False, repr=False)
    class Pair(Value):
        a: np.ndarray
        b: float

    assert repr(Pair(np.zeros(3), 0.5)) == "Pair(a=float64[3], b=0.5)"


def test_the_package_shows_what_it_has() -> None:
    assert set(adamesh.__all__) <= set(dir(adamesh))
    for name in adamesh.__all__:
        assert getattr(adamesh, name).__doc__
    with pytest.raises(adamesh.InputError, match="frame rate above 0"):
        MotionClip("arkit52", 0, np.zeros((2, 52)))
