"""What data must be like before anything is done with it, and the errors that say what is wrong."""

import collections
from collections.abc import Collection, Sequence
from typing import Any, cast, get_args

import numpy as np

from maasnb.datasets.columns import is_missing
from maasnb.datasets.multilabel import are_label_sets, as_label_matrix
from maasnb.errors import DataError, OptionError, unknown_name
from maasnb.parts import Parts, count, mapped, named
from maasnb.tasks import Kind

__all__ = [
    "as_inputs",
    "as_parts",
    "as_seed",
    "as_targets",
    "check_known",
    "check_names",
    "is_parts",
]

Array = np.ndarray[Any, np.dtype[Any]]

_SHOWN = 8  # more would not be read
_LARGEST_WHOLE = 2**53  # a float beyond it does not tell one whole number from the next


def as_seed(seed: object) -> int:
    """Return a seed as a whole number that every generator takes.

    Raises:
        OptionError: it is none.
    """
    number = int(seed) if isinstance(seed, int | np.integer) and not isinstance(seed, bool) else -1
    if not 0 <= number < 2**32:
        message = (
            f"seed={seed!r} cannot be used; expected a whole number from 0 up to 2**32 - 1. "
            "Type: seed=0"
        )
        raise OptionError(message)
    return number


def as_inputs(
    x: Any,  # noqa: ANN401 - any array-like
    features: Sequence[str] | None,
    way_out: str = "keep = {keep}; mb.data(x[keep], y[keep])",
    *,
    gaps: bool = False,
) -> Array:
    """Return inputs [n, ...] as an array of numbers.

    Args:
        x: inputs [n, ...].
        features: the columns' names, for messages; None for numbers.
        way_out: the code to type where rows must be left out; `{keep}` stands for their choice.
        gaps: whether values may be missing (NaN), because a step of the recipe fills them.

    Raises:
        DataError: there are none, they are no numbers, or some are NaN or infinite (names the
            columns).
    """
    array = _as_array(x, "inputs")
    if isinstance(x, np.ma.MaskedArray) and array.dtype.kind == "O":
        array = np.ma.filled(x.astype(np.float64), np.nan)  # whole numbers with gaps
    if array.ndim == 0:
        message = f"The inputs are one {type(x).__name__}; expected an array [n, ...]."
        raise DataError(message)
    if array.size == 0:
        message = f"The inputs are empty (shape {array.shape}); expected an array [n, ...]."
        raise DataError(message)
    if array.dtype.kind not in "biuf":
        message = (
            f"The inputs have dtype {array.dtype}; expected numbers. "
            "Type: x = x.astype(float), and encode texts as numbers first."
        )
        raise DataError(message)
    columns = array.reshape(len(array), -1)
    if features is not None:
        check_names(features)
    if features is not None and len(features) != columns.shape[1]:
        message = (
            f"There are {len(features)} names of features, but each example has "
            f"{columns.shape[1]} values; expected one name a value."
        )
        raise DataError(message)
    if not (gaps and array.dtype.kind == "f" and not np.isinf(columns).any()):
        _check_finite(columns, features, way_out.format(keep=_finite_rows("x", array)))
    return columns if array.ndim == 1 else array


def check_names(features: Sequence[str]) -> None:
    """Pass if the columns' names are there once each.

    Raises:
        DataError: one is there twice.
    """
    counts = collections.Counter(map(str, features))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        message = f"features= has {_some(twice)} more than once; expected each name once."
        raise DataError(message)


def check_known(x: Array, tokens: int) -> None:
    """Pass if all tokens are among those that a model knows.

    Args:
        x: the tokens' numbers [n, ...], of any type.
        tokens: how many the model knows.

    Raises:
        DataError: there is a fraction, a negative token, or one that the model does not know.
    """
    # Two passes where all is well, and no copy.
    if x.dtype.kind in "iu" and (not x.size or (x.min() >= 0 and x.max() < tokens)):
        return
    wrong = x[~((x >= 0) & (x < tokens) & (x % 1 == 0))][:1]
    if len(wrong):
        message = (
            f"x holds the token {wrong[0]:g}; expected whole numbers from 0 to {tokens - 1}, which "
            "the model knows. Look at data.train.x"
        )
        raise DataError(message)


