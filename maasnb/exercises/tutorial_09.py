"""The exercises of tutorial 09: bring your own module."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong, run_named

__all__ = ["EXERCISES"]

Names = Mapping[str, Any]


def _check_mine(names: Names) -> None:
    run = run_named("mine", names)
    if type(run.model).__module__ != "__main__":
        raise Wrong(
            f"The model is a {type(run.model).__name__} that comes ready-made. Write a class of "
            "your own: class Mine(nn.Module):"
        )
    sizes = [weight.shape for weight in run.backend.weights(run.model).values() if weight.ndim == 2]
    if len(sizes) < 3:
        raise Wrong(
            f"The model has {len(sizes)} matrices of weights; two hidden layers and the last one "
            "make three."
        )
    if not any(set(size) == {32} for size in sizes):
        raise Wrong(f"No layer leads from 32 units to 32; the sizes are {sizes}.")
    accuracy = run.metrics.get("accuracy", 0.0)
    if accuracy <= 0.93:
        raise Wrong(
            f"The validation accuracy is {accuracy:.3f}; expected more than 0.93. Train for more "
            "epochs, and look whether there is an activation between the layers."
        )


def _check_huber(names: Names) -> None:
    huber = names["huber"]
    if not callable(huber):
        raise Wrong(
            f"`huber` is {huber!r:.40}, not a function. Begin: def huber(outputs, targets):"
        )
    errors = np.array([[-3.0], [-1.0], [-0.5], [0.0], [0.25], [2.0]], np.float32)
    targets = np.linspace(-1, 1, 6, dtype=np.float32)[:, None]
    tensor = names["torch"].tensor
    found = np.asarray(cast(Any, huber(tensor(targets + errors), tensor(targets))).detach())
    if found.shape != (6,):
        raise Wrong(
            f"For 6 examples `huber` returns the shape {found.shape}; expected [6], the loss "
            "of each. Take the last axis away: .squeeze(1)"
        )
    size = np.abs(errors[:, 0])
    right = np.where(size <= 1, size**2 / 2, size - 0.5)
    wrong = np.flatnonzero(~np.isclose(found, right, atol=1e-5))
    if len(wrong):
        i = wrong[0]
        raise Wrong(
            f"For an error of {errors[i, 0]:g} `huber` returns {found[i]:.3f}; expected "
            f"{right[i]:.3f}."
        )


def _check_bodily(names: Names) -> None:
    run, saved = run_named("bodily", names), names["saved"].weights()
    if run.steps == 0 or run.data.name != "pale":
        raise Wrong("`bodily` was not trained on `pale`. Type: mb.train(..., pale, epochs=5, ...)")
    now = run.backend.weights(run.model)
    moved = sorted(name for name in saved if not np.array_equal(saved[name], now[name]))
    heads = [name for name in moved if name.startswith("head")]
    if heads:
        raise Wrong(
            f"{', '.join(heads)} changed, or did not begin with the saved weights. Load them with "
            'mb.load(folder, into=Reader), and train with freeze=["head*"].'
        )
    if not moved:
        raise Wrong('Nothing changed at all. Freeze the head alone: freeze=["head*"]')


EXERCISES = {
    "09.1": Exercise(
        task="Train a module of your own with two hidden layers of 32 units on `digits`.",
        needs={"mine": "mine = ..."},
        check=_check_mine,
        praise="Your object, trained in place: its class is yours, and so are its weights.",
    ),
    "09.2": Exercise(
        task="Write `huber(outputs, targets)` for torch tensors; it returns a loss an example.",
        needs={"torch": "import torch", "huber": "huber = ..."},
        check=_check_huber,
        praise="mb.train(model, data, loss=huber) trains with it.",
    ),
    "09.3": Exercise(
        task="Load the saved Reader, freeze its head, and train it on `pale` for 5 epochs.",
        needs={"saved": "saved = mb.save(large, folder)", "bodily": "bodily = ..."},
        check=_check_bodily,
        praise="The head is, bit for bit, the one that learnt from the clear pictures.",
    ),
}
