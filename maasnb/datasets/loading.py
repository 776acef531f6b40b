"""The verb `data`: arrays, tables, texts or a named data set, checked, split, and prepared.

The recipe is fitted on the training split alone; the other splits are prepared with its numbers. A
text is cut into windows, whose targets are the tokens that come next; its splits follow each other.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maasnb.datasets.augmentation import Augmentation
from maasnb.datasets.checks import as_seed, as_targets
from maasnb.datasets.enriching import Balance, enriched
from maasnb.datasets.examples import as_examples, as_steps
from maasnb.datasets.frames import is_csv, is_table
from maasnb.datasets.images import as_folder, is_bytes_of_images, read_folder, scale_pixels
from maasnb.datasets.recipes import Recipe, Step, chars, fit_recipe
from maasnb.datasets.sharding import data_of_shards, has_shards
from maasnb.datasets.sources import DATASETS, load_source
from maasnb.datasets.splits import Data, Split, feature_names, split_data
from maasnb.datasets.streaming import data_of_stream
from maasnb.datasets.streams import is_stream
from maasnb.datasets.text import TextStep, checked_text, visible
from maasnb.errors import DataError, OptionError, missing_package
from maasnb.parts import Parts, count, taken
from maasnb.tasks import Kind

__all__ = ["Data", "Split", "data", "in_order", "split_sizes"]

Array = np.ndarray[Any, np.dtype[Any]]

_SPLIT = (0.8, 0.1, 0.1)
LONGEST_NAME = 100  # a longer string is no name of a data set
_SHOWN = 8


def data(
    x: Any,  # noqa: ANN401 - anything that NumPy takes as an array, a table, or a name
    y: Any = None,  # noqa: ANN401 - likewise
    *,
    split: Sequence[float] = _SPLIT,
    prep: Sequence[Step] | None = None,
    labels: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    kind: Kind | None = None,
    seed: int = 0,
    name: str | None = None,
    validation: Any = None,  # noqa: ANN401 - a pair of arrays, or a stream
    balance: Balance | None = None,
    augment: Sequence[Augmentation] | None = None,
    size: Sequence[int] | None = None,
) -> Data:
    """Split examples into train, validation and test, and fit their preprocessing on train only.

    Args:
        x: the name of a data set (`"digits"`), inputs [n, ...] of numbers, a dictionary or a tuple
            of them; a table of pandas, polars or Arrow, or the path of a CSV file; texts [n]; a
            stream of batches: a loader, a generator, or a function that makes one; one text, for a
            model that says which character comes next; or a folder with a folder of images for
            each class, or of shards.
        y: targets: classes [n] (integers, strings, booleans) or [n, positions], a set of labels for
            each example, or values [n] or [n, outputs], or a dictionary or a tuple for a loss of
            your own; of a table also the name of a column.
        split: the parts for train, validation and test; they add up to 1.
        prep: the steps of the recipe; by default those of a named data set; for texts tfidf, for a
            table with texts impute, standardize and one_hot, for images of bytes scale_pixels;
            none for other numbers.
        labels: the classes' names in order; by default the classes that occur.
        features: the columns' names; by default their numbers.
        kind: classification, multilabel, regression, or own for numbers that a loss of your own
            gets as they are; by default floats are regression, sets are labels, all else classes.
        seed: fixes the split.
        name: what to call arrays.
        validation: for a stream, what the model is watched by: (x, y) or a stream that ends.
        balance: "oversample" repeats training examples of the rarer classes, "weights" has them
            count more; by default all examples are taken as they are.
        augment: steps that change training examples each time they are seen, such as
            `mb.shift(2)`; validation, test and a published model see none of it.
        size: the height and width that the images of a folder are brought to.

    Returns:
        The splits, raw and prepared, with the fitted recipe.

    Raises:
        UnknownNameError: there is no data set or no kind of that name.
        DataError: lengths differ, inputs hold NaN or infinities, labels are outside the classes.
        OptionError: the split, the recipe or the seed cannot be used.
    """
    given = _Given(x=x, y=y, prep=prep, labels=labels, features=features, kind=kind)
    folder = None if is_csv(x) else as_folder(x)
    if size is not None and folder is None:
        message = 'size= is for a folder of images. Type: mb.data("photos/", size=(64, 64))'
        raise OptionError(message)
    if folder is not None and has_shards(folder):
        _check_nothing_else(given, split, seed)
        return enriched(data_of_shards(folder), balance, augment)
    if folder is not None:
        given, name = _from_folder(folder, given, size), name or folder.resolve().name
    elif is_csv(x):
        name = name or Path(x).stem
    elif isinstance(x, str) and not _is_text(x, prep):
        given, name = _from_source(x, given), name or x
    made = _made(given, split, validation, as_seed(seed), name)
    return enriched(made, balance, augment)


def _made(
    given: "_Given",
    split: Sequence[float],
    validation: Any,  # noqa: ANN401 - a pair of arrays, or a stream
    seed: int,
    name: str | None,
) -> Data:
    """Return data of what was given: a text, a stream, a table or arrays."""
    if isinstance(given.x, str) and not is_csv(given.x):
        return _data_of_text(given, split, seed, name or "text")
    if callable(getattr(given.x, "toarray", None)):
        message = (
            f"The inputs are a sparse {type(given.x).__name__}; expected an array that has all of "
            "its numbers. Type: mb.data(x.toarray(), y)"
        )
        raise DataError(message)
    if is_stream(given.x) and not is_table(given.x):
        if given.y is not None or given.prep:
            what = "prep=" if given.y is None else "y="
            message = (
                f"{what} is for arrays; a stream gives prepared pairs. Type: yield x, y; or "
                "mb.data(list(x), y), if it gives one example after the other"
            )
            raise OptionError(message)
        return data_of_stream(
            given.x,
            validation=validation,
            labels=given.labels,
            features=given.features,
            kind=given.kind,
            seed=seed,
            name=name or "stream",
        )
    if validation is not None:
        message = "validation= is for streams; arrays are split. Type: split=(0.8, 0.1, 0.1)"
        raise OptionError(message)
    return _split_and_prepare(given, split, seed, name or "data")


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
        features=(source.features or None) if given.features is None else given.features,
        kind=given.kind or source.kind,
    )


def _check_nothing_else(given: _Given, split: Sequence[float], seed: int) -> None:
    """Refuse options that shards have decided already."""
    named = ("y", "prep", "labels", "features", "kind")
    wrong = [name for name in named if getattr(given, name) is not None]
    wrong += ["split"] * (tuple(split) != _SPLIT) + ["seed"] * (seed != 0)
    if wrong:
        message = (
            f"{wrong[0]}= is not for shards, which were split and prepared when they were written."
        )
        raise OptionError(message)


def _from_folder(folder: Path, given: _Given, size: Sequence[int] | None) -> _Given:
    """Return the images of a folder, with what a person gave in place of its own."""
    for what in ("y", "labels", "kind"):
        if getattr(given, what) is not None:
            message = f"{what}= is not for a folder of images, whose folders are the classes."
            raise OptionError(message)
    x, y, labels = read_folder(folder, size)
    return dataclasses.replace(given, x=x, y=y, labels=labels, kind="classification")


def _is_text(x: str, prep: Sequence[Step] | None) -> bool:
    """Say whether a string is a text to learn from; a short one is taken for a name."""
    if x in DATASETS:
        return False
    steps = prep if isinstance(prep, list | tuple) else ()
    return len(x) > LONGEST_NAME or "\n" in x or any(isinstance(step, TextStep) for step in steps)


def _data_of_text(given: _Given, split: Sequence[float], seed: int, name: str) -> Data:
    """Return windows of a text, each with the tokens that come next as its targets."""
    text, step = given.x, _text_step(given)
    x, y = step.cut(checked_text(text))
    if not len(x):
        message = (
            f"The text has {len(text)} {step.unit}s; expected more than one window of {step.length}"
            f". Give a longer text, or shorter windows: prep=[mb.{step.kind}({len(text) // 20})]"
        )
        raise DataError(message)
    parts = in_order(len(x), split)
    fitted = step.learn("".join(x[parts[0]]))
    return split_data(
        x,
        fitted.inputs(y).astype(np.int64),
        parts,
        Recipe((fitted,)),
        name=name,
        kind="classification",
        labels=[visible(token) for token in fitted.vocabulary],
        features=("text",),
        seed=seed,
    )


def _text_step(given: _Given) -> TextStep:
    """Return the one step of a text's recipe."""
    for what in ("y", "labels", "kind"):
        if getattr(given, what) not in (None, (), "classification"):
            message = f"{what}= is not for a text, whose targets are the characters that come next."
            raise OptionError(message)
    steps = as_steps(given.prep) or (chars(),)
    if len(steps) != 1 or not isinstance(steps[0], TextStep):
        names = ", ".join(getattr(step, "kind", repr(step)) for step in steps)
        message = f"The recipe of a text is one step, not {names}. Type: prep=[mb.chars(64)]"
        raise OptionError(message)
    return steps[0]


