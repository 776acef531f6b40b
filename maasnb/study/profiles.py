"""The report on data: types, ranges, what is missing or double, classes, examples, and findings."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from maasnb.datasets.images import as_pictures, image_shape
from maasnb.datasets.loading import Data, Split
from maasnb.datasets.splits import taken_split
from maasnb.errors import DataError
from maasnb.parts import named
from maasnb.study.columns import Column, column_of
from maasnb.study.evidence import counted
from maasnb.study.reports import Report

__all__ = ["Profile"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_ROWS = 40
"""A table with more columns is told by those that the findings name, and the first ones."""
MOST_NUMBERS = 1 << 20
MOST_CLASSES = 8
MOST_PICTURES = 24
_SHOWN_TEXT = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """Hold data as a report sees it: raw, without the repetitions of balanced classes.

    Attributes:
        data: the data.
        splits: the splits that have examples, by name.
        form: `"table"`, `"images"`, `"text"`, or `"arrays"` for all else.
    """

    data: Data
    splits: dict[str, Split]
    form: str

    @classmethod
    def of(cls, data: Data) -> "Profile":
        """Look at data.

        Raises:
            DataError: its examples come one batch after the other.
        """
        if data.stream is not None:
            message = (
                f"The data {data.name!r} is a stream, of which only the first batch is known; "
                "inspect arrays of it. Type: mb.inspect(mb.data(x, y))"
            )
            raise DataError(message)
        train = taken_split(data.train, slice(0, len(data.train) - data.repeated))
        named_splits = {"train": train, "validation": data.validation, "test": data.test}
        splits = {name: split for name, split in named_splits.items() if len(split)}
        return cls(data=data, splits=splits, form=_form(train.x, data.features))

    @functools.cached_property
    def columns(self) -> tuple[Column, ...]:
        """Return what is told of each column, or of all numbers together where there are none."""
        if self.form == "text":
            texts = [str(each) for split in self.splits.values() for each in split.x.tolist()]
            lengths = np.array([len(each) for each in texts])
            words = np.array([len(each.split()) for each in texts])
            return (
                column_of("text", np.array(texts, dtype=object)),
                column_of("characters", lengths),
                column_of("words", words),
            )
        if self.form == "table":
            x = np.concatenate([split.x for split in self.splits.values()])
            names = self.data.features
            return tuple(column_of(name, x[:, place]) for place, name in enumerate(names))
        parts = {
            name: np.concatenate(
                [dict(named(split.x, "x"))[name] for split in self.splits.values()]
            )
            for name, _ in named(self.splits["train"].x, "x")
        }
        renamed = "pixels" if self.form == "images" else "x"
        return tuple(
            column_of(renamed if name == "x" else name, _some(part)) for name, part in parts.items()
        )

    @functools.cached_property
    def keys(self) -> dict[str, list[Any]] | None:
        """Return what tells the examples of each split apart; None where equal ones are nothing.

        Windows of one text, and examples of several parts, are not compared.
        """
        if self.data.positions or isinstance(self.splits["train"].x, dict | tuple):
            return None
        return {name: _keys(split.x) for name, split in self.splits.items()}

    @functools.cached_property
    def counts(self) -> dict[str, Array]:
        """Return how many examples each class has in each split; empty for other data."""
        if self.data.kind == "multilabel":
            return {name: split.y.sum(axis=0) for name, split in self.splits.items()}
        if self.data.kind != "classification" or self.data.positions:
            return {}
        classes = len(self.data.labels)
        return {
            name: np.bincount(split.y, minlength=classes) for name, split in self.splits.items()
        }

    def report(self, findings: Sequence[Any]) -> Report:
        """Return the report.

        Args:
            findings: what is wrong with the data.
        """
        data, rows = self.data, sum(len(split) for split in self.splits.values())
        named_first = {name for finding in findings for name in finding.where}
        ranked = sorted(self.columns, key=lambda column: column.name not in named_first)
        shown = ranked[:MOST_ROWS] if len(ranked) > MOST_ROWS else self.columns
        notes = [*self._in_words(), *(f"{each.words} {each.remedy}" for each in findings)]
        if len(ranked) > MOST_ROWS:
            notes.insert(0, f"{len(ranked) - MOST_ROWS} more columns are not shown.")
        if not findings:
            notes.append("Nothing was found that is wrong with the data.")
        problems = counted(len(findings), "finding") if findings else "no finding"
        sizes = ", ".join(f"{len(split)} {name}" for name, split in self.splits.items())
        return Report(
            kind="data",
            title=f"Data {data.name!r}: {rows} examples ({sizes}), {problems}",
            columns=("column", "type", "smallest", "mean", "largest", "missing", "distinct"),
            rows=[column.cells() for column in shown],
            notes=notes,
            values=self._values(rows),
            data=self._drawn(shown),
            findings=findings,
        )

    def _values(self, rows: int) -> dict[str, float]:
        values = {"examples": rows, "missing": sum(column.missing for column in self.columns)}
        if self.form == "table":
            values["columns"] = len(self.columns)
        if self.keys is not None:
            every = [key for keys in self.keys.values() for key in keys]
            values["duplicates"] = len(every) - len(set(every))
        for name, counts in self.counts.items():
            if name == "train":
                values["smallest_class"], values["largest_class"] = counts.min(), counts.max()
        return {name: float(value) for name, value in values.items()}

    def _in_words(self) -> list[str]:
        """Say how the targets are distributed, and what an example looks like."""
        data, said = self.data, []
        if self.counts:
            totals = np.sum(list(self.counts.values()), axis=0)
            order = np.argsort(-totals, kind="stable")[:MOST_CLASSES]
            several = data.kind == "multilabel"  # whose shares do not add up to 1
            rows = sum(map(len, self.splits.values())) if several else totals.sum()
            shares = [f"{data.labels[n]} {totals[n]} ({totals[n] / rows:.0%})" for n in order]
            more = len(totals) - len(order)
            said.append(
                f"{'Labels' if several else 'Classes'}: {', '.join(shares)}"
                f"{f' and {more} more' if more else ''}."
            )
        elif data.kind == "regression":
            y = np.concatenate([split.y for split in self.splits.values()])
            parts = [
                f"{low:.4g} to {high:.4g}, mean {mean:.4g}"
                for low, high, mean in zip(
                    y.min(axis=0), y.max(axis=0), y.mean(axis=0), strict=True
                )
            ]
            said.append(f"Targets: {'; '.join(parts[:MOST_CLASSES])}.")
        example = self._example()
        if example:
            said.append(f"The first training example: {example}.")
        return said

    def _example(self) -> str:
        train = self.splits["train"]
        if self.form == "text":
            words = " ".join(str(train.x[0]).split())
            told = f"{words[:_SHOWN_TEXT]}..." if len(words) > _SHOWN_TEXT else words
        elif self.form == "table":
            pairs = zip(self.data.features[:3], train.x[0].tolist()[:3], strict=True)
            told = ", ".join(f"{name} {_number(value)}" for name, value in pairs)
            told += ", ..." if train.x.shape[1] > 3 else ""
        else:
            return ""
        if self.data.kind == "classification" and self.counts:
            return f"{told}; its class is {self.data.labels[int(train.y[0])]}"
        return told

    def _drawn(self, shown: Sequence[Column]) -> dict[str, Array]:
        """Return the arrays that the picture is drawn from."""
        drawn: dict[str, Array] = {}
        if self.counts:
            drawn["labels"] = np.array(self.data.labels)
            drawn["splits"] = np.array(list(self.counts))
            drawn["counts"] = np.array(list(self.counts.values()))
        elif self.data.kind == "regression":
            drawn["targets"] = np.concatenate([split.y for split in self.splits.values()])
        if self.form == "images":
            drawn |= self._pictures()
            return drawn
        with_numbers = [column for column in shown if len(column.values)]
        if with_numbers:
            drawn["names"] = np.array([column.name for column in with_numbers])
            for place, column in enumerate(with_numbers):
                drawn[f"column {place}"] = column.values
        if self.form == "table" and self.data.kind == "classification" and self.counts:
            drawn["classes"] = np.concatenate([split.y for split in self.splits.values()])
        return drawn

    def _pictures(self) -> dict[str, Array]:
        """Return some training images, of each class in turn, with their classes."""
        train, of_classes = self.splits["train"], self.data.kind == "classification"
        rows = np.arange(min(len(train), MOST_PICTURES))
        if of_classes:
            by_class = [np.flatnonzero(train.y == n)[:MOST_PICTURES] for n in np.unique(train.y)]
            longest = max(map(len, by_class))
            turns = [
                [each[turn] for each in by_class if turn < len(each)] for turn in range(longest)
            ]
            rows = np.array([row for turn in turns for row in turn][:MOST_PICTURES])
        images = as_pictures(train.x[rows], self.data.features)
        assert images is not None
        titles = [self.data.labels[n] for n in train.y[rows]] if of_classes else [""] * len(rows)
        return {"images": images, "titles": np.array(titles)}


def _form(x: Any, features: tuple[str, ...]) -> str:  # noqa: ANN401 - an array or parts
    if isinstance(x, dict | tuple):
        return "arrays"
    if x.ndim == 1 and x.dtype.kind in "OUS":
        return "text"
    if x.dtype.kind in "biuf" and image_shape(x.shape[1:], features):
        return "images"
    return "table" if x.ndim == 2 and len(features) == x.shape[1] else "arrays"


def _some(part: Array) -> Array:
    """Return the numbers of an array, every n-th of very many."""
    flat = part.reshape(-1)
    return flat[:: max(1, -(-len(flat) // MOST_NUMBERS))]


def _keys(x: Array) -> list[Any]:
    if x.dtype.kind == "O":
        return [repr(each) for each in x.tolist()]
    rows = np.ascontiguousarray(x)
    return [row.tobytes() for row in rows]


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
