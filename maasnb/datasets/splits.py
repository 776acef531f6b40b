"""Data: the splits of a data set, raw and prepared, and the recipe that prepares raw examples."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from maasnb.datasets.augmentation import Augmentation
from maasnb.datasets.checks import is_parts
from maasnb.datasets.recipes import Bag, Recipe, Table, Tokens
from maasnb.datasets.shard_writing import write_shards
from maasnb.datasets.streams import Stream
from maasnb.datasets.text import TextStep
from maasnb.errors import DataError
from maasnb.language.translating import translated, translated_rows
from maasnb.parts import Parts, count, leaves, mapped, named, taken
from maasnb.tables import filled
from maasnb.tasks import Kind

__all__ = [
    "Data",
    "Split",
    "as_target",
    "feature_names",
    "fingerprint",
    "prepare",
    "split_data",
    "taken_split",
]

Array = np.ndarray[Any, np.dtype[Any]]

_SHOWN_CLASSES = 12  # more would not be read


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Hold one part of the data, raw and prepared.

    Attributes:
        x: raw inputs [n, ...], as they were given; one part or several.
        y: raw targets: class numbers [n, ...] int64, labels [n, labels] int64 of 0 and 1, values
            [n, outputs] float64, or parts.
        inputs: prepared inputs [n, ...], float32, or int32 for whole numbers.
        targets: prepared targets: class numbers or labels int32, values float32, or parts, of the
            same shapes.
    """

    x: Parts
    y: Parts
    inputs: Parts
    targets: Parts

    def __len__(self) -> int:
        """Return the number of examples."""
        return count(self.x)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """Hold the splits of a data set, and the recipe that prepares raw examples.

    Attributes:
        name: what people call it.
        kind: `"classification"`, `"multilabel"` (any number of labels an example),
            `"regression"`, or `"own"` for targets of several parts.
        train: what the model learns from; the first batch of a stream.
        validation: what it is watched by while it learns; may be empty.
        test: what it is judged by in the end; may be empty.
        recipe: the preprocessing, fitted on `train`; it travels with a published model.
        labels: the classes' names in order; empty for regression.
        features: the columns' names.
        seed: fixes the split.
        fingerprint: sha256 of the arrays and of the split, so that two equal data sets can be told.
        stream: where the batches come from, if they come one after the other; else None.
        notes: what was done to the rows, or is odd about the split, in words.
        augment: how training examples are changed each time they are seen.
        balance: what makes the classes of the training split count alike; None for nothing.
        repeated: how many training examples are repetitions; those at the end of `train`, or of
            shards so many in each epoch.
    """

    name: str
    kind: Kind
    train: Split
    validation: Split
    test: Split
    recipe: Recipe
    labels: tuple[str, ...]
    features: tuple[str, ...]
    seed: int
    fingerprint: str
    stream: Stream | None = None
    notes: tuple[str, ...] = ()
    augment: tuple[Augmentation, ...] = ()
    balance: str | None = None
    repeated: int = 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape of one prepared example.

        Raises:
            DataError: an example has several parts.
        """
        if is_parts(self.train.inputs):
            names = ", ".join(name for name, _ in named(self.train.inputs, "x"))
            message = f"The inputs have several parts ({names}), so that they have no one shape."
            raise DataError(message)
        return self.train.inputs.shape[1:]

    @property
    def target_width(self) -> int:
        """Return how many numbers one example's target has; 1 for classes, 0 for parts."""
        widths = {"classification": 1, "own": 0}
        return widths[self.kind] if self.kind in widths else self.train.targets.shape[1]

    @property
    def positions(self) -> tuple[int, ...]:
        """Return the axes of an example's classes, as a sequence's length; empty for one class."""
        return self.train.targets.shape[1:] if self.kind == "classification" else ()

    @property
    def class_counts(self) -> Array | None:
        """Return how many training examples each class has [classes]; None where none has one.

        Of shards their index tells it; of another stream nothing is known beforehand.
        """
        if self.kind != "classification" or self.positions:
            return None
        if self.stream is not None:
            return self.stream.counts
        return np.bincount(self.train.y, minlength=len(self.labels))

    def table(self) -> tuple[tuple[str, str], ...]:
        """Return what the data is, as rows of (what, value)."""
        sizes = f"{len(self.train)} train, {len(self.validation)} validation, {len(self.test)} test"
        if self.stream is not None:
            held = {name: len(getattr(self, name)) for name in ("train", "validation", "test")}
            sizes = self.stream.in_words(held)
        rows = [
            ("examples", sizes),
            *self._inputs_in_words(),
            ("targets", self._targets_in_words()),
            ("recipe", ", ".join(self._steps_in_words()) or "none"),
            *(("note", note) for note in self.notes),
        ]
        if self.balance == "oversample":
            rows.append(("balance", f"oversample, {self.repeated} training examples are repeated"))
        elif self.balance is not None:
            rows.append(("balance", "weights, each class counts alike in training"))
        if self.augment:
            steps = ", ".join(map(str, self.augment))
            rows.append(("augment", f"{steps}, in training alone"))
        return tuple(rows)

    def _steps_in_words(self) -> list[str]:
        return [step.kind for step in self.recipe.steps if not isinstance(step, Table)]

    def _inputs_in_words(self) -> list[tuple[str, str]]:
        words = inputs_in_words(self.recipe)
        if words:
            return [("inputs", words)]
        return [
            (what.replace("x", "inputs", 1), _outline(x)) for what, x in named(self.train.x, "x")
        ]

    @property
    def _writes(self) -> bool:
        """Say whether the targets are the tokens that come next in a text."""
        text = self.recipe.text
        return text is not None and self.positions == (text.length,)

    def _targets_in_words(self) -> str:
        text = self.recipe.text
        if text is not None and self._writes:
            return f"the {text.unit} that comes next, one of {len(text.vocabulary)}"
        if self.kind == "own":
            return ", ".join(f"{name} {_outline(y)}" for name, y in named(self.train.y, "y"))
        if self.kind == "regression":
            low, high = self.train.y.min(), self.train.y.max()
            return f"{self.target_width} value{'s' * (self.target_width > 1)}, {low:g} to {high:g}"
        several, counts = self.kind == "multilabel", self.class_counts
        if several:
            counts = self.train.y.sum(axis=0)
        elif counts is None:
            counts = np.bincount(self.train.y.reshape(-1), minlength=len(self.labels))
        pairs = zip(self.labels, counts, strict=True)
        shown = [f"{label} ({count})" for label, count in pairs][:_SHOWN_CLASSES]
        more = len(self.labels) - len(shown)
        words = ", ".join(shown) + (f" and {more} more" if more else "")
        at = f" at each of {self.positions[0]} positions" if self.positions else ""
        what = "labels, any number an example" if several else "classes"
        return f"{len(self.labels)} {what}{at}: {words}"

    def to_shards(
        self, path: str | Path, *, compress: Literal["zstd", "gzip", "none"] | None = None
    ) -> Path:
        """Write the data as a folder of small compressed files; `mb.data` reads it as it trains.

        Args:
            path: the folder, which is made.
            compress: how; by default Zstandard where it can be had, else gzip.

        Returns:
            The folder.

        Raises:
            OptionError: there is something at that path, or the data have several parts, are
                augmented or balanced.
            MissingPackageError: Zstandard is asked for and cannot be had.
        """
        return write_shards(self, path, compress)

    def __str__(self) -> str:
        """Return a table of what the data is."""
        shown = translated_rows(self.table())
        # Labels and columns may have ends of lines in their names.
        flat = [(what, " ".join(value.splitlines())) for what, value in shown]
        rows = "\n".join(f"  {filled(what, 9)} {value}" for what, value in flat)
        return f"{translated(f'Data {self.name!r}: {self.kind}')}\n{rows}"

    __repr__ = __str__


