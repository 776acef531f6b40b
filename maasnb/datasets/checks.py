"""What data must be like before anything is done with it, and the errors that say what is wrong."""

from collections.abc import Sequence
from typing import Any, cast, get_args

import numpy as np

from maasnb.errors import DataError, unknown_name
from maasnb.tasks import Kind

__all__ = ["as_inputs", "as_targets"]

Array = np.ndarray[Any, np.dtype[Any]]

_NAMED_COLUMNS = 5  # more would not be read


def as_inputs(x: Any, features: Sequence[str] | None) -> Array:  # noqa: ANN401 - any array-like
    """Return inputs [n, ...] as an array of numbers.

    Args:
        x: inputs [n, ...].
        features: the columns' names, for messages; None for numbers.

    Raises:
        DataError: there are none, they are no numbers, or some are NaN or infinite (names the columns).
    """
    array = np.asarray(x)
    if array.ndim == 0 or array.size == 0:
        message = f"The inputs are empty (shape {array.shape}); expected an array [n, ...]."
        raise DataError(message)
    if array.dtype.kind not in "biuf":
        message = (
            f"The inputs have dtype {array.dtype}; expected numbers. "
            "Type: x = x.astype(float), and encode texts as numbers first."
        )
        raise DataError(message)
    if array.ndim == 1:
        array = array[:, None]
    if features is not None and len(features) != array[0].size:
        message = (
            f"There are {len(features)} names of features, but each example has {array[0].size} "
            "values; expected one name a value."
        )
        raise DataError(message)
    _check_finite(array, features)
    return array


def _check_finite(array: Array, features: Sequence[str] | None) -> None:
    bad = ~np.isfinite(array).reshape(len(array), -1)
    if not bad.any():
        return
    columns = np.flatnonzero(bad.any(axis=0))
    shown = ", ".join(
        f"{features[column] if features is not None else column} ({bad[:, column].sum()})"
        for column in columns[:_NAMED_COLUMNS]
    )
    more = f" and {len(columns) - _NAMED_COLUMNS} more" if len(columns) > _NAMED_COLUMNS else ""
    message = (
        f"The inputs hold NaN or infinities: in {bad.any(axis=1).sum()} of {len(array)} examples, in the "
        f"columns {shown}{more} (how many). Leave those rows out: keep = np.isfinite(x).all(axis=1); "
        "mb.data(x[keep], y[keep])"
    )
    raise DataError(message)


def as_targets(
    y: Any,  # noqa: ANN401 - any array-like
    examples: int,
    kind: Kind | None,
    labels: Sequence[str] | None,
) -> tuple[Array, Kind, tuple[str, ...]]:
    """Return targets as numbers, their kind and the classes' names.

    Args:
        y: classes [n], or values [n] or [n, outputs].
        examples: how many inputs there are.
        kind: what the targets are; None to tell from their type.
        labels: the classes' names in order; None for those that occur.

    Returns:
        Class numbers [n] int64 or values [n, outputs] float64; the kind; the classes' names.

    Raises:
        DataError: the lengths differ, values are not finite, or a label is outside the classes.
        UnknownNameError: there is no such kind.
    """
    array = np.asarray(y)
    if array.ndim == 0 or len(array) != examples:
        count = "one value" if array.ndim == 0 else f"{len(array)} targets"
        message = (
            f"x has {examples} examples, but y has {count}; expected as many as x. "
            "Look at x.shape and y.shape."
        )
        raise DataError(message)
    if kind is None:
        kind = "regression" if array.dtype.kind == "f" and labels is None else "classification"
    if kind not in get_args(Kind):
        raise unknown_name("kind of data", str(kind), get_args(Kind))
    if kind == "regression":
        return _as_values(array), kind, ()
    numbers, names = _as_classes(array, labels)
    return numbers, kind, names


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
            "keep = np.isfinite(y); mb.data(x[keep], y[keep])"
        )
        raise DataError(message)
    return values


def _as_classes(array: Array, labels: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1:
        message = (
            f"The targets have shape {array.shape}; classes are one value an example, [n]. "
            "For one-hot rows type: y = y.argmax(axis=1)"
        )
        raise DataError(message)
    if flat.dtype.kind == "f":
        if not np.all(flat == np.floor(flat)):  # also true where there is a NaN
            message = (
                "The targets are classes, but some are no whole numbers. "
                'Type: kind="regression", if they are values.'
            )
            raise DataError(message)
        flat = flat.astype(np.int64)
    if labels is None:
        found, numbers = np.unique(flat, return_inverse=True)
        if len(found) < 2:
            message = f"All targets are {found[0]!s}; expected at least two classes."
            raise DataError(message)
        return numbers.astype(np.int64), tuple(str(label) for label in found)
    names = tuple(str(label) for label in labels)
    # Integers count through the given names; anything else must be one of the names.
    known = {number: number for number in range(len(names))}
    if flat.dtype.kind not in "biu":
        known = {name: number for number, name in enumerate(names)}
    values = cast("list[Any]", flat.tolist())
    outside = sorted({str(value) for value in values if value not in known})
    if outside:
        expected = ", ".join(str(value) for value in known)
        message = (
            f"{sum(value not in known for value in values)} targets are outside the {len(names)} "
            f"classes: {', '.join(outside[:_NAMED_COLUMNS])}. Expected: {expected}. "
            "Give labels= that name every class, or leave labels= out."
        )
        raise DataError(message)
    return np.array([known[value] for value in values], dtype=np.int64), names
