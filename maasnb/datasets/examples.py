"""Raw examples: what a person gave, as the arrays that the splits hold and a server is asked with.

Numbers are arrays, texts are arrays of texts, and a table is a matrix where it holds numbers alone,
else rows of texts. Rows that `clean` leaves out go first, so that the split does not see them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maasnb.datasets.checks import as_inputs, as_parts, check_names, is_parts
from maasnb.datasets.columns import NUMBER, as_column, is_missing, rows_of, some
from maasnb.datasets.frames import is_csv, read_csv, table_of
from maasnb.datasets.recipes import (
    Bag,
    Clean,
    OneHot,
    Step,
    Table,
    Tokens,
    impute,
    one_hot,
    standardize,
    tfidf,
)
from maasnb.datasets.scaling import NumberStep
from maasnb.datasets.steps import Array
from maasnb.datasets.text import as_texts, checked_text
from maasnb.errors import DataError, OptionError
from maasnb.parts import Parts, mapped

__all__ = ["Examples", "as_examples", "as_steps"]

_LOOKED_AT = 100
_NUMBERS = ("bool", "complex", "float", "int")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Hold raw examples before the split.

    Attributes:
        x: inputs: numbers [n, ...], texts [n], rows of texts [n, columns], or several parts.
        y: the targets, as they were given.
        features: the columns' names; None where they have none.
        steps: the steps of the recipe, not fitted.
        notes: what was done to the rows, in words.
    """

    x: Parts
    y: Any
    features: Sequence[str] | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


def as_steps(prep: Sequence[Step] | None) -> tuple[Step, ...]:
    """Return the steps of a recipe, as a person gave them.

    Raises:
        OptionError: they are no list of steps.
    """
    if isinstance(prep, Step | str) or not isinstance(prep, Sequence | None):
        message = f"prep={prep!r} is no list of steps. Type: prep=[mb.standardize()]"
        raise OptionError(message)
    for step in prep or ():
        if not isinstance(step, Step):
            message = f"Expected steps of a recipe, got {step!r}. Type: prep=[mb.standardize()]"
            raise OptionError(message)
    return tuple(prep or ())


def as_examples(
    x: Any,  # noqa: ANN401 - whatever was given
    y: Any,  # noqa: ANN401 - likewise
    prep: Sequence[Step] | None,
    features: Sequence[str] | None,
) -> Examples:
    """Return raw examples of what a person gave.

    Args:
        x: a table, the path of one, texts, numbers, or several parts.
        y: the targets, or the name of the table's column that holds them.
        prep: the steps; None for those that suit.
        features: the columns' names.

    Raises:
        DataError: the inputs or targets cannot be used.
        OptionError: the steps do not suit the inputs.
    """
    steps = as_steps(prep)
    columns = _columns(x, y, features)
    if columns is not None:
        columns, y = _without_targets(columns, y, x)
    if y is None:
        message = "There are inputs but no targets. Type: mb.data(x, y)"
        raise DataError(message)
    given = Examples(x=x if columns is None else columns, y=y, features=features, steps=steps)
    if any(isinstance(step, Clean) for step in steps):
        given = _cleaned(given)
    if columns is not None:
        return _of_table(given, default=prep is None)
    if _holds_texts(given.x):
        return _of_texts(given, None, default=prep is None)
    return _of_numbers(given)


def _columns(x: Any, y: Any, features: Sequence[str] | None) -> dict[str, Array] | None:  # noqa: ANN401 - whatever was given
    """Return a table's columns by name; None for what is no table."""
    if is_csv(x):
        return read_csv(x)
    if isinstance(x, Mapping):
        named = isinstance(y, str) and y in x
        if named or any(_holds_texts(each) for each in x.values()):
            return {str(name): as_column(each, str(name)) for name, each in x.items()}
        return None
    found = table_of(x)
    if found is None and isinstance(x, np.ndarray) and x.ndim == 2 and x.dtype.kind in "OU":
        names = tuple(map(str, features or range(x.shape[1])))
        if len(names) == x.shape[1]:
            return {each: as_column(x[:, n], each) for n, each in enumerate(names)}
    return found


