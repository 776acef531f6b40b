"""What a model is trained for, as plain data: loss, optimiser, metrics, meaning of its output.

Names are the field's own; every backend holds a table from these names to functions of its own
library. The numbers of the optimisers stand here once, so that a name means the same rule in every
backend.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from maasnb.errors import OptionError, ShapeError, unknown_name

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "Kind",
    "Optimizer",
    "Task",
    "is_loss_of",
    "make_optimizer",
    "make_task",
]

Kind = Literal["classification", "multilabel", "regression", "own"]
"""What targets are: a class, labels, values, or what only a loss of the user's own understands."""
Given = Literal["logits", "probabilities", "values"]
Takes = Literal["float32", "int32", "parts"]
Shape = tuple[int, ...]

LOSSES: dict[str, tuple[str, str]] = {
    "cross_entropy": ("classification", "one class of several; one output a class"),
    "binary_cross_entropy": (
        "classification",
        "two classes, one output; or an output for each of several labels",
    ),
    "mse": ("regression", "mean squared error"),
    "mae": ("regression", "mean absolute error"),
    "model": ("any", "the model's own, which it returns when it is called with the targets"),
}

_METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "multilabel": ("f1", "f1_micro"),
}
"""Of what has probabilities, the metrics; the one that people look at first in front."""

