"""Metrics over a whole split, in NumPy, for the validation while a model trains.

`mb.evaluate` asks scikit-learn for the full picture; these few numbers are what a running model is
watched by.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from maasnb.tasks import Task

__all__ = ["accuracy", "classes_of", "f1", "f1_micro", "mae", "measure", "named_labels", "r2"]

Array = np.ndarray[Any, np.dtype[Any]]

_GIVEN_FROM = 0.5  # the probability above which a label is given


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


def named_labels(probabilities: Array, labels: Sequence[str], kind: str) -> Array:
    """Return what a model says in words: the label of each example, or a tuple of its labels.

    Args:
        probabilities: as in `classes_of`, or [n, labels] of `"multilabel"`.
        labels: the names in order.
        kind: the task's kind.

    >>> named_labels(np.array([[0.9, 0.6], [0.1, 0.2]]), ["a", "b"], "multilabel").tolist()
    [('a', 'b'), ()]
    """
    if kind != "multilabel":
        return np.array(labels)[classes_of(probabilities)]
    found = np.empty(len(probabilities), dtype=object)
    for row, chosen in enumerate(probabilities > _GIVEN_FROM):
        found[row] = tuple(name for name, given in zip(labels, chosen, strict=True) if given)
    return found


def accuracy(outputs: Array, targets: Array) -> float:
    """Return the part of the examples whose most probable class is the right one.

    >>> accuracy(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]))
    0.5
    """
    return float(np.mean(classes_of(outputs) == targets))


def f1(outputs: Array, targets: Array) -> float:
    """Return the mean over the labels of F1, 0 for a label that is never right.

    >>> f1(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[1, 0], [0, 1]])).__round__(3)
    0.333
    """
    right, given, true = _counts(outputs, targets)
    return float(np.mean(2 * right / np.maximum(given + true, 1)))


def f1_micro(outputs: Array, targets: Array) -> float:
    """Return F1 over all labels of all examples together."""
    right, given, true = (counts.sum() for counts in _counts(outputs, targets))
    return float(2 * right / max(given + true, 1))


def _counts(outputs: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Return how often each label is given rightly, is given, and is true."""
    given = outputs > _GIVEN_FROM
    return (given & (targets > 0)).sum(axis=0), given.sum(axis=0), targets.sum(axis=0)


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


_METRICS: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "f1_micro": f1_micro,
    "mae": mae,
    "r2": r2,
}


def measure(task: Task, outputs: Array, targets: Array) -> dict[str, float]:
    """Return the task's metrics by name.

    Args:
        task: what the model is trained for.
        outputs: what `predict` returns, [n, outputs]; of a task with positions the classes
            [n, positions] themselves.
        targets: class numbers [n], labels [n, outputs], or values [n, outputs] in the targets' own
            unit.
    """
    if task.positions:
        return {"accuracy": float(np.mean(outputs == targets))}
    return {name: _METRICS[name](outputs, targets) for name in task.metrics}