def _without_targets(
    columns: dict[str, Array],
    y: Any,  # noqa: ANN401 - whatever was given
    x: Any,  # noqa: ANN401 - likewise
) -> tuple[dict[str, Array], Any]:
    """Return the columns of the inputs, and the targets."""
    names = tuple(columns)
    example = repr(Path(x).name) if isinstance(x, str | Path) else "table"
    if y is None:
        message = (
            f"The table has the columns {some(names)}; say which one holds the targets. "
            f"Type: mb.data({example}, {names[-1]!r})"
        )
        raise DataError(message)
    y = str(y) if isinstance(y, int) and str(y) in columns else y  # a table may number its columns
    if isinstance(y, str):
        if y not in columns:
            message = (
                f"The table has no column {y!r:.80}; expected one of {some(names)} for the targets."
            )
            raise DataError(message)
        y = _with_gaps(columns.pop(y))
    if not columns:
        message = "The table has no column beside the targets; expected some to learn from."
        raise DataError(message)
    return columns, y


def _with_gaps(targets: Array) -> Array:
    """Return a column of targets with None where one is missing.

    Only a float can be missing, so whole numbers with gaps come as floats; they stay classes.
    """
    missing = np.array([is_missing(each) or each == "" for each in targets.tolist()], dtype=bool)
    if targets.dtype.kind == "O" or missing.any():
        there = targets[~missing]
        floats = targets.dtype.kind == "f"
        whole = floats and bool((np.abs(there) < 2**53).all() and (there == np.floor(there)).all())
        targets = targets.astype(object)
        targets[~missing] = there.astype(np.int64).tolist() if whole else there.tolist()
        targets[missing] = None
    return targets


def _cleaned(given: Examples) -> Examples:
    """Return the examples without the rows that `clean` leaves out."""
    step = next(step for step in given.steps if isinstance(step, Clean))
    steps = tuple(each for each in given.steps if not isinstance(each, Clean))
    x, targets = given.x, np.asarray(given.y)
    if is_parts(given.y) or targets.ndim == 0:
        message = "mb.clean() is for targets of one part; expected one target a row."
        raise OptionError(message)
    x = mapped(np.asarray, dict(x) if isinstance(x, Mapping) else x)
    parts = list(x.values()) if isinstance(x, dict) else [*x] if isinstance(x, tuple) else [x]
    if any(len(part) != len(targets) for part in parts):
        return dataclasses.replace(given, steps=steps)  # said with the lengths, later
    plain = targets if targets.ndim == 1 else [tuple(each.ravel()) for each in targets]
    kept, words = step.kept(parts, list(plain))
    x = mapped(lambda part: part[kept], x)
    y = targets[kept]
    y = np.asarray(y.tolist()) if y.dtype.kind == "O" and len(y) else y
    return dataclasses.replace(given, x=x, y=y, steps=steps, notes=(*given.notes, words))


def _of_table(given: Examples, *, default: bool) -> Examples:
    columns: dict[str, Array] = given.x
    _check_targets(given)
    steps = given.steps
    if len(columns) == 1 and not any(map(_needs_table, steps)):
        ((name, only),) = columns.items()
        reads = any(step.reads_text for step in steps)
        if only.dtype.kind == "O" and (reads or (default and _is_prose(only))):
            return _of_texts(dataclasses.replace(given, x=only), name, default=default)
    features = tuple(map(str, given.features or columns))
    check_names(features)
    if len(features) != len(columns):
        message = (
            f"There are {len(features)} names of features, but the table has {len(columns)} "
            "columns beside the targets; expected one name a column."
        )
        raise DataError(message)
    columns = dict(zip(features, columns.values(), strict=True))
    texts = tuple(name for name, column in columns.items() if column.dtype.kind == "O")
    if default and texts:
        gaps = any(
            column.dtype.kind == "f" and np.isnan(column).any() for column in columns.values()
        )
        steps = (*(impute() for _ in range(gaps)), standardize(), one_hot())
        given = dataclasses.replace(given, notes=(*given.notes, *_written_numbers(columns, texts)))
    if texts or any(map(_needs_table, steps)):
        steps = (Table(features, texts), *steps)
    _check_no_order(steps)
    fills = any(step.fills for step in steps)
    numbers = [column for name, column in columns.items() if name not in texts]
    names = [name for name in features if name not in texts]
    matrix = np.column_stack(numbers) if numbers else None
    if matrix is not None:
        matrix = as_inputs(matrix, names, "table = table.dropna()", gaps=fills)
    x = rows_of(columns) if texts else matrix
    return dataclasses.replace(given, x=x, features=features, steps=steps)


