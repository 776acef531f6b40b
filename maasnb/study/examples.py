"""Which training examples a model finds hard, and which of them probably have a wrong target.

An example is hard when its loss was high over all epochs. It is suspected of a wrong target when
the model, which has learnt the others, is sure of another answer: a wrong target is contradicted
all through the training (Pleiss et al. 2020, "Identifying Mislabeled Data using the Area Under the
Margin Ranking").
"""

import math
from typing import Any

import numpy as np

from maasnb.datasets.images import as_pictures
from maasnb.errors import DataError
from maasnb.metrics import named_labels
from maasnb.parts import named, taken
from maasnb.records.run import Run
from maasnb.study.evidence import Evidence, counted, shown
from maasnb.study.reports import Report

__all__ = ["examples_report", "suspects"]

Array = np.ndarray[Any, np.dtype[Any]]

_SHOWN = 16
_MOST_SUSPECTS = 64
_FEWEST_EPOCHS = 3
_SURPRISING = -math.log(0.05)  # the mean loss where a twentieth of the probability is the target's
_RARE = 8.0  # times the median loss
_SURE = 0.8
_HALF_LEARNT = 0.5  # of the loss of always giving the same answer
_FAR = 100.0  # of the median loss, for values: a squared error ten times the usual one


def suspects(run: Run, chance: float | None) -> Array:
    """Return the rows of `data.train` that probably have a wrong target, the worst one first.

    Args:
        run: the run; while it trains, its model is not asked.
        chance: the loss of always giving the same answer; None where that is not known.
    """
    losses = run.history.examples
    none = np.zeros(0, dtype=np.int64)
    if losses is None or not chance or run.task.positions or run.task.kind == "multilabel":
        return none
    mean, last = losses.mean, losses.last.copy()
    seen = (losses.count >= _FEWEST_EPOCHS) & np.isfinite(mean)
    if not seen.any() or not np.median(last[seen]) < _HALF_LEARNT * chance:
        return none
    if run.task.kind == "regression":
        far = max(_FAR * float(np.median(mean[seen])), chance)
        return _worst(seen & (mean > far) & (last > far), mean)
    surprising = max(_SURPRISING, _RARE * float(np.median(mean[seen])))
    if run.status in ("running", "paused"):
        sure = -math.log(1 - _SURE)  # as little as this is left for the target
        return _worst(seen & (mean > surprising) & (last > sure), mean)
    rows = _worst(seen & (mean > surprising), mean)
    if not len(rows):
        return none
    answers, confidence = _answers(run, rows)
    return rows[(answers != run.data.train.y[rows]) & (confidence > _SURE)]


def examples_report(run: Run) -> Report:
    """Return the hardest training examples, those with a suspected target first.

    Raises:
        DataError: the run knows no losses of single examples, or none yet.
    """
    losses = run.history.examples
    if losses is None:
        message = (
            f"The run {run.name!r} has no losses of single examples: they are kept in memory while "
            'a run trains on arrays with record="full". Type: run = mb.train(net, data)'
        )
        raise DataError(message)
    mean = losses.mean
    if not np.isfinite(mean).any():
        message = f"The run {run.name!r} has seen no example yet; wait a moment, then try again."
        raise DataError(message)
    suspected = suspects(run, Evidence.of(run).chance)[: _SHOWN * 3 // 4]
    hard = _worst(np.isfinite(mean), mean)
    rows = np.concatenate([suspected, hard[~np.isin(hard, suspected)]])[:_SHOWN]
    told = _named(run, rows)
    marks = ["warn" if row in suspected else "" for row in rows]
    images = _images(run, rows)
    table = [
        (mark, str(row), *words, shown(float(mean[row])))
        for mark, row, words in zip(marks, rows, told, strict=True)
    ]
    columns = ("", "row", "target", "answer", "sure", "mean loss")
    if images is None:
        columns += ("example",)
        table = [
            (*line, _in_words(taken(run.data.train.x, row), run.data.features))
            for line, row in zip(table, rows, strict=True)
        ]
    return Report(
        kind="examples",
        title=f"The hardest training examples of the run {run.name!r}, by their mean loss",
        columns=columns,
        rows=table,
        words=True,
        notes=_notes(len(suspected)),
        values={"suspects": len(suspected), "median_loss": float(np.nanmedian(mean))},
        data={
            "rows": rows,
            "mean_loss": mean[rows],
            "last_loss": losses.last[rows],
            "suspected": np.isin(rows, suspected),
            "targets": np.array([words[0] for words in told]),
            "answers": np.array([words[1] for words in told]),
            "sure": np.array([words[2] for words in told]),
            **({} if images is None else {"images": images}),
        },
    )


def _worst(chosen: Array, mean: Array) -> Array:
    """Return the chosen rows, the highest mean loss first."""
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(-mean[rows], kind="stable")][:_MOST_SUSPECTS]


