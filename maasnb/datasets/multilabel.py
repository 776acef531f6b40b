"""Targets of several labels an example: a set of labels each, or a row of zeros and ones."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from maasnb.errors import DataError

__all__ = ["are_label_sets", "as_label_matrix"]

Array = np.ndarray[Any, np.dtype[Any]]

_SETS = (set, frozenset)
_SHOWN = 8


def are_label_sets(y: object) -> bool:
    """Say whether targets can only be sets of labels: sets, or lists of texts of several lengths.

    >>> are_label_sets([{"a"}, {"a", "b"}]), are_label_sets([["a"], ["b"]]), are_label_sets([0, 1])
    (True, False, False)
    """
    if not isinstance(y, list | tuple) and not (isinstance(y, np.ndarray) and y.dtype == object):
        return False
    values = cast("list[Any]", list(y))
    if values and all(isinstance(each, _SETS) for each in values):
        return True
    lists = all(isinstance(each, list | tuple) for each in values)
    texts = lists and all(isinstance(label, str) for each in values for label in each)
    return texts and len({len(each) for each in values}) > 1


def as_label_matrix(
    y: Any,  # noqa: ANN401 - any array-like, or sets of labels
    labels: Sequence[str] | None,
) -> tuple[Array, tuple[str, ...]]:
    """Return which labels each example has, [n, labels] int64 of 0 and 1, and the labels' names.

    Args:
        y: a set or a list of labels for each example, or 0 and 1 [n, labels].
        labels: the names in order; None for those that occur, or for their numbers.

    Raises:
        DataError: there is a label that is not one of the names, a number that is neither 0 nor 1,
            or fewer than two labels.
    """
    names = None if labels is None else tuple(str(label) for label in labels)
    if names is not None and (isinstance(labels, str) or len(set(names)) < len(names)):
        message = f'labels={labels!r} cannot be used; expected names, each once. Type: labels=["a"]'
        raise DataError(message)
    values = list(y)
    if values and all(isinstance(each, (*_SETS, list, tuple)) and _names(each) for each in values):
        return _of_sets(values, names)
    return _of_numbers(y, names)


def _names(each: Any) -> bool:  # noqa: ANN401 - a set or a list
    """Say whether a collection holds labels by name; an empty one may."""
    return isinstance(each, _SETS) or all(isinstance(label, str) for label in each)


def _of_sets(values: list[Any], names: tuple[str, ...] | None) -> tuple[Array, tuple[str, ...]]:
    said = [[str(label) for label in each] for each in values]
    found = names or tuple(sorted({label for each in said for label in each}))
    _check_several(found)
    place = {name: number for number, name in enumerate(found)}
    outside = sorted({label for each in said for label in each if label not in place})
    if outside:
        shown = ", ".join(outside[:_SHOWN])
        message = (
            f"Some targets are outside the {len(found)} labels: {shown}. Expected: "
            f"{', '.join(found[:_SHOWN])}. Give labels= that name every one, or leave labels= out."
        )
        raise DataError(message)
    matrix = np.zeros((len(said), len(found)), np.int64)
    for row, each in enumerate(said):
        matrix[row, [place[label] for label in each]] = 1
    return matrix, found


def _of_numbers(y: Any, names: tuple[str, ...] | None) -> tuple[Array, tuple[str, ...]]:  # noqa: ANN401 - any array-like
    try:
        matrix: Array = np.asarray(y)
    except (ValueError, TypeError):
        matrix = np.zeros(0)
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or not np.isin(matrix, (0, 1)).all():
        message = (
            f"The targets are no labels (shape {matrix.shape}, dtype {matrix.dtype}); expected 0 "
            "and 1 [n, labels], or a set of labels for each example. "
            'Type: mb.data(x, [{"a"}, {"a", "b"}, set()], kind="multilabel")'
        )
        raise DataError(message)
    found = names or tuple(str(number) for number in range(matrix.shape[1]))
    if len(found) != matrix.shape[1]:
        message = (
            f"The targets have {matrix.shape[1]} columns, but labels= has {len(found)} names; "
            "expected one name a column."
        )
        raise DataError(message)
    _check_several(found)
    return matrix.astype(np.int64), found


def _check_several(found: tuple[str, ...]) -> None:
    if len(found) < 2:
        message = (
            f"There {'is' if found else 'are'} {len(found)} label{'s' * (len(found) != 1)}; "
            'expected at least two. For yes or no type: kind="classification"'
        )
        raise DataError(message)
