"""Metrics as fields of a dataclass that say how a table shows them: one place to add one to."""

from collections.abc import Iterable
from dataclasses import field, fields
from typing import Any


def column(heading: str, form: str) -> Any:
    """A field of a dataclass of metrics.

    Args:
        heading: over its column.
        form: format specification of its number, or of each of its numbers.
    """
    return field(metadata={"heading": heading, "form": form})


def headings(kind: type) -> list[str]:
    """Over the columns of a dataclass of metrics."""
    return [metric.metadata["heading"] for metric in fields(kind)]


def cells(kind: type, values: Iterable[Any]) -> list[str]:
    """One row of them: values of the fields in their order, a tuple for several numbers, None for nothing."""
    return [_cell(m.metadata["form"], x) for m, x in zip(fields(kind), values, strict=True)]


def _cell(form: str, value: Any) -> str:
    if isinstance(value, tuple):
        return "/".join(format(number, form) for number in value)
    return "" if value is None else format(value, form)
