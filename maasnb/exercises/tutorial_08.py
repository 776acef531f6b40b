"""The exercises of tutorial 08: a threshold, a column that leaks, and R2 by hand."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong

__all__ = ["EXERCISES"]

THRESHOLDS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)


def _check_threshold(names: Mapping[str, Any]) -> None:
    answer, tumours, run = names["threshold_for_screening"], names["tumours"], names["run"]
    if answer not in THRESHOLDS:
        shown = ", ".join(map(str, THRESHOLDS))
        message = f"`threshold_for_screening` is {answer!r}; take one of {shown}."
        raise Wrong(message)
    split, malignant = tumours.validation, tumours.labels.index("malignant")
    ill = run.predict(split.x)[split.y == malignant, malignant]
    missed = int((ill < answer).sum())
    if missed:
        message = (
            f"From {answer} on, {missed} of {len(ill)} malignant tumours of the validation split "
            "are missed; a lower threshold misses fewer."
        )
        raise Wrong(message)
    larger = [each for each in THRESHOLDS if each > answer and (ill >= each).all()]
    if larger:
        message = (
            f"From {answer} on none is missed, but from {larger[-1]} on none is either, with fewer "
            "false alarms. The largest one is asked for."
        )
        raise Wrong(message)


def _check_column(names: Mapping[str, Any]) -> None:
    answer, suspicious = names["leaking_column"], names["suspicious"]
    if answer not in suspicious.features:
        message = (
            f"`leaking_column` is {answer!r}; it should be the name of a column, such as "
            "'mean radius'. suspicious.features has them all."
        )
        raise Wrong(message)
    if answer != "days_in_hospital":
        message = (
            f"{answer!r} is known before the diagnosis. Let a report look: "
            "mb.inspect(suspicious).findings"
        )
        raise Wrong(message)


def _check_r2(names: Mapping[str, Any]) -> None:
    targets, predictions = np.asarray(names["targets"]), np.asarray(names["predictions"])
    answer = float(names["r2_by_hand"])
    missed, spread = ((targets - predictions) ** 2).sum(), ((targets - targets.mean()) ** 2).sum()
    if abs(answer - (1 - missed / spread)) < 0.01:
        return
    if abs(answer - missed / spread) < 0.01:
        message = "That is the part which is not explained; R2 is 1 minus it."
    elif abs(answer - np.corrcoef(targets, predictions)[0, 1] ** 2) < 0.01:
        message = (
            "That is the squared correlation, which forgives a prediction that is off by a factor. "
            "R2 compares the squared errors with the spread around the mean."
        )
    else:
        message = (
            f"`r2_by_hand` is {answer:.3g}. Divide the sum of the squared errors by the sum of the "
            "squared distances of the targets from their mean, and take that from 1."
        )
    raise Wrong(message)


EXERCISES: dict[str, Exercise] = {
    "08.1": Exercise(
        task="Find the largest of the thresholds that misses no malignant tumour of the validation "
        "split.",
        needs={
            "tumours": 'tumours = mb.data("breast_cancer", split=(0.6, 0.2, 0.2), seed=1)',
            "run": 'run = mb.train(net, tumours, epochs=20, lr=0.003, name="tumours")',
            "threshold_for_screening": "threshold_for_screening = ...",
        },
        check=_check_threshold,
        praise="What a mistake costs has decided, not a half by habit.",
    ),
    "08.2": Exercise(
        task="Find the column that is only known after the diagnosis.",
        needs={
            "suspicious": "suspicious = mb.data(np.column_stack([whole.train.x, "
            "*more.values()]), y, labels=list(whole.labels),",
            "leaking_column": "leaking_column = ...",
        },
        check=_check_column,
        praise="A column that tells too much deserves a question, not trust.",
    ),
    "08.3": Exercise(
        task="Compute R2 by hand, and put it into `r2_by_hand`.",
        needs={
            "targets": "targets = np.array([3.0, 5.0, 7.0, 9.0])",
            "predictions": "predictions = np.array([2.5, 5.5, 7.0, 8.0])",
            "r2_by_hand": "r2_by_hand = ...",
        },
        check=_check_r2,
        praise="1 is perfect, 0 is as good as the mean, and below 0 is worse than saying the mean.",
    ),
}