def as_parts(
    x: Any,  # noqa: ANN401 - any array-like, or a tuple or dictionary of them
    features: Sequence[str] | None = None,
    what: str = "x",
    *,
    gaps: bool = False,
) -> Parts:
    """Return inputs of one part or of several, each an array of finite numbers with as many rows.

    Args:
        x: inputs [n, ...]; a dictionary or a tuple of arrays for a model with several inputs.
        features: the columns' names, for one part only.
        what: what the person calls it.
        gaps: whether values of one part may be missing.

    Raises:
        DataError: as `as_inputs`; or the parts have different numbers of examples.
    """
    if not is_parts(x):
        return as_inputs(x, features, gaps=gaps)
    parts = mapped(lambda part: part, x)
    if not parts:
        message = f"{what} has no parts; expected at least one array [n, ...]."
        raise DataError(message)
    lengths = {}
    for name, part in named(parts, what):
        try:
            array = as_inputs(part, None, "mb.data with the rows that are finite in every part")
        except DataError as error:
            message = f"{name}: {error}"
            raise DataError(message) from error
        lengths[name] = len(array)
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        message = (
            f"The parts have different numbers of examples: {shown}; expected as many in each."
        )
        raise DataError(message)
    return mapped(np.asarray, parts)


def is_parts(x: object) -> bool:
    """Say whether something is a dictionary, or a tuple of arrays, rather than one array-like."""
    if isinstance(x, dict):
        return True
    return (
        isinstance(x, tuple)
        and bool(x)
        and all(np.ndim(part) > 0 for part in x)
        and not all(isinstance(part, list | tuple) for part in x)
    )


def as_targets(
    y: Any,  # noqa: ANN401 - any array-like
    examples: int,
    kind: Kind | None,
    labels: Sequence[str] | None,
) -> tuple[Parts, Kind, tuple[str, ...]]:
    """Return targets as numbers, their kind and the classes' names.

    Args:
        y: classes [n], or [n, positions] for a class at each position of a sequence; values [n] or
            [n, outputs]; a dictionary or a tuple of arrays for a loss of the user's own.
        examples: how many inputs there are.
        kind: what the targets are; None to tell from their type; sets are several labels; targets
            of one's own stay as they are.
        labels: the classes' names in order; None for those that occur.

    Returns:
        Class numbers [n, ...] int64, labels [n, labels] of 0 and 1, values [n, outputs] float64 or
        the parts; the kind; the classes' names.

    Raises:
        DataError: the lengths differ, values are not finite, or a label is outside the classes.
        UnknownNameError: there is no such kind.
    """
    if is_parts(y):
        parts = as_parts(y, what="y")
        _check_length(examples, count(parts), f"{count(parts)} targets")
        return parts, "own", ()
    if kind == "own":
        whole = as_parts({"y": y}, what="targets")["y"]
        _check_length(examples, len(whole), f"{len(whole)} targets")
        return whole, kind, ()
    if kind == "multilabel" or (kind is None and are_label_sets(y)):
        _check_length(examples, len(y), f"{len(y)} targets")
        matrix, names = as_label_matrix(y, labels)
        return matrix, "multilabel", names
    array = _as_array(y, "targets")
    has = "one value" if array.ndim == 0 else f"{len(array)} targets"
    _check_length(examples, -1 if array.ndim == 0 else len(array), has)
    if array.dtype.kind == "O":
        array = _without_gaps(array)
    if kind is None:
        kind = "regression" if array.dtype.kind == "f" and labels is None else "classification"
    if kind not in get_args(Kind):
        raise unknown_name("kind of data", str(kind), get_args(Kind))
    if kind == "regression":
        return _as_values(array), kind, ()
    numbers, names = _as_classes(array, labels)
    return numbers, kind, names


