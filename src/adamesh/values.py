"""Dataclasses that hold arrays: printed in a few words, and compared as the objects they are."""

import dataclasses
from collections.abc import Mapping
from typing import Any

LONGEST = 60  # characters of a text, or of a collection, that is printed whole


class Value:
    """Base of dataclasses that hold arrays; those are declared with `eq=False, repr=False`.

    Equality by value would be an array, not a truth, and the arrays printed would fill a screen.
    """

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={short(getattr(self, field.name))}"
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.repr
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def short(value: Any) -> str:
    """One value in a few words: of an array its type and shape."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = str(value.dtype).removeprefix("torch.")
        return f"{kind}[{', '.join(map(str, value.shape))}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        holds_arrays = any(
            hasattr(item, "shape")
            for item in (value.values() if isinstance(value, Mapping) else value)
        )
        if holds_arrays or len(repr(value)) > LONGEST:
            return f"<{len(value)} in a {type(value).__name__}>"
    if isinstance(value, str) and len(value) > LONGEST:
        return repr(value[: LONGEST - 3] + "...")
    return repr(value)
