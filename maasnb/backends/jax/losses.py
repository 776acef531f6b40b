"""Losses and optimisers by name, and the head that makes predictions of outputs, in JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from maasnb.tasks import Optimizer, Task

__all__ = ["head", "loss_function", "make_transformation"]

_SMALLEST = 1e-7  # the least probability whose logarithm is taken, as in Keras

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def loss_function(task: Task) -> Loss:
    """Return the losses of a batch: outputs [batch, outputs], targets [batch, ...] -> [batch]."""
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


def make_transformation(optimizer: Optimizer) -> optax.GradientTransformation:
    """Return optax's transformation without the learning rate, which is an input of the step."""
    numbers: dict[str, Any] = dict(optimizer.numbers)
    match optimizer.name:
        case "adam":
            return optax.scale_by_adam(**numbers)
        case "adamw":
            decay = numbers.pop("weight_decay")
            return optax.chain(optax.scale_by_adam(**numbers), optax.add_decayed_weights(decay))
        case "rmsprop":
            return optax.scale_by_rms(numbers["decay"], numbers["eps"], eps_in_sqrt=False)
        case "momentum":
            return optax.trace(numbers["momentum"])
        case _:
            return optax.identity()