def _check_length(examples: int, targets: int, has: str) -> None:
    if targets != examples:
        message = (
            f"x has {examples} examples, but y has {has}; expected as many as x. "
            "Look at x.shape and y.shape."
        )
        raise DataError(message)


def _as_array(values: Any, what: str) -> Array:  # noqa: ANN401 - any array-like
    try:
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            return _with_gaps_shown(values)
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # a ragged list, a tensor with gradients
        message = f"The {what} cannot be made an array: {str(error).rstrip('.')}."
        shapes = _shapes(values)
        if len(shapes) > 1:
            shown = ", ".join(map(str, shapes[:3])) + (" ..." if len(shapes) > 3 else "")
            message = (
                f"The {what} have different shapes, {shown}; expected one. Cut or pad each to the "
                "same size before, then: np.stack(list)"
            )
        raise DataError(message) from error


def _with_gaps_shown(values: Any) -> Array:  # noqa: ANN401 - a masked array
    """Return an array with NaN, or None where it cannot be, in the place of masked values."""
    if values.dtype.kind == "f":
        return values.filled(np.nan)
    found = values.data.astype(object)
    found[np.ma.getmaskarray(values)] = None
    return found


def _shapes(values: Any) -> list[tuple[int, ...]]:  # noqa: ANN401 - any array-like
    """Return the different shapes of a list's parts, in order; none where a part has none."""
    try:
        return list(dict.fromkeys(np.shape(each) for each in values))
    except (ValueError, TypeError, RuntimeError):
        return []


def _check_finite(columns: Array, features: Sequence[str] | None, way_out: str) -> None:
    bad = ~np.isfinite(columns)
    if not bad.any():
        return
    counts = {int(n): int(bad[:, n].sum()) for n in np.flatnonzero(bad.any(axis=0))}
    shown = [
        f"{column if features is None else features[column]} ({count})"
        for column, count in counts.items()
    ]
    message = (
        f"The inputs hold NaN or infinities in {bad.any(axis=1).sum()} of {len(bad)} examples; "
        f"columns (how many): {_some(shown)}. Leave those rows out: {way_out}"
        + (
            ', or fill the gaps: prep=[mb.impute("median")]'
            if columns.dtype.kind == "f" and not np.isinf(columns).any()
            else ""
        )
    )
    raise DataError(message)


def _finite_rows(name: str, array: Array) -> str:
    """Return the code that finds the rows without NaN or infinity."""
    axes = {1: "", 2: ".all(axis=1)"}
    others = ", ".join(map(str, range(1, array.ndim)))
    return f"np.isfinite({name})" + axes.get(array.ndim, f".all(axis=({others}))")


def _without_gaps(array: Array) -> Array:
    """Return targets of Python objects in the type that they have in common, if none is missing."""
    values = cast("list[Any]", array.tolist())
    missing = sum(map(is_missing, values))
    if missing:
        keep = "[value is not None and value == value for value in y]"
        if any(type(value).__name__ == "NAType" for value in values):  # which equals nothing
            keep = "y.notna().to_numpy()"
        message = (
            f"{missing} of {len(values)} targets are missing (None or NaN). Leave those rows out: "
            f"keep = {keep}; mb.data(x[keep], y[keep])"
        )
        raise DataError(message)
    return _as_array(values, "targets")


def _as_values(array: Array) -> Array:
    if array.dtype.kind not in "biuf":
        message = (
            f"The targets have dtype {array.dtype}; a regression expects numbers. "
            'Type: kind="classification", if they are classes.'
        )
        raise DataError(message)
    values = array.astype(np.float64).reshape(len(array), -1)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        message = (
            f"{bad.sum()} of {len(values)} targets are NaN or infinite. Leave those rows out: "
            f"keep = {_finite_rows('y', array)}; mb.data(x[keep], y[keep])"
        )
        raise DataError(message)
    return values


