"""A report: the answer to a question about a model, as numbers, as a table and in words.

A diagnosis also holds its findings one by one, for whoever shows or sends them in another way.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from maasnb.errors import unknown_name
from maasnb.language.translating import translated, translated_rows
from maasnb.tables import filled, is_number, width

__all__ = ["FINDINGS", "FLAWS", "WATCHED", "Finding", "Report", "Severity"]

Array = np.ndarray[Any, np.dtype[Any]]

Severity = Literal["bad", "warn", "hint"]

FINDINGS: dict[str, str] = {
    "diverged": "infinite loss",
    "no_gradient": "layers without a gradient",
    "dead_relu": "dead ReLUs",
    "saturated": "saturated activations",
    "vanishing_gradient": "vanishing gradient",
    "exploding_gradient": "exploding gradient",
    "lr_too_high": "learning rate too high",
    "lr_too_low": "learning rate too low",
    "unbalanced_classes": "unbalanced classes",
    "mislabelled": "wrong targets",
    "chance_level": "loss at chance level",
    "overfitting": "overfitting",
    "underfitting": "underfitting",
}
"""The kind of a finding in a run -> what people call it; causes before effects."""

FLAWS: dict[str, str] = {
    "in_two_splits": "examples in two splits",
    "gives_away": "a column that gives the answer away",
    "contradictions": "contradicting targets",
    "missing": "missing values",
    "rare_class": "classes with few examples",
    "unbalanced": "unbalanced classes",
    "unscaled": "columns of different size",
    "duplicates": "repeated examples",
    "constant": "constant columns",
    "extremes": "extreme values",
}
"""The kind of a finding in data -> what people call it."""

WATCHED: dict[str, str] = {
    "failing_requests": "failing requests",
    "slow_answers": "slow answers",
    "input_drift": "drift of inputs",
    "out_of_range": "values outside of the training data",
    "label_drift": "drift of answers",
}
"""The kind of a finding in a served model -> what people call it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Hold one thing that is wrong with a run, with data or with a served model.

    Attributes:
        kind: which of `FINDINGS`, `FLAWS` or `WATCHED` it is.
        severity: `"bad"` (the run will not work like this), `"warn"` (it is held back) or
            `"hint"`.
        words: what is wrong, in a sentence.
        evidence: the numbers that say so, with the steps that they are of.
        remedy: one thing to do or to type.
        where: the layers or classes that it is about; empty where it is about the whole.
    """

    kind: str
    severity: Severity
    words: str
    evidence: str
    remedy: str
    where: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return the name of the illness as people say it."""
        return {**FINDINGS, **FLAWS, **WATCHED}[self.kind]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """Hold an answer; notebooks show it as a table with a picture where there is one.

    Attributes:
        kind: what it is about: `"diagnosis"`, `"gradients"`, `"examples"`, `"summary"`,
            `"data"`, `"evaluation"`, `"comparison"`, `"find_lr"`, `"monitoring"` or `"exercise"`.
        title: one line that says of what it is.
        columns: the table's head.
        rows: the table's cells, as text.
        notes: sentences under the table.
        values: the single numbers, by name.
        data: the arrays that a picture is drawn from, by name.
        findings: what a diagnosis found, causes before effects.
        words: whether the table is one of words, which begin at the left.
    """

    kind: str
    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    data: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    findings: Sequence[Finding] = ()
    words: bool = False

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

    def shown_rows(self) -> tuple[tuple[str, ...], ...]:
        """Return the rows in the reader's language; what is a name in them stays."""
        words = {"diagnosis": 0, "summary": len(self.rows) - 1}.get(self.kind, len(self.rows))
        return (*map(tuple, self.rows[:words]), *translated_rows(self.rows[words:]))

    def __str__(self) -> str:
        """Return the title, the table and the notes as aligned text, in the reader's language."""
        head = tuple(map(translated, self.columns))
        table = (head, *self.shown_rows()) if self.rows else ()
        columns = list(zip(*table, strict=True))
        widths = [max(map(width, column)) for column in columns]
        left = [
            place == 0 or self.words or not all(map(is_number, column[1:]))
            for place, column in enumerate(columns)
        ]
        lines = [
            "  ".join(
                filled(cell, size, right=not is_left)
                for cell, size, is_left in zip(row, widths, left, strict=True)
            )
            for row in table
        ]
        title, *notes = map(translated, (self.title, *self.notes))
        return "\n".join([title, *(f"  {line.rstrip()}" for line in lines), *notes])

    __repr__ = __str__
