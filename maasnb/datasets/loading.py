"""The verb `data`: arrays or a named data set, checked, split, and prepared by a recipe.

The recipe is fitted on the training split alone; the other splits are prepared with its numbers.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from maasnb.datasets.checks import as_inputs, as_seed, as_targets
from maasnb.datasets.recipes import Recipe, Step, fit_recipe
from maasnb.datasets.sources import load_source
from maasnb.errors import DataError, OptionError, missing_package
from maasnb.tasks import Kind

__all__ = ["Data", "Split", "data"]

Array = np.ndarray[Any, np.dtype[Any]]

_SHOWN_CLASSES = 12  # more would not be read


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Hold one part of the data, raw and prepared.

    Attributes:
        x: raw inputs [n, ...], as they were given.
        y: raw targets: class numbers [n] int64, or values [n, outputs] float64.
        inputs: prepared inputs [n, ...], float32.
        targets: prepared targets: class numbers [n] int32, or values [n, outputs] float32.
    """

    x: Array
    y: Array
    inputs: Array
    targets: Array

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.x)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """Hold the splits of a data set, and the recipe that prepares raw examples.

    Attributes:
        name: what people call it.
        kind: `"classification"` or `"regression"`.
        train: what the model learns from.
        validation: what it is watched by while it learns; may be empty.
        test: what it is judged by in the end; may be empty.
        recipe: the preprocessing, fitted on `train`; it travels with a published model.
        labels: the classes' names in order; empty for regression.
        features: the columns' names.
        seed: fixes the split.
        fingerprint: sha256 of the arrays and of the split, so that two equal data sets can be told.
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

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape of one prepared example."""
        return self.train.inputs.shape[1:]

    @property
    def target_width(self) -> int:
        """Return how many numbers one example's target has; 1 for classes."""
        return 1 if self.kind == "classification" else self.train.targets.shape[1]

    def table(self) -> tuple[tuple[str, str], ...]:
        """Return what the data is, as rows of (what, value)."""
        sizes = f"{len(self.train)} train, {len(self.validation)} validation, {len(self.test)} test"
        shape = " x ".join(str(size) for size in self.train.x.shape[1:]) or "1"
        rows = [
            ("examples", sizes),
            ("inputs", f"{shape} {self.train.x.dtype}"),
            ("targets", self._targets_in_words()),
            ("recipe", ", ".join(step.kind for step in self.recipe.steps) or "none"),
        ]
        return tuple(rows)

    def _targets_in_words(self) -> str:
        if self.kind == "regression":
            low, high = self.train.y.min(), self.train.y.max()
            return f"{self.target_width} value{'s' * (self.target_width > 1)}, {low:g} to {high:g}"
        counts = np.bincount(self.train.y, minlength=len(self.labels))
        pairs = zip(self.labels, counts, strict=True)
        shown = [f"{label} ({count})" for label, count in pairs][:_SHOWN_CLASSES]
        more = len(self.labels) - len(shown)
        words = ", ".join(shown) + (f" and {more} more" if more else "")
        return f"{len(self.labels)} classes: {words}"

    def __str__(self) -> str:
        """Return a table of what the data is."""
        rows = "\n".join(f"  {what:<9} {value}" for what, value in self.table())
        return f"Data {self.name!r}: {self.kind}\n{rows}"

    __repr__ = __str__


