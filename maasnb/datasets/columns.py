"""The columns of a table: named numbers and texts, and the rows of texts in which they travel.

A table of numbers alone is a matrix. One that also has texts is kept as rows of texts, as a CSV
file has them, because any program can send these: a number is the shortest text that reads back as
the same number, and a missing value is an empty text.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.datasets.steps import Array
from maasnb.errors import DataError, OptionError, ShapeError

__all__ = [
    "Columns",
    "as_column",
    "as_rows",
    "cell",
    "chosen",
    "is_missing",
    "numbers_in",
    "rows_of",
    "some",
]

NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*\Z", flags=re.ASCII)
LONGEST_NUMBER = 400
_SHOWN = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """Hold a table while steps work on it.

    Attributes:
        parts: by name numbers [n] float64, texts [n], or what a step made of a column, [n, width].
        rows: the number of rows.
    """

    parts: Mapping[str, Array]
    rows: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.rows

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return the names of the columns of numbers."""
        return tuple(
            name for name, part in self.parts.items() if part.ndim == 1 and part.dtype.kind == "f"
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the names of the columns of texts."""
        return tuple(name for name, part in self.parts.items() if part.dtype.kind == "O")

    def part(self, name: str) -> Array:
        """Return a column.

        Raises:
            ShapeError: there is none of that name.
        """
        if name not in self.parts:
            message = f"There is no column {name!r:.80}; expected {some(tuple(self.parts))}."
            raise ShapeError(message)
        return self.parts[name]

    def matrix(self, names: Sequence[str]) -> Array:
        """Return columns of numbers side by side [n, columns], float64.

        Raises:
            ShapeError: one is not there, or holds no plain numbers.
        """
        found = np.empty((self.rows, len(names)))
        for place, name in enumerate(names):
            part = self.part(name)
            if part.ndim != 1 or part.dtype.kind != "f":
                message = f"The column {name!r:.80} holds no numbers; expected some."
                raise ShapeError(message)
            found[:, place] = part
        return found

    def put(self, parts: Mapping[str, Array]) -> "Columns":
        """Return the table with other values in some of its columns."""
        return Columns({**self.parts, **parts}, self.rows)

    def joined(self) -> Array:
        """Return all columns side by side [n, width], in their order.

        Raises:
            ShapeError: one holds texts.
        """
        if self.texts:
            message = (
                f"{some(self.texts)}: texts, which no step made numbers of. "
                "Type: prep=[..., mb.one_hot()]"
            )
            raise ShapeError(message)
        flat = [part.reshape(self.rows, math.prod(part.shape[1:])) for part in self.parts.values()]
        return np.concatenate(flat, axis=1) if flat else np.empty((self.rows, 0))


def some(names: Sequence[str]) -> str:
    """Return a few names as a message has them."""
    shown = ", ".join(f"{name!r:.80}" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def is_missing(value: object) -> bool:
    """Say whether a value stands for none: None, NaN, or what pandas writes for them.

    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def cell(value: object) -> str:
    """Return a value as the text that travels.

    >>> cell(34), cell(0.1), cell(2.0), cell(None), cell("Wien")
    ('34', '0.1', '2', '', 'Wien')

    Raises:
        DataError: it is neither a text nor a finite number.
    """
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        return ""
    if isinstance(value, bool | np.bool_ | int | np.integer):
        return str(int(value))
    number = _as_float(value)
    if number is None or not math.isfinite(number):
        message = f"A table holds {value!r:.60}; expected texts and finite numbers."
        raise DataError(message)
    return repr(number).removesuffix(".0")


def _as_float(value: Any) -> float | None:  # noqa: ANN401 - whatever was given
    if isinstance(value, list | tuple | dict | set | bytes | complex | np.ndarray):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def as_column(values: Any, name: str) -> Array:  # noqa: ANN401 - an array of any library
    """Return a column as numbers [n], or as texts [n] with an empty one where a value is missing.

    Numbers keep their type where none is missing, so that whole numbers stay classes.

    Raises:
        DataError: it holds something else; says what, and what to do.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        message = f"The column {name!r} has the shape {array.shape}; expected one value a row."
        raise DataError(message)
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind in "Mm":
        what, part = ("dates", "year") if array.dtype.kind == "M" else ("times", "total_seconds()")
        message = (
            f"The column {name!r} holds {what} ({array.dtype}); expected numbers or texts. Make "
            f"numbers of them, as in: table[{name!r}] = table[{name!r}].dt.{part}"
        )
        raise DataError(message)
    return _of_objects(array.astype(object).tolist(), name)


def _of_objects(values: list[Any], name: str) -> Array:
    present = [value for value in values if not is_missing(value)]
    texts = sum(isinstance(value, str) for value in present)
    if not texts:
        numbers = [_as_float(value) for value in present]
        wrong = next((v for v, n in zip(present, numbers, strict=True) if n is None), None)
        if wrong is not None:
            kind = type(wrong).__name__
            message = (
                f"The column {name!r} holds {wrong!r:.40} ({kind}); expected numbers or texts. "
                f"Leave the column out, or make one of them of it."
            )
            raise DataError(message)
        whole = len(present) == len(values) and all(
            isinstance(value, bool | np.bool_ | int | np.integer) for value in present
        )
        if whole and values and max(abs(int(value)) for value in values) < 2**63:
            return np.array([int(value) for value in values])
        return np.array([math.nan if is_missing(v) else float(v) for v in values], dtype=np.float64)
    column = np.empty(len(values), dtype=object)
    column[:] = [cell(value) for value in values]
    return column


def rows_of(columns: Mapping[str, Array]) -> Array:
    """Return columns as rows of texts [n, columns]."""
    count = len(next(iter(columns.values())))
    rows = np.empty((count, len(columns)), dtype=object)
    for place, column in enumerate(columns.values()):
        rows[:, place] = [cell(value) for value in column.tolist()]
    return rows


def as_rows(x: Any, width: int) -> Array:  # noqa: ANN401 - whatever was given
    """Return rows that a person wrote, as `[[34, "Wien"]]`, as rows of texts [n, width].

    Raises:
        ShapeError: the rows have another number of values.
    """
    array = np.asarray(x, dtype=object)
    array = array[np.newaxis] if array.ndim == 1 and len(array) == width else array
    if array.ndim != 2 or array.shape[1] != width or not len(array):
        message = (
            f"x has the shape {array.shape}; expected [n, {width}], a row of {width} values for "
            "each example, or a table with the columns that the model was trained on."
        )
        raise ShapeError(message)
    rows = np.empty(array.shape, dtype=object)
    rows.reshape(-1)[:] = [cell(value) for value in array.reshape(-1).tolist()]
    return rows


def numbers_in(texts: Sequence[str], name: str) -> Array:
    """Return a column of numbers [n] float64 that came as texts; an empty one is NaN.

    Raises:
        DataError: a text is no finite number; says where.
    """
    found = np.empty(len(texts))
    for place, text in enumerate(texts):
        fits = len(text) <= LONGEST_NUMBER and NUMBER.match(text) is not None
        found[place] = float(text) if fits else math.nan
        if not math.isfinite(found[place]) and text.strip():
            message = (
                f"The column {name!r:.80} holds {text!r:.60} in row {place + 1}; expected a finite "
                "number, or an empty text where it is missing."
            )
            raise DataError(message)
    return found


def chosen(columns: Columns, names: Sequence[str], step: str) -> tuple[str, ...]:
    """Return the columns that a step was asked to work on, checked.

    Raises:
        OptionError: there is no such column.
    """
    for name in names:
        if name not in columns.parts:
            message = (
                f"There is no column {name!r:.80} for mb.{step}; expected some of "
                f"{some(tuple(columns.parts))}."
            )
            raise OptionError(message)
    return tuple(names)
