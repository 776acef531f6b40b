"""The verb `evaluate`: how good a trained model is on data that it has not learnt from.

The numbers are scikit-learn's.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from maasnb.datasets.loading import Data, Split
from maasnb.errors import DataError, missing_package
from maasnb.metrics import classes_of
from maasnb.records.run import Run
from maasnb.study.label_scores import multilabel_report
from maasnb.study.reports import Report

__all__ = ["evaluate"]

Array = np.ndarray[Any, np.dtype[Any]]

_RATES = np.linspace(0, 1, 201)
"""The false positive rates that ROC curves are held at."""


def evaluate(run: Run, data: Data | Split | None = None) -> Report:
    """Judge a run's model on data that it has not learnt from.

    Args:
        run: what `mb.train` returned.
        data: a split (`data.validation`), or other data of the same shape, whose test split is
            taken; by default the run's own test split.

    Returns:
        The report: accuracy, precision, recall and F1 (means over the classes, plain and weighted
        by examples), log loss, area under the ROC curve and the confusion matrix of a
        classification; the same of each label and over all labels where an example may have
        several; also perplexity and bits of one with a class at each position; mean
        absolute and squared error and R2 of a regression.

    Raises:
        DataError: there are no examples, or they do not have the shape, the kind or the classes of
            the run's data.
    """
    if not isinstance(run, Run):
        message = f"Expected a run, got a {type(run).__name__}. Type: mb.evaluate(run)"
        raise DataError(message)
    _check_same_kind(run.data, data)
    split = _split_of(run, data)
    if not len(split):
        message = (
            "There are no examples to judge by: the test split is empty. "
            "Type: mb.data(..., split=(0.8, 0.1, 0.1)), or mb.evaluate(run, data.validation)"
        )
        raise DataError(message)
    _check_targets(run.data, split)
    outputs = run.predict(split.x)
    if run.task.kind == "regression":
        return _regression(run, outputs, split.y)
    if run.task.kind == "multilabel":
        return multilabel_report(_scikit_learn(), run, outputs, split.y)
    return _classification(run, outputs, split.y)


def _split_of(run: Run, data: Data | Split | None) -> Split:
    if data is None:
        return run.data.test
    return data.test if isinstance(data, Data) else data


def _check_same_kind(trained: Data, data: Data | Split | None) -> None:
    if data is not None and not isinstance(data, Data | Split):
        message = (
            f"The data is a {type(data).__name__}; expected a split such as data.test. "
            "Type: mb.evaluate(run, data.test)"
        )
        raise DataError(message)
    if isinstance(data, Data) and data.kind != trained.kind:
        message = (
            f"The data is for {data.kind}, but the run was trained for {trained.kind}. "
            f'Type: mb.data(x, y, kind="{trained.kind}")'
        )
        raise DataError(message)
    if isinstance(data, Data) and data.labels != trained.labels:
        message = (
            f"The data has the classes {', '.join(data.labels)}; the run was trained on "
            f"{', '.join(trained.labels)}. Type: mb.data(x, y, labels={list(trained.labels)})"
        )
        raise DataError(message)


def _check_targets(trained: Data, split: Split) -> None:
    """Check the targets of a split by itself, which does not say what they are."""
    expected, got = trained.train.y.shape[1:], split.y.shape[1:]
    if got != expected or (not expected and split.y.max() >= len(trained.labels)):
        message = (
            f"The targets do not fit: the run was trained for {trained.kind} with "
            f"{len(trained.labels) or trained.target_width} "
            f"{'classes' if trained.labels else 'values an example'}. "
            "Type: mb.evaluate(run, data.test), with the run's own data"
        )
        raise DataError(message)


def _scikit_learn() -> ModuleType:
    try:
        from sklearn import metrics  # noqa: PLC0415 - only this verb needs it
    except ImportError as error:
        raise missing_package("Evaluating", "sklearn", "notebook") from error
    return metrics


def _regression(run: Run, outputs: Array, y: Array) -> Report:
    metrics = _scikit_learn()
    mse = float(metrics.mean_squared_error(y, outputs))
    values = {
        "mae": float(metrics.mean_absolute_error(y, outputs)),
        "mse": mse,
        "rmse": mse**0.5,
        "r2": float(metrics.r2_score(y, outputs)) if len(y) > 1 else float("nan"),
    }
    return Report(
        kind="evaluation",
        title=f"The run {run.name!r} on {len(y)} examples",
        columns=("metric", "value"),
        rows=[(name, f"{value:.3g}") for name, value in values.items()],
        values=values,
        data={"targets": y, "outputs": outputs},
    )


def _classification(run: Run, outputs: Array, y: Array) -> Report:
    metrics = _scikit_learn()
    labels = run.task.labels
    # Each position of a sequence is an example.
    found, probabilities = classes_of(outputs).reshape(-1), _of_all_classes(outputs)
    y = y.reshape(-1)
    numbers = np.arange(len(labels))
    scores = metrics.precision_recall_fscore_support(y, found, labels=numbers, zero_division=0)
    precision, recall, f1, support = (np.asarray(score) for score in scores)
    values = {"accuracy": float(np.mean(found == y))}
    for ending, weights in (("", None), ("_weighted", support)):
        for name, score in (("precision", precision), ("recall", recall), ("f1", f1)):
            values[name + ending] = float(np.average(score, weights=weights))
    values["log_loss"] = float(metrics.log_loss(y, probabilities, labels=numbers))
    if run.task.positions:
        values["perplexity"] = float(np.exp(values["log_loss"]))
        values["bits"] = values["log_loss"] / float(np.log(2))
    curves = {} if run.task.positions else _curves(metrics, y, probabilities)
    if curves:
        values["roc_auc"] = _area(metrics, y, probabilities)
    rows = [
        (label, f"{precision[n]:.2f}", f"{recall[n]:.2f}", f"{f1[n]:.2f}", str(int(support[n])))
        for n, label in enumerate(labels)
    ]
    mean_p, mean_r, mean_f1 = (f"{values[name]:.2f}" for name in ("precision", "recall", "f1"))
    rows.append(("mean", mean_p, mean_r, mean_f1, str(len(y))))
    return Report(
        kind="evaluation",
        title=f"The run {run.name!r} on {len(y)} examples: accuracy {values['accuracy']:.2f}",
        columns=("class", "precision", "recall", "F1", "examples"),
        rows=rows,
        notes=[_note(values)],
        values=values,
        data={
            "confusion": np.asarray(metrics.confusion_matrix(y, found, labels=numbers)),
            "labels": np.array(labels),
            **curves,
        },
    )


def _of_all_classes(outputs: Array) -> Array:
    """Return a probability for each class [n, classes], in float64, that add up to 1."""
    flat = outputs.reshape(-1, outputs.shape[-1]).astype(np.float64)
    if flat.shape[1] == 1:
        flat = np.concatenate([1 - flat, flat], axis=1)
    return flat / flat.sum(axis=1, keepdims=True)


def _curves(metrics: ModuleType, y: Array, probabilities: Array) -> dict[str, Array]:
    """Return each class's ROC curve at common false positive rates.

    Two classes have one curve, of the second. Nothing where a class has no example, or all.
    """
    classes = probabilities.shape[1]
    if len(np.unique(y)) < classes:
        return {}
    curves = []
    for number in range(classes) if classes > 2 else (1,):
        false, true, _ = metrics.roc_curve(y == number, probabilities[:, number])
        curves.append(np.interp(_RATES, false, true))
    return {"roc_rates": _RATES, "roc": np.array(curves)}


def _area(metrics: ModuleType, y: Array, probabilities: Array) -> float:
    """Return the area under the ROC curve: of the second of two, or the mean of each one's."""
    given = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return float(metrics.roc_auc_score(y, given, multi_class="ovr"))


def _note(values: Mapping[str, float]) -> str:
    names = {
        "roc_auc": "area under the ROC curve",
        "log_loss": "log loss",
        "perplexity": "perplexity",
        "bits": "bits a position",
        "f1_weighted": "F1 weighted by examples",
    }
    shown = [f"{said} {values[name]:.2f}" for name, said in names.items() if name in values]
    return f"{', '.join(shown)}."
