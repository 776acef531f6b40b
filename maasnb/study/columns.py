"""A column of raw examples in numbers: its type, its range, what is missing or distinct."""

import dataclasses
import math
from typing import Any

import numpy as np

__all__ = ["Column", "column_of", "is_missing"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Hold what is told of one column.

    Attributes:
        name: the column's name.
        kind: `"numbers"`, `"whole numbers"`, `"yes or no"` or `"text"`.
        values: its numbers [n] as float64, NaN where one is missing; empty for text.
        missing: how many values are missing: NaN, None or an empty text.
        distinct: how many different values there are.
        example: a value, as text: the most frequent one of texts.
    """

    name: str
    kind: str
    values: Array
    missing: int
    distinct: int
    example: str = ""

    @property
    def is_constant(self) -> bool:
        """Say whether all values that are there are the same."""
        return self.distinct <= 1

    def cells(self) -> tuple[str, ...]:
        """Return the row of a table: name, kind, smallest, mean, largest, missing, distinct."""
        there = self.values[np.isfinite(self.values)]
        numbers = ("-", "-", "-")
        if len(there):
            numbers = tuple(_shown(value) for value in (there.min(), there.mean(), there.max()))
        return (self.name, self.kind, *numbers, str(self.missing), str(self.distinct))


def column_of(name: str, raw: Array) -> Column:
    """Return what is told of a column.

    Args:
        name: its name.
        raw: its values [n]: numbers, booleans, texts, or objects of these kinds.
    """
    if raw.dtype.kind in "OUS":
        return _of_objects(name, raw.tolist())
    values = raw.astype(np.float64)
    kinds = {"b": "yes or no", "i": "whole numbers", "u": "whole numbers"}
    return _of_numbers(name, kinds.get(raw.dtype.kind, "numbers"), values)


def is_missing(value: object) -> bool:
    """Say whether a value stands for none: None, NaN or a text without a letter.

    >>> [is_missing(each) for each in (None, float("nan"), " ", 0, "no")]
    [True, True, True, False, False]
    """
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, float | np.floating) and math.isnan(value)


def _of_numbers(name: str, kind: str, values: Array) -> Column:
    missing = int(np.isnan(values).sum())
    distinct = len(np.unique(values[~np.isnan(values)]))
    return Column(name=name, kind=kind, values=values, missing=missing, distinct=distinct)


def _of_objects(name: str, values: list[Any]) -> Column:
    there = [value for value in values if not is_missing(value)]
    if there and all(isinstance(value, bool | int | float | np.number) for value in there):
        numbers = np.array([math.nan if is_missing(value) else float(value) for value in values])
        return _of_numbers(name, "numbers", numbers)
    counts: dict[str, int] = {}
    for value in there:
        counts[str(value)] = counts.get(str(value), 0) + 1
    most = max(counts, key=lambda value: counts[value], default="")
    return Column(
        name=name,
        kind="text",
        values=np.zeros(0),
        missing=len(values) - len(there),
        distinct=len(counts),
        example=most,
    )


def _shown(value: float) -> str:
    return f"{value:.4g}"
