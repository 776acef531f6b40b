"""The exercises of tutorial 05: weights of a convolution, a small network, a confusion."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong, run_named
from maasnb.study.inspection import inspect

__all__ = ["EXERCISES"]

_MOST_PARAMETERS = 4000
_ENOUGH = 0.95


def _check_parameters(names: Mapping[str, Any]) -> None:
    answer = names["answer"]
    hints = {
        24 * 5 * 5: "each filter looks at all 3 channels, and has a bias",
        24 * 5 * 5 * 3: "the biases are missing, one for each filter",
        24 * (5 * 5 + 1): "each filter looks at all 3 channels",
        24 * (5 * 5 * 3 + 3): "a filter has one bias, not one a channel",
    }
    if answer != 24 * (5 * 5 * 3 + 1):
        hint = hints.get(answer, "count the weights of one filter first, and add its bias")
        raise Wrong(f"`answer` is {answer}, which is not right: {hint}.")


def _check_small(names: Mapping[str, Any]) -> None:
    run = run_named("small", names)
    if run.data.train.x.shape != names["digits"].train.x.shape:
        raise Wrong("`small` was trained on other data. Take `digits`.")
    layers = inspect(run, "summary")
    if not any("conv" in " ".join(row).lower() for row in layers.rows):
        raise Wrong('`small` has no convolution. Begin with: `mb.Conv(12, 3, "relu")`')
    parameters = int(layers["parameters"])
    if parameters > _MOST_PARAMETERS:
        message = (
            f"`small` has {parameters:,} parameters, more than 4,000. Take fewer filters, or "
            "`mb.Pool(4)` before `mb.Flatten()`: see where they are with "
            "`%maas inspect small summary`"
        )
        raise Wrong(message)
    accuracy = run.metrics.get("accuracy", 0.0)
    if accuracy < _ENOUGH:
        message = (
            f"`small` is right in {accuracy:.1%} of the validation examples, less than 95 %. Train "
            'it longer, or with a higher learning rate and `schedule="cosine"`.'
        )
        raise Wrong(message)


def _confusion(names: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Return how often a class got which wrong answer, of digits moved one pixel to the right."""
    test = names["digits"].test
    wide = np.pad(test.x.reshape(-1, 8, 8), ((0, 0), (0, 0), (1, 0)))
    images = wide[:, :, :8].reshape(-1, 64)  # one pixel to the right
    said = names["dense_run"].predict(images).argmax(axis=1)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (test.y.astype(int), said), 1)
    np.fill_diagonal(counts, 0)
    return counts


def _check_confusion(names: Mapping[str, Any]) -> None:
    pair = tuple(int(each) for each in names["pair"])
    classes = range(10)
    if len(pair) != 2 or any(each not in classes for each in pair):
        raise Wrong("`pair` is to be two digits, as (8, 1): the truth, and what it says.")
    counts = _confusion(names)
    if counts[pair] == counts.max():
        return
    if counts[pair[::-1]] == counts.max():
        raise Wrong("These two it is, the other way round: first the truth, then the answer.")
    message = (
        f"It takes {pair[0]} for {pair[1]} {counts[pair]} times; another pair happens more often. "
        "Count the pairs of truth and answer: `dense_run.predict(moved(digits.test.x, right=1))`"
    )
    raise Wrong(message)


EXERCISES = {
    "05.1": Exercise(
        task="Count the parameters of `Conv(24, 5)` on images with 3 channels.",
        needs={"answer": "answer = ..."},
        check=_check_parameters,
        praise="24 filters of 5 x 5 x 3 weights, and a bias each: 1,824.",
    ),
    "05.2": Exercise(
        task="Train a CNN of at most 4,000 parameters that is right in 95 % of validation.",
        needs={"digits": "%maas data digits", "small": "small = ..."},
        check=_check_small,
        praise="A few filters that are used everywhere do the work of many weights.",
    ),
    "05.3": Exercise(
        task="Find which digit the dense network takes for which other one when they are moved "
        "one pixel to the right.",
        needs={
            "digits": "%maas data digits",
            "dense_run": "dense_run = mb.train(dense, digits, **settings)",
            "pair": "pair = ...",
        },
        check=_check_confusion,
        praise="A stroke one pixel further is another stroke to a dense layer.",
    ),
}
