"""Examples of one part or of several: an array, a tuple of arrays, or a dictionary of arrays.

All parts of one collection have as many rows. A model is called with an array as its one argument,
with a tuple as its arguments in order, and with a dictionary as its arguments by name.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from maasnb.errors import ShapeError

__all__ = ["Parts", "arguments", "count", "joined", "leaves", "mapped", "named", "padded", "taken"]

Array = np.ndarray[Any, np.dtype[Any]]
Parts = Any
"""An array, a tuple of arrays, or a dictionary of arrays; the arrays may be a framework's own."""


def mapped(function: Callable[[Any], Any], parts: Parts) -> Parts:
    """Return the same parts with a function applied to each.

    >>> mapped(len, {"ids": [1, 2], "mask": [1, 1]})
    {'ids': 2, 'mask': 2}
    """
    if isinstance(parts, dict):
        return {name: function(part) for name, part in parts.items()}
    if isinstance(parts, tuple):
        return tuple(function(part) for part in parts)
    return function(parts)


def leaves(parts: Parts) -> list[Any]:
    """Return the arrays in order."""
    if isinstance(parts, dict):
        return list(parts.values())
    return list(parts) if isinstance(parts, tuple) else [parts]


def named(parts: Parts, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each array with what a person calls it, `x`, `x[0]` or `x['ids']`."""
    if isinstance(parts, dict):
        yield from ((f"{name}[{key!r}]", part) for key, part in parts.items())
    elif isinstance(parts, tuple):
        yield from ((f"{name}[{number}]", part) for number, part in enumerate(parts))
    else:
        yield name, parts


def arguments(parts: Parts) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments, in order and by name, that a model is called with."""
    if isinstance(parts, dict):
        return (), dict(parts)
    return (parts, {}) if isinstance(parts, tuple) else ((parts,), {})


def count(parts: Parts) -> int:
    """Return the number of examples."""
    return len(leaves(parts)[0])


def taken(parts: Parts, rows: Any) -> Parts:  # noqa: ANN401 - a slice or row numbers
    """Return some of the examples."""
    return mapped(lambda part: part[rows], parts)


def joined(several: Sequence[Parts]) -> Parts:
    """Return all examples of collections of the same parts, one after the other.

    Raises:
        ShapeError: their parts are not the same.
    """
    first = several[0]
    if any(_outline(each) != _outline(first) for each in several):
        shapes = sorted({str(_outline(each)) for each in several})
        message = f"The batches differ: {'; '.join(shapes)}; expected the same parts in each."
        raise ShapeError(message)
    if isinstance(first, dict):
        return {name: np.concatenate([each[name] for each in several]) for name in first}
    if isinstance(first, tuple):
        return tuple(np.concatenate(parts) for parts in zip(*several, strict=True))
    return np.concatenate(several)


def padded(parts: Parts, rows: int) -> Parts:
    """Return the examples followed by zeros, so that there are as many rows as asked for."""

    def pad(part: Array) -> Array:
        filler = np.zeros((rows - len(part), *part.shape[1:]), part.dtype)
        return np.concatenate([part, filler]) if len(filler) else part

    return mapped(pad, parts)


def _outline(parts: Parts) -> Any:  # noqa: ANN401 - shapes, in the form of the parts
    return mapped(lambda part: (part.dtype.name, *part.shape[1:]), parts)
