"""Losses by name or of the user's own, and the head that makes predictions of outputs, in torch."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from maasnb.backends.protocol import PLAIN
from maasnb.parts import count
from maasnb.rules import Rule, unfitting_loss
from maasnb.tasks import Task

__all__ = ["Loss", "head", "loss_function"]

Loss = Callable[[Any, Any], Tensor]

_SMALLEST = 1e-7  # the least probability whose logarithm is taken, as in Keras


def loss_function(task: Task, rule: Rule = PLAIN) -> Loss:
    """Return the losses of a batch: outputs [batch, ..., outputs], targets as placed -> [batch].

    A loss of the user's own may return one scalar for the batch instead.
    """
    of_examples = _named(task) if rule.loss is None else rule.loss
    if rule.loss is None and not rule.class_weights:
        return of_examples
    weights = torch.tensor(rule.class_weights)
    on_device = functools.lru_cache(maxsize=2)(weights.to)

    def loss(outputs: Any, targets: Any) -> Tensor:  # noqa: ANN401 - tensors, or parts of the user's own
        found = _checked(of_examples(outputs, targets), targets, weighted=len(weights) > 0)
        if len(weights):
            found = found * on_device(found.device)[targets.long()]
        return found

    return loss


def _checked(losses: Any, targets: Any, *, weighted: bool) -> Tensor:  # noqa: ANN401 - whatever the user's own loss returned
    """Return what the user's own loss returned, if it is a loss an example or one scalar."""
    rows = count(targets)
    if isinstance(losses, Tensor) and losses.shape == (rows,):
        return losses
    if isinstance(losses, Tensor) and losses.ndim == 0 and not weighted:
        return losses
    raise unfitting_loss(
        tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__,
        rows,
        "class weights need the loss of each example" if weighted else "",
    )


def _named(task: Task) -> Loss:
    logits = task.given == "logits"
    match task.loss:
        case "cross_entropy":
            plain: Callable[..., Tensor] = functional.cross_entropy if logits else _nll
            return (
                _at_positions(plain)
                if task.positions
                else functools.partial(plain, reduction="none")
            )
        case "binary_cross_entropy" if task.kind == "multilabel":
            of_labels = functional.binary_cross_entropy_with_logits if logits else _bce
            return lambda out, to: of_labels(out, to, reduction="none").mean(-1)
        case "binary_cross_entropy" if logits:
            return lambda out, to: functional.binary_cross_entropy_with_logits(
                out[:, 0], to, reduction="none"
            )
        case "binary_cross_entropy":
            return lambda out, to: _bce(out[:, 0], to, reduction="none")
        case "mse":
            return lambda out, to: functional.mse_loss(out, to, reduction="none").mean(-1)
        case "mae":
            return lambda out, to: functional.l1_loss(out, to, reduction="none").mean(-1)
        case _:
            return _no_loss


def _bce(outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
    clamped = outputs.clamp(_SMALLEST, 1 - _SMALLEST)
    return functional.binary_cross_entropy(clamped, targets, reduction=reduction)


def _nll(outputs: Tensor, targets: Tensor, reduction: str) -> Tensor:
    return functional.nll_loss(outputs.clamp(min=_SMALLEST).log(), targets, reduction=reduction)


def _at_positions(plain: Callable[..., Tensor]) -> Loss:
    """Return the mean loss over an example's positions."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        flat = plain(outputs.flatten(0, -2), targets.flatten(), reduction="none")
        return flat.view(len(targets), -1).mean(1)

    return loss


def _no_loss(outputs: object, targets: object) -> Tensor:
    message = "the model's own loss is asked of the model"
    raise NotImplementedError(message)


def head(task: Task, outputs: Tensor) -> Tensor:
    """Return probabilities or values [batch, outputs] for a model's output."""
    if task.given != "logits" or not task.outputs:
        return outputs
    if task.loss == "binary_cross_entropy" or task.kind == "multilabel":
        return outputs.sigmoid()
    return outputs.softmax(dim=-1)