def _as_classes(array: Array, labels: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim > 1 and _is_one_hot(flat):
        message = (
            f"The targets have shape {array.shape}; classes are one value an example, [n], or one "
            "a position of a sequence. For one-hot rows type: y = y.argmax(axis=1); for rows with "
            'any number of labels: kind="multilabel"'
        )
        raise DataError(message)
    if flat.dtype.kind in "cmM":
        message = (
            f"The targets have dtype {array.dtype}; expected classes (whole numbers, texts or "
            "booleans) or values. Make numbers or texts of them first, as in: y = y.astype(str)"
        )
        raise DataError(message)
    if flat.dtype.kind == "f":
        if not np.all((np.abs(flat) < _LARGEST_WHOLE) & (flat == np.floor(flat))):
            message = (
                "The targets are classes, but some are no whole numbers. "
                'Type: kind="regression", if they are values.'
            )
            raise DataError(message)
        flat = flat.astype(np.int64)
    if labels is not None:
        names = _as_names(labels)
        return _numbered(flat, names), names
    if flat.ndim > 1:
        return _as_tokens(flat)
    found, numbers = np.unique(flat, return_inverse=True)
    if len(found) < 2:
        message = f"All targets are {found[0]!s}; expected at least two classes."
        raise DataError(message)
    return numbers.astype(np.int64), tuple(str(label) for label in found)


def _is_one_hot(array: Array) -> bool:
    if array.dtype.kind not in "biu" or array.shape[-1] < 2:
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=-1) == 1).all())


def _as_tokens(array: Array) -> tuple[Array, tuple[str, ...]]:
    """Return the classes of sequences, whose numbers mean what they mean in the inputs."""
    if array.dtype.kind in "US":
        message = (
            f"The targets are texts of shape {array.shape}; expected one an example. If each "
            'example has several labels, type: kind="multilabel"'
        )
        raise DataError(message)
    if array.dtype.kind not in "biu" or array.min() < 0:
        message = (
            f"The targets have shape {array.shape} and dtype {array.dtype}; a class at each "
            "position is a whole number from 0 on. Type: y = y.astype(int), or "
            'kind="regression", if they are values.'
        )
        raise DataError(message)
    classes = max(int(array.max()) + 1, 2)
    return array.astype(np.int64), tuple(str(number) for number in range(classes))


def _as_names(labels: Sequence[str]) -> tuple[str, ...]:
    names = tuple(str(label) for label in labels)
    if isinstance(labels, str) or len(names) < 2 or len(set(names)) < len(names):
        message = (
            f"labels={labels!r} cannot be used; expected at least two names, each once. "
            'Type: labels=["no", "yes"]'
        )
        raise DataError(message)
    return names


def _numbered(flat: Array, names: tuple[str, ...]) -> Array:
    # Integers count through the given names; anything else must be one of the names.
    if flat.dtype.kind in "biu" and flat.min() >= 0 and flat.max() < len(names):
        return flat.astype(np.int64)
    known = {number: number for number in range(len(names))}
    if flat.dtype.kind not in "biu":
        known = {name: number for number, name in enumerate(names)}
    shape, flat = flat.shape, flat.reshape(-1)
    values = cast("list[Any]", flat.tolist())
    outside = sorted({str(value) for value in values if value not in known})
    if outside:
        message = (
            f"{sum(value not in known for value in values)} targets are outside the {len(names)} "
            f"classes: {_some(outside)}. Expected: {_some(known)}. "
            "Give labels= that name every class, or leave labels= out."
        )
        raise DataError(message)
    return np.array([known[value] for value in values], dtype=np.int64).reshape(shape)


def _some(names: Collection[object]) -> str:
    shown = ", ".join(map(str, list(names)[:_SHOWN]))
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
