"""What both backends say of an activation function's output, and under which name.

A batch may be computed in parts (`accumulate=`); then each part has moments of its own, which are
put together here, on the host.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from maasnb.events import HISTOGRAM_BINS

__all__ = ["BOUNDED", "FLAT", "MOST_WATCHED", "as_counts", "described", "unique_names"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_WATCHED = 64
"""Of a model with more activation functions than these, the first ones are measured."""

BOUNDED = ("relu", "relu6", "tanh", "sigmoid")
"""Functions of whose outputs more than the mean and the deviation is told: they have flat parts."""

FLAT = 0.01
"""A value that is so near to an end of tanh's or sigmoid's range, as a share of it, is saturated:
there the slope is below a twenty-fifth of its largest."""


def unique_names(named: Sequence[tuple[str, str]]) -> list[str]:
    """Return names for pairs of a layer and a function, each of them once.

    >>> unique_names([("dense1", "relu"), ("", "tanh"), ("dense1", "relu")])
    ['dense1.relu', 'tanh', 'dense1.relu-2']
    """
    seen: dict[str, int] = {}
    names = []
    for layer, function in named:
        name = f"{layer}.{function}" if layer else function
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def described(function: str, moments: Array, alive: Array) -> dict[str, float]:
    """Return what is told of an activation function's output.

    Args:
        function: its name.
        moments: of each part of the batch [parts, 5]: how many values it has, their mean and
            variance, the share of them that is 0, and the share that is saturated.
        alive: of each part, which units are not 0 everywhere [parts, units].
    """
    moments = np.asarray(moments, np.float64)
    weights = moments[:, 0] / max(moments[:, 0].sum(), 1.0)
    mean = float(weights @ moments[:, 1])
    variance = float(weights @ (moments[:, 2] + (moments[:, 1] - mean) ** 2))
    found = {"mean": mean, "std": variance**0.5}
    if function in BOUNDED:
        found["zero"] = float(weights @ moments[:, 3])
        found["dead"] = float(1 - np.asarray(alive).any(axis=0).mean())
        found["saturated"] = float(weights @ moments[:, 4])
    return found


def as_counts(names: Sequence[str], counts: Array) -> dict[str, tuple[int, ...]]:
    """Return histograms by name, of counts [names, bins]."""
    rows = np.asarray(counts).reshape(len(names), HISTOGRAM_BINS).tolist()
    return {name: tuple(row) for name, row in zip(names, rows, strict=True)}
