"""Losses by name or of the user's own, and the head that makes predictions of outputs, in torch."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from maasnb.backends.protocol import PLAIN
from maasnb.rules import Rule, unfitting_loss
from maasnb.tasks import Task

__all__ = ["Loss", "head", "loss_function"]

Loss = Callable[[Tensor, Tensor], Tensor]

_SMALLEST = 1e-7  # the least probability whose logarithm is taken, as in Keras


def loss_function(task: Task, rule: Rule = PLAIN) -> Loss:
    """Return the mean loss of a batch: outputs [batch, outputs], targets as placed -> scalar.

    Without class weights torch takes the mean itself, which is quicker than two calls.
    """
    if rule.loss is None and not rule.class_weights:
        return _named(task, "mean")
    of_examples = _named(task, "none") if rule.loss is None else rule.loss
    weights = torch.tensor(rule.class_weights)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        found = _checked(of_examples(outputs, targets), targets, weighted=len(weights) > 0)
        if len(weights):
            found = found * weights.to(found.device)[targets.long()]
        return found.mean()

    return loss


def _checked(losses: Any, targets: Tensor, *, weighted: bool) -> Tensor:  # noqa: ANN401 - whatever the user's own loss returned
    """Return what the user's own loss returned, if it is a loss an example or one scalar."""
    if isinstance(losses, Tensor) and losses.shape == targets.shape[:1]:
        return losses
    if isinstance(losses, Tensor) and losses.ndim == 0 and not weighted:
        return losses
    raise unfitting_loss(
        tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__,
        len(targets),
        "class weights need the loss of each example" if weighted else "",
    )


def _named(task: Task, reduction: str) -> Loss:
    options: dict[str, Any] = {"reduction": reduction}
    logits = task.given == "logits"
    match task.loss:
        case "cross_entropy" if logits:
            return functools.partial(functional.cross_entropy, **options)
        case "cross_entropy":
            return lambda out, to: functional.nll_loss(
                out.clamp(min=_SMALLEST).log(), to, **options
            )
        case "binary_cross_entropy" if logits:
            return lambda out, to: functional.binary_cross_entropy_with_logits(
                out[:, 0], to, **options
            )
        case "binary_cross_entropy":
            return lambda out, to: functional.binary_cross_entropy(
                out[:, 0].clamp(_SMALLEST, 1 - _SMALLEST), to, **options
            )
        case "mse":
            return functional.mse_loss
        case _:
            return functional.l1_loss


def head(task: Task, outputs: Tensor) -> Tensor:
    """Return probabilities or values [batch, outputs] for a model's output."""
    if task.given != "logits":
        return outputs
    if task.loss == "binary_cross_entropy":
        return outputs.sigmoid()
    return outputs.softmax(dim=-1)
