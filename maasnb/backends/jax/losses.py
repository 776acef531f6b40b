"""Losses by name or of the user's own, and the head that makes predictions, in JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from maasnb.backends.protocol import PLAIN
from maasnb.parts import count
from maasnb.rules import Rule, unfitting_loss
from maasnb.tasks import Task

__all__ = ["Loss", "head", "is_one_number", "loss_function"]

_SMALLEST = 1e-7  # the least probability whose logarithm is taken, as in Keras

Loss = Callable[[Any, Any], jax.Array]


def loss_function(task: Task, rule: Rule = PLAIN) -> Loss:
    """Return the losses of a batch: outputs [batch, ..., outputs], targets [batch, ...] -> [batch].

    A loss of the user's own may return one scalar for the batch, which then stands for each
    example.
    """
    weighted = bool(rule.class_weights)
    of_examples = _named(task)
    if rule.loss is not None:
        of_examples = _own(rule.loss, "class weights need the loss of each example" * weighted)
    if not weighted:
        return of_examples

    def of_weighted(outputs: Any, targets: Any) -> jax.Array:  # noqa: ANN401 - arrays, or parts of the user's own
        weights = jnp.asarray(rule.class_weights, jnp.float32)
        return of_examples(outputs, targets) * weights[targets.astype(jnp.int32)]

    return of_weighted


def is_one_number(loss: Callable[[Any, Any], Any], outputs: Any, targets: Any) -> bool:  # noqa: ANN401 - trees of shapes
    """Say whether a loss of the user's own is one number for the whole batch."""
    return jax.eval_shape(loss, outputs, targets).ndim == 0


def _own(given: Callable[[Any, Any], Any], reason: str) -> Loss:
    def loss(outputs: Any, targets: Any) -> jax.Array:  # noqa: ANN401 - arrays, or parts of the user's own
        found, rows = given(outputs, targets), count(targets)
        if isinstance(found, jax.Array) and found.shape == (rows,):
            return found
        if not isinstance(found, jax.Array) or found.ndim:
            got = found.shape if isinstance(found, jax.Array) else type(found).__name__
            raise unfitting_loss(got, rows, reason)
        if reason:
            raise unfitting_loss("a scalar", rows, reason)
        return jnp.broadcast_to(found, (rows,))

    return loss


def _named(task: Task) -> Loss:
    logits = task.given == "logits"
    match task.loss:
        case "cross_entropy":
            plain = optax.softmax_cross_entropy_with_integer_labels if logits else _nll
            return _at_positions(plain) if task.positions else plain
        case "binary_cross_entropy" if task.kind == "multilabel":
            of_labels = optax.sigmoid_binary_cross_entropy if logits else _binary_cross_entropy
            return lambda out, to: jnp.mean(of_labels(out, to), axis=-1)
        case "binary_cross_entropy" if logits:
            return lambda out, to: optax.sigmoid_binary_cross_entropy(out[:, 0], to)
        case "binary_cross_entropy":
            return lambda out, to: _binary_cross_entropy(out[:, 0], to)
        case "mse":
            return lambda out, to: jnp.mean((out - to) ** 2, axis=-1)
        case "mae":
            return lambda out, to: jnp.mean(jnp.abs(out - to), axis=-1)
        case _:
            return _no_loss


def _nll(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    chosen = jnp.take_along_axis(outputs, targets[..., None], axis=-1)[..., 0]
    return -jnp.log(jnp.clip(chosen, min=_SMALLEST))


def _at_positions(plain: Loss) -> Loss:
    """Return the mean loss over an example's positions."""
    return lambda out, to: plain(out, to).reshape(len(to), -1).mean(axis=1)


def _no_loss(outputs: object, targets: object) -> jax.Array:
    message = "the model's own loss is asked of the model"
    raise NotImplementedError(message)


def _binary_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    p = jnp.clip(outputs, _SMALLEST, 1 - _SMALLEST)
    return -(targets * jnp.log(p) + (1 - targets) * jnp.log1p(-p))


def head(task: Task, outputs: jax.Array) -> jax.Array:
    """Return probabilities or values [batch, outputs] for a model's output."""
    if task.given != "logits" or not task.outputs:
        return outputs
    if task.loss == "binary_cross_entropy" or task.kind == "multilabel":
        return jax.nn.sigmoid(outputs)
    return jax.nn.softmax(outputs, axis=-1)
