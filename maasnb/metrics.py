"""Metrics over a whole split, in NumPy, for the validation while a model trains.

`mb.evaluate` asks scikit-learn for the full picture; these few numbers are what a running model is
watched by.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from maasnb.tasks import Task

__all__ = ["accuracy", "classes_of", "mae", "measure", "r2"]

Array = np.ndarray[Any, np.dtype[Any]]


def classes_of(probabilities: Array) -> Array:
    """Return the most probable class of each example.

    Args:
        probabilities: [n, classes], or [n, 1] with the probability of the second of two classes.

    Returns:
        Class numbers [n], int64.
    """
    if probabilities.shape[-1] == 1:
        return (probabilities[..., 0] > 0.5).astype(np.int64)
    return probabilities.argmax(axis=-1)


def accuracy(outputs: Array, targets: Array) -> float:
    """Return the part of the examples whose most probable class is the right one.

    >>> accuracy(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]))
    0.5
    """
    return float(np.mean(classes_of(outputs) == targets))


def mae(outputs: Array, targets: Array) -> float:
    """Return the mean absolute error, in the targets' own unit."""
    return float(np.mean(np.abs(outputs - targets)))


def r2(outputs: Array, targets: Array) -> float:
    """Return the coefficient of determination: 1 is perfect, 0 is as good as the mean.

    Several targets count alike, and a constant one gives 1 where it is met and 0 where it is not:
    the defaults of scikit-learn's `r2_score`, so that training and `mb.evaluate` say the same.

    Args:
        outputs: values [n, outputs].
        targets: values [n, outputs].
    """
    spread = np.sum((targets - targets.mean(axis=0)) ** 2, axis=0)
    missed = np.sum((targets - outputs) ** 2, axis=0)
    constant = np.where(missed > 0, 0.0, 1.0)
    varied = 1 - missed / np.where(spread > 0, spread, 1)
    return float(np.mean(np.where(spread > 0, varied, constant)))


_METRICS: dict[str, Callable[[Array, Array], float]] = {"accuracy": accuracy, "mae": mae, "r2": r2}


def measure(task: Task, outputs: Array, targets: Array) -> dict[str, float]:
    """Return the task's metrics by name.

    Args:
        task: what the model is trained for.
        outputs: what `predict` returns, [n, outputs]; of a task with positions the classes
            [n, positions] themselves.
        targets: class numbers [n], or values [n, outputs] in the targets' own unit.
    """
    if task.positions:
        return {"accuracy": float(np.mean(outputs == targets))}
    return {name: _METRICS[name](outputs, targets) for name in task.metrics}
