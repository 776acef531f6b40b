"""Losses by name or of the user's own, and the head that makes predictions, in JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from maasnb.backends.protocol import PLAIN
from maasnb.rules import Rule, unfitting_loss
from maasnb.tasks import Task

__all__ = ["Loss", "head", "loss_function"]

_SMALLEST = 1e-7  # the least probability whose logarithm is taken, as in Keras

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def loss_function(task: Task, rule: Rule = PLAIN, *, ragged: bool = False) -> Loss:
    """Return the losses of a batch: outputs [batch, outputs], targets [batch, ...] -> [batch].

    A scalar of the user's own function stands for each example. Where batches have padded rows
    (`ragged`) there is no telling which part of it is theirs, so it is refused.
    """
    weighted = bool(rule.class_weights)
    of_examples = _named(task)
    if rule.loss is not None:
        of_examples = _own(rule.loss, _reason(ragged=ragged, weighted=weighted))
    if not weighted:
        return of_examples

    def of_weighted(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        weights = jnp.asarray(rule.class_weights, jnp.float32)
        return of_examples(outputs, targets) * weights[targets.astype(jnp.int32)]

    return of_weighted


def _reason(*, ragged: bool, weighted: bool) -> str:
    """Return why a scalar loss does not do; empty where it does."""
    if weighted:
        return "class weights need the loss of each example"
    if ragged:
        return "because the last batch of an epoch is smaller; or take a batch size that divides"
    return ""


def _own(given: Callable[[Any, Any], Any], reason: str) -> Loss:
    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        found = given(outputs, targets)
        if isinstance(found, jax.Array) and found.shape == targets.shape[:1]:
            return found
        if not isinstance(found, jax.Array) or found.ndim:
            got = found.shape if isinstance(found, jax.Array) else type(found).__name__
            raise unfitting_loss(got, len(targets), reason)
        if reason:
            raise unfitting_loss("a scalar", len(targets), reason)
        return jnp.broadcast_to(found, targets.shape[:1])

    return loss


def _named(task: Task) -> Loss:
    logits = task.given == "logits"
    match task.loss:
        case "cross_entropy" if logits:
            return optax.softmax_cross_entropy_with_integer_labels
        case "cross_entropy":
            return lambda out, to: (
                -jnp.log(
                    jnp.clip(jnp.take_along_axis(out, to[:, None], axis=-1)[:, 0], min=_SMALLEST)
                )
            )
        case "binary_cross_entropy" if logits:
            return lambda out, to: optax.sigmoid_binary_cross_entropy(out[:, 0], to)
        case "binary_cross_entropy":
            return _binary_cross_entropy
        case "mse":
            return lambda out, to: jnp.mean((out - to) ** 2, axis=-1)
        case _:
            return lambda out, to: jnp.mean(jnp.abs(out - to), axis=-1)


def _binary_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    p = jnp.clip(outputs[:, 0], _SMALLEST, 1 - _SMALLEST)
    return -(targets * jnp.log(p) + (1 - targets) * jnp.log1p(-p))


def head(task: Task, outputs: jax.Array) -> jax.Array:
    """Return probabilities or values [batch, outputs] for a model's output."""
    if task.given != "logits":
        return outputs
    if task.loss == "binary_cross_entropy":
        return jax.nn.sigmoid(outputs)
    return jax.nn.softmax(outputs, axis=-1)