def _split_and_prepare(given: _Given, split: Sequence[float], seed: int, name: str) -> Data:
    found = as_examples(given.x, given.y, given.prep, given.features)
    inputs = found.x
    targets, kind, labels = as_targets(found.y, count(inputs), given.kind, given.labels)
    parts = _split(targets, split, kind, seed)
    steps = found.steps
    if given.prep is None and is_bytes_of_images(inputs):
        steps = (scale_pixels(),)
    recipe = fit_recipe(steps, taken(inputs, parts[0]), taken(targets, parts[0]))
    return split_data(
        inputs,
        targets,
        parts,
        recipe,
        name=name,
        kind=kind,
        labels=labels,
        features=feature_names(found.features, inputs),
        seed=seed,
        notes=(*found.notes, *_notes(targets, parts, kind, labels)),
    )


def _notes(
    targets: Parts, parts: tuple[Array, ...], kind: Kind, labels: tuple[str, ...]
) -> tuple[str, ...]:
    """Return what a person should know of the split, in words."""
    if kind != "classification" or targets.ndim != 1:
        return ()
    counts = [np.bincount(targets[rows], minlength=len(labels)) for rows in parts]
    unseen = [
        f"{label} ({rest})"
        for label, learnt, rest in zip(labels, counts[0], counts[1] + counts[2], strict=True)
        if rest and not learnt
    ]
    if not unseen:
        return ()
    shown = ", ".join(unseen[:_SHOWN]) + (" ..." if len(unseen) > _SHOWN else "")
    return (f"no training example of {shown}: no model can learn it; give more, or another seed",)


