"""What a step does with losses and gradients before the optimiser sees them, as plain data.

The order is the same in every backend: the loss of each example (weighted by its class), their
mean, gradients, the penalties' gradients, `clip_value`, the clipping by norm, and the optimiser.
The norm to clip at is no part of a rule: like the learning rate it is an input of the step.
"""

import dataclasses
import fnmatch
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from maasnb.errors import ModelError, OptionError, unknown_name

__all__ = [
    "PRECISIONS",
    "Precision",
    "Rule",
    "balanced",
    "matching",
    "replaced_parameter",
    "unfitting_loss",
]

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Say how a step's gradients are made; hashable, so that compiled steps can be shared.

    Attributes:
        l1: adds `l1 * sum(|w|)` to the loss, over the weights: parameters of two or more axes.
        l2: adds `l2 * sum(w ** 2)`, likewise. The recorded losses are without both.
        clip_value: every number of a gradient is cut to this range around 0; None for no cut.
        accumulate: in how many parts a batch is computed, one after the other.
        precision: the numbers that a training step computes in; parameters are always float32.
        frozen: the names of the parameters that stay as they are.
        class_weights: what an example of each class counts, in the classes' order; empty for 1.
        compile: whether torch compiles the model; JAX always compiles.
        loss: the user's own loss, (outputs, targets) -> [batch] or scalar; None for the task's.
    """

    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    accumulate: int = 1
    precision: Precision = "float32"
    frozen: tuple[str, ...] = ()
    class_weights: tuple[float, ...] = ()
    compile: bool = False
    loss: Callable[[Any, Any], Any] | None = None


def matching(patterns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters that patterns name.

    Args:
        patterns: whole names, names of layers, or patterns with `*` and `?`.
        names: the names of all trainable parameters.

    Raises:
        UnknownNameError: a pattern names no parameter.
        OptionError: nothing is left to train.

    >>> matching(["dense1", "*.bias"], ["dense1.weight", "dense1.bias", "dense2.weight"])
    ('dense1.weight', 'dense1.bias')
    """
    known = tuple(names)
    found: set[str] = set()
    for pattern in patterns:
        fitting = [name for name in known if _matches(pattern, name)]
        if not fitting:
            raise unknown_name("parameter to freeze", pattern, known, 'Type: freeze=["dense1*"]')
        found.update(fitting)
    if found == set(known):
        message = f"freeze={list(patterns)!r} leaves no parameter to train; name fewer of them."
        raise OptionError(message)
    return tuple(name for name in known if name in found)


def _matches(pattern: str, name: str) -> bool:
    parts = name.split(".")
    wholes = (".".join(parts[: end + 1]) for end in range(len(parts)))
    return any(fnmatch.fnmatchcase(whole, pattern) for whole in wholes)


def balanced(counts: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """Return weights by which all classes count alike, and an example counts 1 on average.

    Args:
        counts: how many examples each class has [classes]; one without any gets weight 1.

    >>> balanced(np.array([3, 1]))
    (0.6666666666666666, 2.0)
    """
    weights = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return tuple(np.where(counts > 0, weights, 1.0).tolist())


def replaced_parameter(
    name: str, before: tuple[int, ...], after: tuple[int, ...] | None
) -> ModelError:
    """Make the error for a model whose call put another parameter in the place of one."""
    now = "is gone" if after is None else f"is another one of shape {after}"
    message = (
        f"The model's parameter {name!r} of shape {before} {now} after a step, so that it cannot "
        "be trained. Make all parameters when the model is made, and only use them in its call."
    )
    return ModelError(message)


def unfitting_loss(got: object, batch: int, reason: str = "") -> OptionError:
    """Make the error for a loss of the user's own that returned something unfitting.

    Args:
        got: the shape or the type of what it returned.
        batch: how many examples it was given.
        reason: why a scalar does not do; empty where it would.
    """
    expected = f"[{batch}], the loss of each example" + ("" if reason else ", or one scalar")
    because = f" ({reason})" if reason else ""
    message = (
        f"The loss function returned {got} for {batch} examples; expected {expected}{because}. "
        "Type: loss=lambda outputs, targets: ((outputs - targets) ** 2).mean(-1)"
    )
    return OptionError(message)