def inputs_in_words(recipe: Recipe) -> str:
    """Return what texts and tables are, in words; empty for plain numbers."""
    first = recipe.steps[0] if recipe.steps else None
    if isinstance(first, TextStep):
        return f"text, {first.length} {first.unit}s at once"
    if isinstance(first, Tokens):
        unit = first.unit.replace("_", " ")
        return f"text, {first.length} {unit}s at once, {len(first.vocabulary)} known"
    if isinstance(first, Bag):
        return f"text, {len(first.vocabulary)} terms counted"
    if isinstance(first, Table) and first.texts:
        numbers = len(first.columns) - len(first.texts)
        return f"{len(first.columns)} columns: {numbers} of numbers, {len(first.texts)} of texts"
    return ""


def _outline(array: Array) -> str:
    shape = " x ".join(str(size) for size in array.shape[1:]) or "1"
    return f"{shape} {array.dtype}"


def prepare(x: Parts, y: Parts, rows: Any, recipe: Recipe) -> Split:  # noqa: ANN401 - rows or a slice
    """Return some of the raw examples as a split, prepared by a fitted recipe.

    Raises:
        DataError: a prepared number is too large for float32.
    """
    raw_x, raw_y = taken(x, rows), taken(y, rows)
    with np.errstate(over="ignore", invalid="ignore"):
        inputs, targets = recipe.inputs(raw_x), mapped(as_target, recipe.targets(raw_y))
    if not all(np.isfinite(part).all() for part in (*leaves(inputs), *leaves(targets))):
        message = (
            "Some prepared numbers are too large for float32, which models are trained in. "
            "Type: prep=[mb.standardize()], and mb.standardize_target() for targets; "
            "or give smaller numbers"
        )
        raise DataError(message)
    return Split(x=raw_x, y=raw_y, inputs=inputs, targets=targets)