def _split(targets: Parts, split: Sequence[float], kind: Kind, seed: int) -> tuple[Array, ...]:
    """Return the rows of train, validation and test, each in rising order."""
    train_size, validation_size, test_size = split_sizes(count(targets), split)
    classes = targets if kind == "classification" and targets.ndim == 1 else None
    train, rest = _cut(np.arange(count(targets)), classes, train_size, seed)
    if not validation_size or not test_size:
        return (train, rest, rest[:0]) if validation_size else (train, rest[:0], rest)
    left = None if classes is None else classes[rest]
    return train, *_cut(rest, left, validation_size, seed)


def in_order(examples: int, split: Sequence[float]) -> list[Array]:
    """Return the rows of train, validation and test, which follow each other."""
    bounds = np.cumsum((0, *split_sizes(examples, split)))
    return [np.arange(*each) for each in itertools.pairwise(bounds)]


def split_sizes(examples: int, split: Sequence[float]) -> tuple[int, int, int]:
    """Return how many of `examples` each part gets; a part that is asked for is not empty."""
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
    train = round(shares[0] * examples)
    rest = shares[1] + shares[2]
    validation = round((examples - train) * shares[1] / rest) if rest else 0
    sizes = (train, validation, examples - train - validation)
    if any(share > 0 and not size for share, size in zip(shares, sizes, strict=True)):
        message = (
            f"{examples} examples are too few for split={split!r}: the parts would have {train}, "
            f"{validation} and {sizes[2]}. Give more examples, or type: split=(1, 0, 0)"
        )
        raise DataError(message)
    return sizes


def _cut(rows: Array, classes: Array | None, first: int, seed: int) -> tuple[Array, Array]:
    """Draw `first` of the rows, so that both parts have the classes in proportion if possible."""
    if first == len(rows):
        return rows, rows[:0]
    try:
        from sklearn.model_selection import train_test_split  # noqa: PLC0415 - only splitting
    except ImportError as error:
        raise missing_package("Splitting data", "sklearn", "notebook") from error
    # Stratify where each class can be in both parts; scikit-learn refuses otherwise.
    counts = np.zeros(1) if classes is None else np.bincount(classes)[np.unique(classes)]
    possible = counts.min() >= 2 and min(first, len(rows) - first) >= len(counts)
    one, two = train_test_split(
        rows, train_size=first, random_state=seed, stratify=classes if possible else None
    )
    return np.sort(one), np.sort(two)
