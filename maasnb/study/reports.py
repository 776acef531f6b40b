"""A report: the answer to a question about a model, as numbers, as a table and in words."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.errors import unknown_name

__all__ = ["Report"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """Hold an answer; notebooks show it as a table with a picture where there is one.

    Attributes:
        kind: what it is about: `"gradients"`, `"summary"`, `"evaluation"`, `"comparison"` or
            `"find_lr"`.
        title: one line that says of what it is.
        columns: the table's head.
        rows: the table's cells, as text.
        notes: sentences under the table.
        values: the single numbers, by name.
        data: the arrays that a picture is drawn from, by name.
    """

    kind: str
    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    data: Mapping[str, Array] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        """Return one of the numbers, as `report["accuracy"]`.

        Raises:
            UnknownNameError: the report has no such number.
        """
        if name not in self.values:
            raise unknown_name("number in this report", str(name), self.values)
        return self.values[name]

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the head and the rows."""
        return tuple(tuple(row) for row in (self.columns, *self.rows))

    def __str__(self) -> str:
        """Return the title, the table and the notes as aligned text."""
        table = self.table() if self.rows else ()
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        return "\n".join([self.title, *(f"  {line.rstrip()}" for line in lines), *self.notes])

    __repr__ = __str__