# Defaults: Adam (Kingma & Ba 2015) as in torch and optax; AdamW's decay as in torch; Lion's numbers
# as in Chen et al. (2023), without decay; RMSprop's decay as in torch (.99; optax has .9), so that
# one name is one rule.
OPTIMIZERS: dict[str, dict[str, float]] = {
    "adam": {"b1": 0.9, "b2": 0.999, "eps": 1e-8},
    "adamw": {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
    "lion": {"b1": 0.9, "b2": 0.99},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9},
    "rmsprop": {"decay": 0.99, "eps": 1e-8},
    "sgd": {},
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """Name an optimiser and its numbers; the learning rate is apart, because it may change.

    Attributes:
        name: one of `OPTIMIZERS`, or what an optimiser of the user's own calls itself.
        numbers: pairs of a number's name and its value, so that an optimiser can be a key. A
            `weight_decay` among them is decoupled: weights shrink by the learning rate times it.
        own: the library's own object, which only a backend understands; None for a named one.
    """

    name: str
    numbers: tuple[tuple[str, float], ...] = ()
    own: Any = None

    @property
    def brings_rate(self) -> bool:
        """Say whether the learning rate is the object's own: it is, unless a class was given."""
        return self.own is not None and not isinstance(self.own, type)

    def to_json(self) -> dict[str, Any]:
        """Return the optimiser as JSON data."""
        own = {} if self.own is None else {"own": True}
        return {"name": self.name, **own, **dict(self.numbers)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Say what a model's output means and how it is judged.

    Attributes:
        kind: `"classification"`, `"multilabel"`, `"regression"` or `"own"`.
        loss: one of `LOSSES`.
        outputs: the size of the output's last axis; 0 where nothing is known of the output.
        given: what the model itself returns: logits, probabilities (it ends with softmax or
            sigmoid) or values.
        labels: the names of classes or labels, in order; empty for regression.
        positions: the axes of an example's classes, as the length of a sequence; empty for one
            class an example.
        takes: what the model's input is: float32 numbers, int32 tokens, or several parts that are
            left as they are.
    """

    kind: Kind
    loss: str
    outputs: int
    given: Given
    labels: tuple[str, ...] = ()
    positions: Shape = ()
    takes: Takes = "float32"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the names of the metrics, the one that people look at first in front."""
        if not self.outputs:
            return ()
        return _METRICS.get(self.kind, ("mae", "r2"))

    @property
    def output_name(self) -> str:
        """Return the name of what `predict` returns: probabilities or values."""
        return "probabilities" if self.kind in _METRICS else "values"

    def to_json(self) -> dict[str, Any]:
        """Return the task as JSON data."""
        lists = {"labels": list(self.labels), "positions": list(self.positions)}
        return {**dataclasses.asdict(self), **lists}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Task":
        """Return the task that `to_json` wrote."""
        tuples = {name: tuple(data.get(name, ())) for name in ("labels", "positions")}
        return cls(**{**data, **tuples})


def is_loss_of(loss: str, kind: str) -> bool:
    """Say whether a named loss is one for a kind of data."""
    several = (loss, kind) == ("binary_cross_entropy", "multilabel")  # a loss of two kinds
    return several or (loss in LOSSES and LOSSES[loss][0] == kind)


def make_optimizer(
    given: Any,  # noqa: ANN401 - a name, or any library's own object
    weight_decay: float | None = None,
) -> Optimizer:
    """Return the optimiser of a name with its numbers, or wrap the library's own object.

    Args:
        given: one of `OPTIMIZERS`, a class or a factory of `torch.optim`, or an optax
            transformation; whether an object is one, its backend says.
        weight_decay: the decoupled weight decay; None for the optimiser's own.

    Raises:
        UnknownNameError: there is no such optimiser.
        OptionError: a weight decay was given beside an object of the library.
    """
    if not isinstance(given, str):
        name = getattr(given, "__name__", type(given).__name__)
        if weight_decay is not None:
            message = f"weight_decay= is for optimizers by name; give it to {name} itself."
            raise OptionError(message)
        return Optimizer(name=name, own=given)
    if given not in OPTIMIZERS:
        raise unknown_name("optimizer", given, OPTIMIZERS)
    decay = {} if weight_decay is None else {"weight_decay": float(weight_decay)}
    return Optimizer(name=given, numbers=tuple({**OPTIMIZERS[given], **decay}.items()))


def make_task(
    *,
    kind: Kind,
    labels: tuple[str, ...],
    targets: int,
    output_shape: Shape | None,
    final_activation: str | None,
    loss: str = "auto",
    positions: Shape = (),
    takes: Takes = "float32",
) -> Task:
    """Choose the loss for data and a model, and check that the two fit.

    Args:
        kind: what the data's targets are.
        labels: the classes' names; empty for regression.
        targets: how many numbers one example's target has (regression), 1 for classes.
        output_shape: the shape of the model's output for one example; None where it returns no
            array, or several.
        final_activation: the activation that the model ends with, where that can be seen.
        loss: one of `LOSSES`, or `"auto"`.
        positions: the axes of an example's classes; empty for one class an example.
        takes: as in `Task`.

    Returns:
        The task.

    Raises:
        UnknownNameError: there is no such loss.
        OptionError: the loss is not one for this kind of data.
        ShapeError: the model's output does not fit the data.
    """
    _check_loss(loss, kind)
    if loss == "model" or kind == "own":
        task = _of_its_own(kind, labels, targets, output_shape, positions)
    elif output_shape is None or output_shape[:-1] != positions or not output_shape:
        returned = "no array" if output_shape is None else f"an array of shape {output_shape}"
        classes = len(labels) or targets
        expected = f"{(*positions, classes)}" if positions else "one axis"
        message = (
            f"The model returns {returned} for one example; expected {expected}. End the model "
            f"with a Dense layer over {'each position' if positions else 'a flat input'}."
        )
        raise ShapeError(message)
    elif kind == "regression":
        task = _regression(loss, output_shape[-1], targets)
    elif kind == "multilabel":
        task = _multilabel(output_shape[-1], labels, final_activation)
    else:
        task = _classification(loss, output_shape[-1], labels, final_activation)
    return dataclasses.replace(task, positions=positions, takes=takes)


def _of_its_own(
    kind: Kind, labels: tuple[str, ...], targets: int, output_shape: Shape | None, positions: Shape
) -> Task:
    """Return the task of a model that is trained by a loss of its own."""
    width = output_shape[-1] if output_shape and output_shape[:-1] == positions else 0
    fits = width >= len(labels) if kind == "classification" else width == targets
    return Task(
        kind=kind,
        loss="model",
        outputs=width if fits and kind != "own" else 0,
        given="logits" if kind in _METRICS else "values",
        labels=labels,
    )


def _check_loss(loss: str, kind: Kind) -> None:
    if loss in ("auto", "model"):
        return
    if loss not in LOSSES:
        raise unknown_name("loss", loss, [*LOSSES, "auto"])
    if not is_loss_of(loss, kind):
        fitting = " or ".join(name for name, (of, _) in LOSSES.items() if of in (kind, "any"))
        if kind == "multilabel":
            fitting = f"binary_cross_entropy or {fitting}"
        message = (
            f"The loss {loss!r} is for {LOSSES[loss][0]}, but the data is {kind}. Use {fitting}."
        )
        raise OptionError(message)


def _regression(loss: str, width: int, targets: int) -> Task:
    if width != targets:
        message = (
            f"The model returns {width} value{'s' * (width != 1)} for each example, but the data "
            f"has {targets} target{'s' * (targets != 1)}. End the model with Dense({targets})."
        )
        raise ShapeError(message)
    chosen = "mse" if loss == "auto" else loss
    return Task(kind="regression", loss=chosen, outputs=width, given="values")


def _multilabel(width: int, labels: tuple[str, ...], final_activation: str | None) -> Task:
    if width != len(labels):
        message = (
            f"The model returns {width} output{'s' * (width != 1)} for each example, but the data "
            f"has {len(labels)} labels. End the model with Dense({len(labels)})."
        )
        raise ShapeError(message)
    given: Given = "probabilities" if final_activation == "sigmoid" else "logits"
    return Task(
        kind="multilabel", loss="binary_cross_entropy", outputs=width, given=given, labels=labels
    )


def _classification(
    loss: str, width: int, labels: tuple[str, ...], final_activation: str | None
) -> Task:
    classes = len(labels)
    chosen = loss
    if loss == "auto":
        chosen = "binary_cross_entropy" if (classes, width) == (2, 1) else "cross_entropy"
    if chosen == "binary_cross_entropy" and classes != 2:
        message = (
            f"The loss binary_cross_entropy is for two classes, but the data has {classes}. "
            f"Use cross_entropy, and end the model with Dense({classes})."
        )
        raise OptionError(message)
    expected = 1 if chosen == "binary_cross_entropy" else classes
    if width != expected:
        also = " (or Dense(1), for two classes)" if (loss, classes) == ("auto", 2) else ""
        message = (
            f"The model returns {width} output{'s' * (width != 1)} for each example, but the data "
            f"has {classes} classes and {chosen} needs {expected}. "
            f"End the model with Dense({expected}){also}."
        )
        raise ShapeError(message)
    ends_with = "softmax" if chosen == "cross_entropy" else "sigmoid"
    given: Given = "probabilities" if final_activation == ends_with else "logits"
    return Task(kind="classification", loss=chosen, outputs=width, given=given, labels=labels)