def split_data(
    x: Parts,
    y: Parts,
    parts: Sequence[Array],
    recipe: Recipe,
    *,
    name: str,
    kind: Kind,
    labels: Sequence[str] = (),
    features: tuple[str, ...],
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Data:
    """Return raw examples as data, prepared by a fitted recipe.

    Args:
        x: raw inputs [n, ...].
        y: raw targets [n, ...].
        parts: the rows of train, validation and test.
        recipe: fitted on the first of them.
        name: as `Data` has it.
        kind: as `Data` has it.
        labels: as `Data` has it.
        features: as `Data` has it.
        seed: as `Data` has it.
        notes: as `Data` has it.

    Raises:
        DataError: a prepared number is too large for float32.
    """
    train, validation, test = (prepare(x, y, rows, recipe) for rows in parts)
    return Data(
        name=name,
        kind=kind,
        train=train,
        validation=validation,
        test=test,
        recipe=recipe,
        labels=tuple(labels),
        features=features,
        seed=seed,
        fingerprint=fingerprint(x, y, parts, recipe),
        notes=notes,
    )


def as_target(part: Array) -> Array:
    """Return prepared targets in 32 bits: whole numbers as int32, values as float32."""
    return part.astype(np.int32 if part.dtype.kind in "biu" else np.float32)


def taken_split(split: Split, rows: Any) -> Split:  # noqa: ANN401 - rows or a slice
    """Return some of a split's examples."""
    return Split(
        x=taken(split.x, rows),
        y=taken(split.y, rows),
        inputs=taken(split.inputs, rows),
        targets=taken(split.targets, rows),
    )


def feature_names(features: Sequence[str] | None, x: Parts) -> tuple[str, ...]:
    """Return the columns' names, or their numbers, or the names of several parts."""
    if features is not None:
        return tuple(str(feature) for feature in features)
    if is_parts(x):
        return tuple(name for name, _ in named(x, "x"))
    return tuple(str(number) for number in range(x[0].size))


def fingerprint(x: Parts, y: Parts, parts: Sequence[Array], recipe: Recipe) -> str:
    """Return the sha256 of arrays, of the rows of their splits, and of the recipe."""
    digest = hashlib.sha256()
    for array in (*leaves(x), *leaves(y), *parts):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(_content(array))
    digest.update(json.dumps(recipe.to_json()).encode())
    return digest.hexdigest()


def _content(array: Array) -> bytes:
    if array.dtype.kind == "O":  # texts, whose bytes in the array are addresses
        return json.dumps(array.tolist()).encode()
    return np.ascontiguousarray(array).tobytes()
