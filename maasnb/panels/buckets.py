"""A long row of numbers as few enough points to draw: low, mean and high of equal buckets.

Widths are powers of two, so a reader that holds narrow buckets can join them in pairs when the row
grows; only what is new has to be sent.
"""

from typing import Any

import numpy as np

__all__ = ["MOST_BUCKETS", "bucketed", "halves", "width_for"]

MOST_BUCKETS = 1024
"""About as many as a wide chart has pixels."""

Array = np.ndarray[Any, np.dtype[Any]]


def width_for(count: int, width: int = 1, most: int = MOST_BUCKETS) -> int:
    """Return the narrowest width, at least `width`, of at most `most` buckets of `count` numbers.

    >>> width_for(1000), width_for(1025), width_for(1_000_000)
    (1, 2, 1024)
    """
    while count > most * width:
        width *= 2
    return width


def bucketed(values: Array, width: int, first: int = 0) -> Array:
    """Return low, mean and high of each bucket.

    Args:
        values: the numbers [n].
        width: how many numbers a bucket holds; the last one may hold fewer.
        first: the first bucket that is wanted.

    Returns:
        One row a bucket [buckets, 3], float32; what is not finite in `values` makes its bucket so.

    >>> bucketed(np.array([1.0, 3.0, 4.0]), 2).tolist()
    [[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]
    """
    rest = np.asarray(values[first * width :], np.float64)
    if not len(rest):
        return np.empty((0, 3), np.float32)
    whole = len(rest) // width
    inner = rest[: whole * width].reshape(whole, width)
    parts = [np.stack([inner.min(1), inner.mean(1), inner.max(1)], axis=1)] if whole else []
    tail = rest[whole * width :]
    if len(tail):
        parts.append(np.array([[tail.min(), tail.mean(), tail.max()]]))
    return np.concatenate(parts).astype(np.float32)


def halves(values: Array) -> Array:
    """Return numbers as the upper half of their float32: two bytes each, three digits.

    >>> (halves(np.array([0.1])).astype(np.uint32) << 16).view(np.float32).tolist()
    [0.10009765625]
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    # Rounded to the nearest; an infinity must not be rounded up to a NaN, so its bits stay.
    rounded = np.where(np.isfinite(values), bits + np.uint32(0x8000), bits)
    return (rounded >> 16).astype(np.uint16)
