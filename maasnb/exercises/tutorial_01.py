"""The exercises of tutorial 01: gradient descent, computed again without the notebook."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong

__all__ = ["EXERCISES"]

Array = np.ndarray[Any, np.dtype[Any]]

_STEPS, _RATE = 10, 0.1
_CLOSE = 1e-4


def _loss_and_gradients(
    weights: Mapping[str, Array], x: Array, y: Array
) -> tuple[float, dict[str, Array]]:
    """Return the loss of the tutorial's network and its gradients, in float64."""
    z1 = x @ weights["W1"] + weights["b1"]
    hidden = np.maximum(z1, 0)
    z2 = hidden @ weights["W2"] + weights["b2"]
    shifted = z2 - z2.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    truth = np.eye(z2.shape[1])[y]
    back = (np.exp(log_p) - truth) / len(y)
    back_hidden = (back @ weights["W2"].T) * (z1 > 0)
    gradients = {
        "W1": x.T @ back_hidden,
        "b1": back_hidden.sum(axis=0),
        "W2": hidden.T @ back,
        "b2": back.sum(axis=0),
    }
    return float(-(log_p * truth).sum(axis=1).mean()), gradients


def _begin(names: Mapping[str, Any]) -> tuple[dict[str, Array], Array, Array]:
    weights = {name: np.asarray(each, np.float64) for name, each in names["first"].items()}
    return weights, np.asarray(names["x"], np.float64), np.asarray(names["y"])


def _loss_after(steps: int, rate: float, names: Mapping[str, Any]) -> float:
    weights, x, y = _begin(names)
    for _ in range(steps):
        _, gradients = _loss_and_gradients(weights, x, y)
        weights = {name: each - rate * gradients[name] for name, each in weights.items()}
    return _loss_and_gradients(weights, x, y)[0]


def _check_steps(names: Mapping[str, Any]) -> None:
    answer = float(names["answer"])
    if abs(answer - _loss_after(_STEPS, _RATE, names)) < _CLOSE:
        return
    slips = {
        "the loss before the first step": (0, _RATE),
        "the loss after a single step": (1, _RATE),
        "the loss after 9 steps; take one more": (_STEPS - 1, _RATE),
        "the loss after 11 steps; take one less": (_STEPS + 1, _RATE),
        "the loss with the learning rate 0.5; take 0.1": (_STEPS, 0.5),
    }
    for words, (steps, rate) in slips.items():
        if abs(answer - _loss_after(steps, rate, names)) < _CLOSE:
            raise Wrong(f"`answer` is {answer:.4f}: that is {words}.")
    message = (
        f"`answer` is {answer:.4f}, which is not the loss after ten steps. Begin with "
        "`parameters = first`, call `step(parameters, lr=0.1)` ten times, each time with what the "
        "last call returned, and take `loss_of(parameters, x, y)`."
    )
    raise Wrong(message)


def _check_tanh(names: Mapping[str, Any]) -> None:
    random = np.random.default_rng(1)
    dh, z1 = random.normal(size=(5, 3)), random.normal(size=(5, 3))
    found = names["tanh_backward"](dh.copy(), z1.copy())
    if found is ...:
        raise Wrong("`tanh_backward` still returns `...`, the dots that stand for your answer.")
    if found is None:
        raise Wrong("`tanh_backward` returns nothing. End it with `return`.")
    slope = 1 - np.tanh(z1) ** 2
    found = np.asarray(found)
    if found.shape != dh.shape:
        message = f"`tanh_backward` returns the shape {found.shape}, but `dh` is {dh.shape}."
        raise Wrong(message)
    if np.allclose(found, dh * slope):
        return
    if np.allclose(found, slope):
        raise Wrong("That is the slope alone. Multiply it by `dh`, as the chain rule says.")
    if np.allclose(found, dh * (z1 > 0)):
        raise Wrong("That is the way back of ReLU. The slope of tanh is `1 - np.tanh(z1) ** 2`.")
    if np.allclose(found, dh * (1 - z1**2)):
        raise Wrong("In the slope stands z1 itself; it is `1 - np.tanh(z1) ** 2`.")
    raise Wrong("Not right yet. It is `dh` times the slope, `1 - np.tanh(z1) ** 2`.")


def _check_penalty(names: Mapping[str, Any]) -> None:
    weights, x, y = _begin(names)
    plain, weight = _loss_and_gradients(weights, x, y)[1]["W1"], weights["W1"]
    found = np.asarray(names["answer_w1"], np.float64)
    if found.shape != weight.shape:
        raise Wrong(f"`answer_w1` has the shape {found.shape}, but `W1` has {weight.shape}.")
    if np.allclose(found, plain + 0.02 * weight, atol=1e-5):
        return
    if np.allclose(found, plain, atol=1e-5):
        raise Wrong("That is the gradient without the penalty. Add the slope of `0.01 * W1**2`.")
    if np.allclose(found, plain + 0.01 * weight, atol=1e-5):
        raise Wrong("Almost: the slope of w**2 is 2 w, so the penalty's is `0.02 * W1`.")
    if np.allclose(found, 0.02 * weight, atol=1e-5):
        raise Wrong("That is the penalty's gradient alone. Add the loss's: `gradients['W1']`.")
    message = 'Not right yet. Add the slope of the penalty to `gradients["W1"]`, both at `first`.'
    raise Wrong(message)


_FIRST = {"first": "first = {", "x": "x = random.uniform(-1, 1, size=(200, 2)).astype(np.float32)"}

EXERCISES = {
    "01.1": Exercise(
        task="Take ten steps from `first` with the learning rate 0.1, and bind the loss then.",
        needs={**_FIRST, "answer": "answer = ..."},
        check=_check_steps,
        praise="Ten steps downhill, each a little lower.",
    ),
    "01.2": Exercise(
        task="Write the way back through tanh.",
        needs={"tanh_backward": "def tanh_backward(dh, z1):"},
        check=_check_tanh,
        praise="The gradient that comes in, times the slope: that is all of backpropagation.",
    ),
    "01.3": Exercise(
        task="Compute the gradient for `W1` of the loss with the penalty, at `first`.",
        needs={**_FIRST, "answer_w1": "answer_w1 = ..."},
        check=_check_penalty,
        praise="The penalty pulls each weight towards 0, the harder the larger it is.",
    ),
}
