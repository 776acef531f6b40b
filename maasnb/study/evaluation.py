"""The verb `evaluate`: how good a trained model is on data that it has not learnt from, by scikit-learn's metrics."""

from typing import Any

import numpy as np

from maasnb.datasets.loading import Data, Split
from maasnb.errors import DataError, missing_package
from maasnb.metrics import classes_of
from maasnb.records.run import Run
from maasnb.study.reports import Report

__all__ = ["evaluate"]

Array = np.ndarray[Any, np.dtype[Any]]


def evaluate(run: Run, data: Data | Split | None = None) -> Report:
    """Judge a run's model on data that it has not learnt from.

    Args:
        run: what `mb.train` returned.
        data: a split (`data.validation`), or other data of the same shape; by default the run's test split.

    Returns:
        The report: accuracy, precision, recall, F1 and the confusion matrix of a classification; mean
        absolute and squared error and R2 of a regression.

    Raises:
        DataError: there are no examples, or they do not have the shape or the classes of the run's data.
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
    outputs = run.predict(split.x)
    if run.task.kind == "regression":
        return _regression(run, outputs, split.y)
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
    if isinstance(data, Data) and (data.kind, data.labels) != (trained.kind, trained.labels):
        message = (
            f"The data has the classes {', '.join(data.labels) or 'none'}; the run was trained on "
            f"{', '.join(trained.labels) or 'values'}. Give labels= when you make the data."
        )
        raise DataError(message)


def _regression(run: Run, outputs: Array, y: Array) -> Report:
    try:
        from sklearn import metrics  # noqa: PLC0415 - only this verb needs it
    except ImportError as error:
        raise missing_package("Evaluating", "sklearn", "notebook") from error
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
    try:
        from sklearn import metrics  # noqa: PLC0415 - only this verb needs it
    except ImportError as error:
        raise missing_package("Evaluating", "sklearn", "notebook") from error
    labels, found = run.task.labels, classes_of(outputs)
    numbers = np.arange(len(labels))
    scores = metrics.precision_recall_fscore_support(y, found, labels=numbers, zero_division=0.0)
    precision, recall, f1, support = (np.asarray(score) for score in scores)
    accuracy = float(np.mean(found == y))
    rows = [
        (label, f"{precision[n]:.2f}", f"{recall[n]:.2f}", f"{f1[n]:.2f}", str(int(support[n])))
        for n, label in enumerate(labels)
    ]
    means = [float(score.mean()) for score in (precision, recall, f1)]
    rows.append(("mean", *(f"{mean:.2f}" for mean in means), str(len(y))))
    return Report(
        kind="evaluation",
        title=f"The run {run.name!r} on {len(y)} examples: accuracy {accuracy:.2f}",
        columns=("class", "precision", "recall", "F1", "examples"),
        rows=rows,
        values={"accuracy": accuracy, "precision": means[0], "recall": means[1], "f1": means[2]},
        data={
            "confusion": np.asarray(metrics.confusion_matrix(y, found, labels=numbers)),
            "labels": np.array(labels),
        },
    )