def _answers(run: Run, rows: Array) -> tuple[Array, Array]:
    """Return the class that the model gives each example, and how sure it is."""
    said = run.predict(taken(run.data.train.x, rows))
    if said.shape[1] == 1:
        said = np.concatenate([1 - said, said], axis=1)
    return said.argmax(axis=1), said.max(axis=1)


def _named(run: Run, rows: Array) -> list[tuple[str, str, str]]:
    """Return the target, the model's answer and how sure it is, in words; `-` for what is not."""
    y: Any = run.data.train.y
    asked = run.status not in ("running", "paused")  # else the model is at work
    if not isinstance(y, np.ndarray) or run.task.kind == "own" or run.task.positions:
        return [("-", "-", "-")] * len(rows)
    if run.task.kind == "regression":
        targets = [", ".join(map(shown, each)) for each in y[rows].tolist()]
        if not asked:
            return [(target, "-", "-") for target in targets]
        said = run.predict(taken(run.data.train.x, rows)).tolist()
        answers = [", ".join(map(shown, each)) for each in said]
        return [(target, answer, "-") for target, answer in zip(targets, answers, strict=True)]
    if run.task.kind == "multilabel":
        return _of_several(run, rows, asked=asked)
    labels = [run.task.labels[target] for target in y[rows]]
    if not asked or not run.task.outputs:
        return [(label, "-", "-") for label in labels]
    classes, confidence = _answers(run, rows)
    return [
        (label, run.task.labels[answer], f"{sure:.0%}")
        for label, answer, sure in zip(labels, classes, confidence, strict=True)
    ]


def _of_several(run: Run, rows: Array, *, asked: bool) -> list[tuple[str, str, str]]:
    """Return the labels that each example has, and those that the model gives it, in words."""

    def words(given: Array) -> list[str]:
        named_rows = named_labels(given, run.task.labels, "multilabel")
        return [", ".join(each) or "none" for each in named_rows]

    targets, answers = words(run.data.train.y[rows]), ["-"] * len(rows)
    if asked and run.task.outputs:
        answers = words(run.predict(taken(run.data.train.x, rows)))
    return [(target, answer, "-") for target, answer in zip(targets, answers, strict=True)]


def _notes(suspected: int) -> tuple[str, ...]:
    if not suspected:
        return ("No target is suspected of being wrong.",)
    return (
        f"{counted(suspected, 'example')}, marked, may have a wrong target, because the model is "
        "sure of another one: mend it, or leave it out. Type: data.train.x[row]",
    )


def _images(run: Run, rows: Array) -> Array | None:
    x: Any = run.data.train.x
    return as_pictures(x[rows], run.data.features) if isinstance(x, np.ndarray) else None


def _in_words(example: Any, features: tuple[str, ...]) -> str:  # noqa: ANN401 - a raw example
    """Return the beginning of a row or a text."""
    if isinstance(example, dict | tuple):
        return "; ".join(f"{name} {_in_words(part, ())}" for name, part in named(example, "x"))
    if np.ndim(example) == 0:
        text = " ".join(str(example).split())
        return f"{text[:57]}..." if len(text) > 60 else text
    values = np.asarray(example).ravel()
    told = [
        f"{value:.30}" if isinstance(value, str) else f"{value:.4g}"
        for value in values[:3].tolist()
    ]
    if len(features) == len(values):
        told = [f"{name} {value}" for name, value in zip(features, told, strict=False)]
    return ", ".join(told) + (", ..." if len(values) > 3 else "")
