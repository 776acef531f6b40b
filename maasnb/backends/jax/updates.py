"""From gradients to updates in JAX: penalties, clipping, weight decay and the optimiser."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from maasnb.errors import OptionError
from maasnb.rules import Rule
from maasnb.tasks import Optimizer

__all__ = ["clipped", "make_transformation", "penalised", "refuse_unusable"]

Tree = Any


def penalised(rule: Rule, gradients: Tree, params: Tree) -> Tree:
    """Add the gradients of the penalties, over the parameters of two or more axes."""
    if not (rule.l1 or rule.l2):
        return gradients

    def add(gradient: jax.Array, weight: jax.Array) -> jax.Array:
        if weight.ndim < 2:
            return gradient
        return gradient + 2 * rule.l2 * weight + rule.l1 * jnp.sign(weight)

    return jax.tree.map(add, gradients, params)


def clipped(rule: Rule, gradients: Tree, clip: jax.Array | None) -> Tree:
    """Cut every number of the gradients to its range, then all of them together to a norm."""
    limit = rule.clip_value
    if limit is not None:
        gradients = jax.tree.map(lambda each: jnp.clip(each, -limit, limit), gradients)
    if clip is None:
        return gradients
    squares = [jnp.sum(each**2) for each in jax.tree.leaves(gradients)]
    scale = jnp.minimum(1.0, clip / jnp.sqrt(jnp.stack(squares).sum()))
    return jax.tree.map(lambda each: each * scale, gradients)


def make_transformation(optimizer: Optimizer) -> optax.GradientTransformation:
    """Return optax's transformation, whose output times the learning rate is added to weights.

    A named one is without the learning rate, which is an input of the step; an object of the user's
    own brings its own, and the input is a factor on it.
    """
    if optimizer.own is not None:
        return optimizer.own
    numbers: dict[str, Any] = dict(optimizer.numbers)
    decay = numbers.pop("weight_decay", 0.0)
    parts = [_named(optimizer.name, numbers)]
    if decay:
        parts.append(optax.add_decayed_weights(decay))
    return optax.chain(*parts, optax.scale(-1.0))


def _named(name: str, numbers: dict[str, Any]) -> optax.GradientTransformation:
    match name:
        case "adam" | "adamw":
            return optax.scale_by_adam(**numbers)
        case "lion":
            return optax.scale_by_lion(**numbers)
        case "rmsprop":
            return optax.scale_by_rms(numbers["decay"], numbers["eps"], eps_in_sqrt=False)
        case "momentum" | "nesterov":
            return optax.trace(numbers["momentum"], nesterov=name == "nesterov")
        case _:
            return optax.identity()


def refuse_unusable(optimizer: Optimizer, params: Tree) -> None:
    """Refuse an object of the user's own that is no optax transformation of these parameters.

    Raises:
        OptionError: with the reason and the way out.
    """
    own, name = optimizer.own, optimizer.name
    if own is None:
        return
    way_out = "Type: optimizer=optax.adam(1e-3)"
    if not isinstance(own, optax.GradientTransformation):
        message = f"The optimizer is {name}, no optax transformation of this JAX model. {way_out}"
        raise OptionError(message)
    try:
        jax.eval_shape(lambda params: own.update(params, own.init(params), params), params)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        message = f"The optimizer cannot be used for this model's step ({reason}). {way_out}"
        raise OptionError(message) from error
