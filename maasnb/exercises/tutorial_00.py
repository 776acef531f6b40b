"""The exercise of tutorial 00, the quickstart: of which digit the model is least sure."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong, run_named

__all__ = ["EXERCISES"]

_ALIKE = 1e-4
"""Probabilities that differ by less are the same, whether the notebook or the server said them."""


def _check_least_sure(names: Mapping[str, Any]) -> None:
    sure = run_named("run", names).predict(names["digits"].test.x).max(axis=1)
    row = _row(names["answer"], sure)
    if sure[row] <= sure.min() + _ALIKE:
        return
    if sure[row] >= sure.max() - _ALIKE:
        message = f"Of digit {row} `run` is as sure as can be. Take argmin in place of argmax."
        raise Wrong(message)
    message = (
        f"Of digit {row} `run` is {sure[row]:.0%} sure, and of another one less. "
        "How sure it is says the largest number in a row: probabilities.max(axis=1)"
    )
    raise Wrong(message)


def _row(answer: Any, sure: np.ndarray[Any, Any]) -> int:  # noqa: ANN401 - whatever was answered
    """Return an answer as the number of a row."""
    number = np.asarray(answer)
    if number.ndim == 0 and number.dtype.kind == "f" and abs(number - sure.min()) <= _ALIKE:
        raise Wrong(f"{number:.2f} is how sure it is. In which row? Take argmin in place of min.")
    if number.ndim or number.dtype.kind not in "iu":
        raise Wrong(f"`answer` is {answer!r:.60}; expected one whole number, as 17.")
    if not 0 <= number < len(sure):
        message = (
            f"`answer` is {number}; the test digits have the numbers 0 to {len(sure) - 1}. "
            "Take the largest number of each row first: probabilities.max(axis=1)"
        )
        raise Wrong(message)
    return int(number)


EXERCISES = {
    "00.1": Exercise(
        task="Find the test digit that `run` is least sure of, and bind its number to `answer`.",
        needs={
            "digits": "%maas data digits",
            "run": "%maas train net digits --epochs 15",
            "answer": "answer = ...",
        },
        check=_check_least_sure,
        praise="Where a model is unsure, a person should look.",
    ),
}
