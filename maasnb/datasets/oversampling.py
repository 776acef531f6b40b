"""Oversampling: which examples are repeated, so that each class has as many as the largest."""

from typing import Any

import numpy as np

from maasnb.errors import DataError

__all__ = ["how_many_more", "repeated_rows"]

Array = np.ndarray[Any, np.dtype[Any]]


def how_many_more(counts: Array) -> int:
    """Return how many repetitions there are, for so many examples of each class [classes].

    >>> how_many_more(np.array([5, 0, 2]))
    3
    """
    return int(np.count_nonzero(counts) * counts.max() - counts.sum())


def repeated_rows(classes: Array, random: np.random.Generator, counts: Array, seen: Array) -> Array:
    """Return the rows to repeat among some of the examples, drawn anew by the generator.

    No example is repeated twice more often than another one of its class. The parts that examples
    come in, one after the other, have together as many repetitions as all of them at once.

    Args:
        classes: the class of each of these examples [n].
        random: draws those of a class that are repeated once more than the others.
        counts: how many examples each class has in all [classes].
        seen: how many came before these [classes].

    Raises:
        DataError: there are more examples of a class than in all.
    """
    found = np.bincount(classes, minlength=len(counts))
    if len(found) > len(counts) or (seen + found > counts).any():
        message = (
            "The shards have more examples of a class than their index tells. Write them again "
            "with data.to_shards."
        )
        raise DataError(message)
    added = [np.zeros(0, np.int64)]
    for number in np.flatnonzero(found):
        rows, total, before = (
            np.flatnonzero(classes == number),
            int(counts[number]),
            int(seen[number]),
        )
        times, rest = divmod(int(counts.max()) - total, total)
        drawn = rest * (before + len(rows)) // total - rest * before // total
        added += [np.tile(rows, times), random.choice(rows, drawn, replace=False)]
    return np.concatenate(added)