def data(
    x: Any,  # noqa: ANN401 - anything that NumPy takes as an array, or a name
    y: Any = None,  # noqa: ANN401 - likewise
    *,
    split: Sequence[float] = (0.8, 0.1, 0.1),
    prep: Sequence[Step] | None = None,
    labels: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    kind: Kind | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Data:
    """Split examples into train, validation and test, and fit their preprocessing on train only.

    Args:
        x: the name of a data set (`"digits"`), or inputs [n, ...] of numbers.
        y: targets of arrays: classes [n] (integers, strings, booleans), or values [n] or
            [n, outputs].
        split: the parts for train, validation and test; they add up to 1.
        prep: the steps of the recipe; by default those of a named data set, none for arrays.
        labels: the classes' names in order; by default the classes that occur.
        features: the columns' names; by default their numbers.
        kind: classification or regression; by default floats are regression, all else classes.
        seed: fixes the split.
        name: what to call arrays.

    Returns:
        The splits, raw and prepared, with the fitted recipe.

    Raises:
        UnknownNameError: there is no data set or no kind of that name.
        DataError: lengths differ, inputs hold NaN or infinities, labels are outside the classes.
        OptionError: the split, the recipe or the seed cannot be used.
    """
    given = _Given(x=x, y=y, prep=prep, labels=labels, features=features, kind=kind)
    if isinstance(x, str):
        given, name = _from_source(x, given), name or x
    return _split_and_prepare(given, split, as_seed(seed), name or "data")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """Hold what a person gave, or what a named data set brings."""

    x: Any
    y: Any
    prep: Sequence[Step] | None
    labels: Sequence[str] | None
    features: Sequence[str] | None
    kind: Kind | None


def _from_source(name: str, given: _Given) -> _Given:
    """Return a named data set, with what a person gave in place of its own."""
    if given.y is not None:
        message = f"The data set {name!r} brings its own targets. Type: mb.data({name!r})"
        raise OptionError(message)
    source = load_source(name)
    return _Given(
        x=source.x,
        y=source.y,
        prep=source.prep if given.prep is None else given.prep,
        labels=source.labels if given.labels is None else given.labels,
        features=source.features if given.features is None else given.features,
        kind=given.kind or source.kind,
    )


def _split_and_prepare(given: _Given, split: Sequence[float], seed: int, name: str) -> Data:
    if given.y is None:
        message = "There are inputs but no targets. Type: mb.data(x, y)"
        raise DataError(message)
    inputs = as_inputs(given.x, given.features)
    targets, kind, labels = as_targets(given.y, len(inputs), given.kind, given.labels)
    parts = _split(targets, split, kind, seed)
    recipe = fit_recipe(_as_steps(given.prep), inputs[parts[0]], targets[parts[0]])
    train, validation, test = (_prepare(inputs, targets, rows, recipe) for rows in parts)
    return Data(
        name=name,
        kind=kind,
        train=train,
        validation=validation,
        test=test,
        recipe=recipe,
        labels=labels,
        features=_feature_names(given.features, inputs),
        seed=seed,
        fingerprint=_fingerprint(inputs, targets, parts, recipe),
    )


def _as_steps(prep: Sequence[Step] | None) -> tuple[Step, ...]:
    if isinstance(prep, Step | str) or not isinstance(prep, Sequence | None):
        message = f"prep={prep!r} is no list of steps. Type: prep=[mb.standardize()]"
        raise OptionError(message)
    return tuple(prep or ())


def _prepare(x: Array, y: Array, rows: Array, recipe: Recipe) -> Split:
    raw_x, raw_y = x[rows], y[rows]
    dtype = np.int32 if y.ndim == 1 else np.float32
    with np.errstate(over="ignore", invalid="ignore"):
        inputs, targets = recipe.inputs(raw_x), recipe.targets(raw_y).astype(dtype)
    if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        message = (
            "Some prepared numbers are too large for float32, which models are trained in. "
            "Type: prep=[mb.standardize()], and mb.standardize_target() for targets; "
            "or give smaller numbers"
        )
        raise DataError(message)
    return Split(x=raw_x, y=raw_y, inputs=inputs, targets=targets)


def _split(targets: Array, split: Sequence[float], kind: Kind, seed: int) -> tuple[Array, ...]:
    """Return the rows of train, validation and test, each in rising order."""
    train_size, validation_size, test_size = _sizes(len(targets), split)
    train, rest = _cut(np.arange(len(targets)), targets, train_size, kind, seed)
    if not validation_size or not test_size:
        return (train, rest, rest[:0]) if validation_size else (train, rest[:0], rest)
    return train, *_cut(rest, targets[rest], validation_size, kind, seed)


def _sizes(count: int, split: Sequence[float]) -> tuple[int, int, int]:
    """Return how many of `count` examples each part gets; a part that is asked for is not empty."""
    try:
        shares = tuple(float(share) for share in split)
    except (TypeError, ValueError):
        shares = ()
    if len(shares) != 3 or not abs(sum(shares) - 1) <= 1e-6 or min(shares) < 0 or not shares[0]:
        message = (
            f"split={split!r} cannot be used; expected three parts for train, validation and "
            "test that add up to 1, the first above 0. Type: split=(0.8, 0.1, 0.1)"
        )
        raise OptionError(message)
    train = round(shares[0] * count)
    rest = shares[1] + shares[2]
    validation = round((count - train) * shares[1] / rest) if rest else 0
    sizes = (train, validation, count - train - validation)
    if any(share > 0 and not size for share, size in zip(shares, sizes, strict=True)):
        message = (
            f"{count} examples are too few for split={split!r}: the parts would have {train}, "
            f"{validation} and {sizes[2]}. Give more examples, or type: split=(1, 0, 0)"
        )
        raise DataError(message)
    return sizes


def _cut(rows: Array, targets: Array, first: int, kind: Kind, seed: int) -> tuple[Array, Array]:
    """Draw `first` of the rows, so that both parts have the classes in proportion if possible."""
    if first == len(rows):
        return rows, rows[:0]
    try:
        from sklearn.model_selection import train_test_split  # noqa: PLC0415 - only splitting
    except ImportError as error:
        raise missing_package("Splitting data", "sklearn", "notebook") from error
    # Stratify where each class can be in both parts; scikit-learn refuses otherwise.
    counts = np.bincount(targets)[np.unique(targets)] if kind == "classification" else np.zeros(1)
    possible = counts.min() >= 2 and min(first, len(rows) - first) >= len(counts)
    one, two = train_test_split(
        rows, train_size=first, random_state=seed, stratify=targets if possible else None
    )
    return np.sort(one), np.sort(two)


def _feature_names(features: Sequence[str] | None, x: Array) -> tuple[str, ...]:
    if features is not None:
        return tuple(str(feature) for feature in features)
    return tuple(str(number) for number in range(x[0].size))


def _fingerprint(x: Array, y: Array, parts: Sequence[Array], recipe: Recipe) -> str:
    digest = hashlib.sha256()
    for array in (x, y, *parts):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(json.dumps(recipe.to_json()).encode())
    return digest.hexdigest()