def _written_numbers(columns: Mapping[str, Array], texts: Sequence[str]) -> tuple[str, ...]:
    """Return a note on columns of numbers that are written as texts, for there may be many."""
    found = [
        name
        for name in texts
        if (there := [text for text in columns[name].tolist() if text.strip()])
        and all(map(NUMBER.match, there))
    ]
    if not found:
        return ()
    return (
        f"numbers written as texts count as categories: {some(found)}; if they are numbers type: "
        f"table[{found[0]!r:.80}] = table[{found[0]!r:.80}].astype(float)",
    )


def _is_prose(column: Array) -> bool:
    """Say whether texts are sentences rather than categories: most have several words."""
    return float(np.mean([len(text.split()) > 2 for text in column.tolist()])) > 0.5


def _needs_table(step: Step) -> bool:
    """Say whether a step names columns."""
    if isinstance(step, NumberStep):
        return bool(step.columns)
    return isinstance(step, OneHot) or (isinstance(step, Bag) and bool(step.column))


def _check_no_order(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.reads_text and not isinstance(step, Bag):
            name = "tokens" if isinstance(step, Tokens) else step.kind
            message = (
                f"mb.{name}() is for texts alone, but the table has more columns. Give the texts "
                "alone: mb.data(table['text'], table['label']); or count their words beside the "
                f"other columns: mb.tfidf(column='text')"
            )
            raise OptionError(message)


def _of_texts(given: Examples, name: str | None, *, default: bool) -> Examples:
    """Return labelled texts as an array of texts [n]."""
    texts = as_texts(given.x)
    checked_text("".join(texts), "x")
    steps = (tfidf(),) if default else given.steps
    first = steps[0] if steps else None
    if first is None or not first.reads_text:
        found = "no step" if first is None else f"mb.{first.kind}()"
        message = (
            f"The inputs are texts, and the recipe begins with {found}; expected a step that makes "
            "numbers of texts. Type: prep=[mb.tfidf()], or prep=[mb.tokens()] for a model that "
            "reads words in their order"
        )
        raise OptionError(message)
    x = np.empty(len(texts), dtype=object)
    x[:] = texts
    features = given.features or (name or "text",)
    _check_targets(given)
    return dataclasses.replace(given, x=x, features=features, steps=steps)


def _of_numbers(given: Examples) -> Examples:
    for step in given.steps:
        if step.reads_text:
            message = (
                f"mb.{step.kind}() is for texts, but the inputs are numbers. Type: "
                "prep=[mb.standardize()]"
            )
            raise OptionError(message)
    fills = any(step.fills for step in given.steps)
    inputs = as_parts(given.x, given.features, gaps=fills)
    if given.steps and (is_parts(inputs) or is_parts(given.y)):
        message = (
            "prep= is for inputs and targets of one part; prepare each part before, or leave prep= "
            "out."
        )
        raise OptionError(message)
    steps = given.steps
    if any(map(_needs_table, steps)):
        if inputs.ndim != 2:
            message = (
                f"The recipe names columns, but the inputs have the shape {inputs.shape}; expected "
                "a table [n, columns]."
            )
            raise OptionError(message)
        names = tuple(map(str, given.features or range(inputs.shape[1])))
        steps = (Table(names), *steps)
    return dataclasses.replace(given, x=inputs, steps=steps)


def _holds_texts(x: Any) -> bool:  # noqa: ANN401 - whatever was given
    """Say whether something is one text after the other."""
    if isinstance(x, list | tuple):
        return any(isinstance(each, str) for each in x[:_LOOKED_AT])
    kind = str(getattr(x, "dtype", "")).lower()
    if getattr(x, "__array__", None) is None or any(word in kind for word in _NUMBERS):
        return False
    array = np.asarray(x)
    return array.ndim == 1 and any(isinstance(each, str) for each in array[:_LOOKED_AT].tolist())


def _check_targets(given: Examples) -> None:
    """Refuse missing targets of a table, with the step that leaves their rows out."""
    targets = np.asarray(given.y) if not is_parts(given.y) else np.zeros(0)
    if targets.ndim == 1 and targets.dtype.kind in "Of":
        missing = sum(map(is_missing, targets.tolist()))
        if missing:
            message = (
                f"{missing} of {len(targets)} targets are missing. Leave those rows out: "
                "prep=[mb.clean(), ...]"
            )
            raise DataError(message)
