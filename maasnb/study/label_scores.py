"""The evaluation of a model that gives each example any number of labels."""

from types import ModuleType
from typing import Any

import numpy as np

from maasnb.records.run import Run
from maasnb.study.reports import Report

__all__ = ["multilabel_report"]

Array = np.ndarray[Any, np.dtype[Any]]

_RATES = np.linspace(0, 1, 201)


def multilabel_report(metrics: ModuleType, run: Run, outputs: Array, y: Array) -> Report:
    """Return precision, recall and F1 of each label, and over all of them.

    Args:
        metrics: `sklearn.metrics`.
        run: the run.
        outputs: probabilities [n, labels].
        y: which labels each example has, [n, labels] of 0 and 1.
    """
    labels, found = run.task.labels, (outputs > 0.5).astype(np.int64)
    scores = metrics.precision_recall_fscore_support(y, found, average=None, zero_division=0)
    precision, recall, f1, support = (np.asarray(score) for score in scores)
    values = {"exact_match": float((found == y).all(axis=1).mean())}
    for average, ending in (("macro", ""), ("micro", "_micro"), ("weighted", "_weighted")):
        of_all = metrics.precision_recall_fscore_support(y, found, average=average, zero_division=0)
        for name, score in zip(("precision", "recall", "f1"), of_all[:3], strict=True):
            values[name + ending] = float(score)
    values["hamming_loss"] = float(metrics.hamming_loss(y, found))
    curves = _curves(metrics, y, outputs)
    if curves:
        values["roc_auc"] = float(metrics.roc_auc_score(y, outputs, average="macro"))
    rows: list[tuple[str, ...]] = [
        (label, f"{precision[n]:.2f}", f"{recall[n]:.2f}", f"{f1[n]:.2f}", str(int(support[n])))
        for n, label in enumerate(labels)
    ]
    for words, ending in (("mean", ""), ("all together", "_micro")):
        told = (f"{values[name + ending]:.2f}" for name in ("precision", "recall", "f1"))
        rows.append((words, *told, str(int(support.sum()))))
    area = f"; area under the ROC curve {values['roc_auc']:.2f}" if curves else ""
    return Report(
        kind="evaluation",
        title=f"The run {run.name!r} on {len(y)} examples: F1 {values['f1']:.2f}",
        columns=("label", "precision", "recall", "F1", "examples"),
        rows=rows,
        notes=[
            f"All labels are right for {values['exact_match']:.0%} of the examples{area}. A label "
            "is given from a probability of 0.5 on."
        ],
        values=values,
        data={
            "label_scores": np.stack([precision, recall, f1], axis=1),
            "labels": np.array(labels),
            **curves,
        },
    )


def _curves(metrics: ModuleType, y: Array, outputs: Array) -> dict[str, Array]:
    """Return each label's ROC curve; nothing where a label stands at no example, or at all."""
    if not ((y.sum(axis=0) > 0) & (y.sum(axis=0) < len(y))).all():
        return {}
    curves = []
    for number in range(y.shape[1]):
        false, true, _ = metrics.roc_curve(y[:, number], outputs[:, number])
        curves.append(np.interp(_RATES, false, true))
    return {"roc_rates": _RATES, "roc": np.array(curves)}
