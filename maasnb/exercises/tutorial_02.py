"""The exercises of tutorial 02: a slope, a step of momentum, a network that does not overfit."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong, run_named

__all__ = ["EXERCISES"]

_ENOUGH = 0.86
_DOTS = "`{}` still returns `...`, the dots that stand for your answer."


def _check_slope(names: Mapping[str, Any]) -> None:
    z = np.linspace(-5, 5, 101)
    found = names["silu_slope"](z.copy())
    if found is ...:
        raise Wrong(_DOTS.format("silu_slope"))
    if found is None:
        raise Wrong("`silu_slope` returns nothing. End it with `return`.")
    found = np.asarray(found, np.float64)
    if found.shape != z.shape:
        raise Wrong(f"`silu_slope` returns the shape {found.shape} for a `z` of {z.shape}.")
    sigmoid = 1 / (1 + np.exp(-z))
    if np.allclose(found, sigmoid + z * sigmoid * (1 - sigmoid), atol=1e-4):
        return
    if np.allclose(found, sigmoid * (1 - sigmoid), atol=1e-4):
        raise Wrong("That is the slope of sigmoid. silu is z times sigmoid: a product.")
    if np.allclose(found, z * sigmoid, atol=1e-4):
        raise Wrong("That is silu itself, not its slope.")
    if np.allclose(found, z * sigmoid * (1 - sigmoid), atol=1e-4):
        raise Wrong("Half of the product rule is missing: add sigmoid times the slope of z.")
    middle = found[len(z) // 2]
    message = (
        f"Not right yet: at z = 0 the slope is 0.5, and yours is {middle:.2f}. The product rule: "
        "1 * s + z * (slope of s)."
    )
    raise Wrong(message)


def _check_momentum(names: Mapping[str, Any]) -> None:
    weight, velocity = np.array([1.0, -2.0]), np.array([0.5, 0.5])
    gradient, rate = np.array([0.2, -1.0]), 0.1
    found = names["momentum_step"](weight.copy(), velocity.copy(), gradient.copy(), rate)
    if found is ...:
        raise Wrong(_DOTS.format("momentum_step"))
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong("`momentum_step` is to return two things: the weight, then the velocity.")
    next_velocity = 0.9 * velocity + gradient
    next_weight = weight - rate * next_velocity
    if np.allclose(found[0], next_velocity) and np.allclose(found[1], next_weight):
        raise Wrong("Right, but the other way round: return the weight first.")
    if not np.allclose(found[1], next_velocity):
        raise Wrong("The velocity is not right: 0.9 times the old one, plus the gradient.")
    if np.allclose(found[0], weight - rate * velocity):
        raise Wrong("The weight moves along the old velocity. Compute the new one first.")
    if np.allclose(found[0], weight + rate * next_velocity):
        raise Wrong("The weight goes uphill: subtract the velocity.")
    if not np.allclose(found[0], next_weight):
        raise Wrong("The weight is not right: subtract the new velocity times the learning rate.")


def _check_best(names: Mapping[str, Any]) -> None:
    run, moons = run_named("best", names), names["moons"]
    if len(run.data.train.x) > len(moons.train.x):
        raise Wrong("`best` has seen more points than those of `moons`. Train on `moons` alone.")
    said = run.predict(names["fresh_x"]).argmax(axis=1)
    accuracy = float((said == names["fresh_y"]).mean())
    if accuracy < _ENOUGH:
        message = (
            f"`best` is right on {accuracy:.1%} of the fresh points, less than 86 %. Make it "
            "smoother: with much dropout, a larger `l2=`, or fewer epochs."
        )
        raise Wrong(message)


EXERCISES = {
    "02.1": Exercise(
        task="Write the slope of silu.",
        needs={"silu_slope": "def silu_slope(z):"},
        check=_check_slope,
        praise="At 0 it is a half, and far to the right it is 1, as that of relu.",
    ),
    "02.2": Exercise(
        task="Write one step of momentum.",
        needs={"momentum_step": "def momentum_step(weight, velocity, gradient, lr):"},
        check=_check_momentum,
        praise="Where gradients agree, steps grow up to ten times as long: 1 / (1 - 0.9).",
    ),
    "02.3": Exercise(
        task="Train on `moons` a network that is right on 86 % of the fresh points.",
        needs={
            "moons": "from sklearn.datasets import make_moons",
            "fresh_x": "from sklearn.datasets import make_moons",
            "best": "best = ...",
        },
        check=_check_best,
        praise="It has left the slips aside, though nobody told it which ones they are.",
    ),
}
