"""Steps for tables: read rows, make columns of categories, and leave out rows that do not count."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from maasnb.datasets.columns import Columns, cell, chosen, is_missing, numbers_in, some
from maasnb.datasets.scaling import as_names, checked_names
from maasnb.datasets.steps import Array, Step
from maasnb.errors import DataError, OptionError, ShapeError

__all__ = ["Clean", "OneHot", "Table"]

MOST_CATEGORIES = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Table(Step):
    """Read a table's rows as named columns; the first step of a table's recipe.

    Attributes:
        columns: the columns' names in order.
        texts: those among them that hold texts.
    """

    kind: ClassVar[str] = "table"

    columns: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def fit(self, x: Array, y: Array) -> "Table":  # noqa: ARG002 - the steps' common form
        """Return the step itself: what a table's columns are was found before the split."""
        return self

    def inputs(self, x: Array) -> Columns:
        """Return the columns of a matrix [n, columns], or of rows of texts.

        Raises:
            ShapeError: there are more or fewer columns.
            DataError: a text stands where a number was expected.
        """
        if x.ndim != 2 or x.shape[1] != len(self.columns):
            message = (
                f"The rows have the shape {x.shape}; expected [n, {len(self.columns)}]: "
                f"{some(self.columns)}."
            )
            raise ShapeError(message)
        parts: dict[str, Array] = {}
        for place, name in enumerate(self.columns):
            column = x[:, place]
            if name in self.texts:
                parts[name] = column
            elif column.dtype.kind == "O":
                parts[name] = numbers_in(column.tolist(), name)
            else:
                parts[name] = column.astype(np.float64)
        return Columns(parts, len(x))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody."""
        step = cls(as_names(data["columns"]), as_names(data["texts"]))
        if len(data) != 2 or not step.columns or not set(step.texts) <= set(step.columns):
            message = "expected the names of columns, and those of texts among them"
            raise ValueError(message)
        return step


@dataclasses.dataclass(frozen=True, slots=True)
class OneHot(Step):
    """Make a column of zeros and ones of each category; one that is not known has only zeros.

    Attributes:
        columns: the columns of the table, by default all of texts.
        categories: the categories of each column, sorted.
    """

    kind: ClassVar[str] = "one_hot"

    columns: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Take names as a tuple."""
        object.__setattr__(self, "columns", checked_names(self.columns, self.kind))

    def fit(self, x: Any, y: Array) -> "OneHot":  # noqa: ANN401, ARG002 - the steps' common form
        """Learn the categories of each column.

        Raises:
            OptionError: the inputs are no table.
            DataError: a column has too many categories.
        """
        if not isinstance(x, Columns):
            message = (
                "mb.one_hot() is for the columns of a table, but the inputs are no table. "
                "Type: mb.data(table, 'column of the targets', prep=[mb.one_hot()])"
            )
            raise OptionError(message)
        names = chosen(x, self.columns, self.kind) or x.texts
        found = []
        for name in names:
            texts = _texts(x.part(name), name)
            categories = tuple(sorted(set(texts) - {""}))
            if len(categories) > MOST_CATEGORIES:
                message = (
                    f"The column {name!r} has {len(categories)} different values in "
                    f"{len(texts)} rows; expected at most {MOST_CATEGORIES} categories. Leave the "
                    f"column out, or read it as text: mb.tfidf(column={name!r})"
                )
                raise DataError(message)
            found.append(categories)
        return OneHot(names, tuple(found))

    def inputs(self, x: Any) -> Columns:  # noqa: ANN401 - columns
        """Return the table with zeros and ones [n, categories] in the place of each column.

        Raises:
            ShapeError: it is none.
        """
        if not isinstance(x, Columns):
            message = "one_hot has no table before it; expected one."
            raise ShapeError(message)
        parts = {}
        for name, categories in zip(self.columns, self.categories, strict=True):
            texts = np.array(_texts(x.part(name), name), dtype=object)
            ones = texts[:, np.newaxis] == np.array([*categories, ""], dtype=object)
            parts[name] = ones[:, : len(categories)].astype(np.float64)
        return x.put(parts)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return {"columns": list(self.columns), "categories": [list(c) for c in self.categories]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody."""
        columns, categories = as_names(data["columns"]), data["categories"]
        if len(data) != 2 or not isinstance(categories, list) or len(categories) != len(columns):
            message = "expected columns and the categories of each"
            raise ValueError(message)
        return cls(columns, tuple(as_names(each) for each in categories))


@dataclasses.dataclass(frozen=True, slots=True)
class Clean(Step):
    """Leave out rows that are there twice, and rows without a target, before the split.

    It changes no example, so a server has nothing to do and the fitted recipe does not have it.
    """

    kind: ClassVar[str] = "clean"

    def kept(self, columns: Sequence[Array], targets: Sequence[Any]) -> tuple[Array, str]:
        """Return which rows stay, as places [n], and what was left out, in words.

        Args:
            columns: the inputs, each [n, ...].
            targets: the targets [n].
        """
        rows = [_plain_rows(column) for column in columns]
        seen: set[tuple[Any, ...]] = set()
        kept, counts = [], collections.Counter[str]()
        for place, target in enumerate(targets):
            if is_missing(target) or (isinstance(target, str) and not target):
                counts["without a target"] += 1
                continue
            row = (target, *[each[place] for each in rows])
            if row in seen:
                counts["that were there before"] += 1
                continue
            seen.add(row)
            kept.append(place)
        words = " and ".join(
            f"{count} row{'s' * (count > 1)} {why.replace('were', 'was') if count == 1 else why}"
            for why, count in sorted(counts.items())
        )
        return np.array(kept, dtype=np.int64), f"{words} left out" if words else "no row left out"


def _plain_rows(column: Array) -> list[Any]:
    """Return what rows can be compared by; NaN equals NaN, as in its bytes."""
    if column.dtype.kind == "O":
        return [tuple(each) if isinstance(each, list) else each for each in column.tolist()]
    return [each.tobytes() for each in np.ascontiguousarray(column)]


def _texts(part: Array, name: str) -> list[str]:
    if part.ndim != 1:
        message = f"The column {name!r:.80} was made numbers of before; expected it once."
        raise ShapeError(message)
    return [cell(value) for value in part.tolist()]
