"""Pictures of how good a model is: confusion matrix, ROC curves, predictions against targets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from maasnb.panels.drawing import (
    BLUE,
    COLOURS,
    DASHES,
    HEIGHT_IN,
    INK,
    MOST_POINTS,
    STYLE,
    VERMILLION,
    WIDTH_IN,
    finish,
    new_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["evaluation_figure"]

MOST_CURVES = 12
"""More curves than these get no colours and names of their own."""
MOST_CLASSES = 40
"""A confusion matrix with more classes is drawn without numbers and names."""


def evaluation_figure(report: Any) -> "Figure | None":  # noqa: ANN401 - a report, by its attributes
    """Draw an evaluation: of classes, of labels or of values, by what the report holds."""
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    data = report.data
    with rc_context(STYLE):
        if "confusion" in data:
            figure = _classification(data)
        elif "label_scores" in data:
            figure = _several_labels(data)
        elif "targets" in data:
            figure = _regression(data)
        else:
            return None
        finish(figure)
    return figure


def _classification(data: Any) -> "Figure":  # noqa: ANN401 - arrays by name
    counts, labels = np.asarray(data["confusion"]), [str(label) for label in data["labels"]]
    curves = "roc_rates" in data
    size = 1.6 + 0.3 * min(len(labels), MOST_CLASSES)
    height = max(size, HEIGHT_IN) if curves else size
    width = height + 0.5 + (height if curves else 0)
    figure, axes = new_panels(2 if curves else 1, width=width, height=height)
    _draw_confusion(axes[0], counts, labels)
    if curves:
        _draw_roc(axes[1], data["roc_rates"], data["roc"], labels)
    return figure


def _several_labels(data: Any) -> "Figure":  # noqa: ANN401 - arrays by name
    """Draw precision, recall and F1 of each label, and its ROC curve."""
    scores, labels = np.asarray(data["label_scores"]), [str(label) for label in data["labels"]]
    order = np.argsort(-scores[:, 2], kind="stable")[:MOST_CLASSES]
    curves = "roc_rates" in data
    height = max(0.9 + 0.34 * len(order), HEIGHT_IN)
    figure, axes = new_panels(1 + curves, width=WIDTH_IN * (1 + curves), height=height)
    places = np.arange(len(order))
    for column, name in enumerate(("precision", "recall", "F1")):
        shift = 0.27 * (column - 1)
        axes[0].barh(
            places + shift, scores[order, column], height=0.25, color=COLOURS[column], label=name
        )
    axes[0].set_yticks(places, [labels[place] for place in order])
    axes[0].invert_yaxis()
    axes[0].set_xlim(0, 1)
    axes[0].set_title("each label", loc="left")
    axes[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=3)
    if curves:
        _draw_roc(axes[1], data["roc_rates"], data["roc"], labels)
    return figure


def _draw_confusion(axes: "Axes", counts: np.ndarray, labels: Sequence[str]) -> None:
    """Draw a row for each true class and a column for each predicted one."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.set_title("true and predicted classes", loc="left")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(labels) > MOST_CLASSES:
        return
    for row, column in np.argwhere(counts > 0):
        ink = "white" if share[row, column] > 0.55 else INK
        axes.text(column, row, f"{counts[row, column]:g}", ha="center", va="center", color=ink)
    turned = 45 if max(map(len, labels), default=0) > 3 else 0
    axes.set_xticks(range(len(labels)), labels, rotation=turned, ha="right" if turned else "center")
    axes.set_yticks(range(len(labels)), labels)


def _draw_roc(axes: "Axes", rates: np.ndarray, curves: np.ndarray, labels: Sequence[str]) -> None:
    """Draw the part of a class that is found, by the part of the others that is taken for it."""
    shown = [labels[1]] if len(curves) == 1 else labels
    few = len(curves) <= MOST_CURVES
    for place, (name, found) in enumerate(zip(shown, curves, strict=True)):
        colour = COLOURS[place % len(COLOURS)] if few else BLUE
        dash = DASHES[place % len(DASHES)] if few else "-"
        axes.plot(rates, found, color=colour, linestyle=dash, linewidth=1.5, label=name)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=DASHES[2])
    axes.set_title("ROC: each class against the rest" if len(curves) > 1 else "ROC", loc="left")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    if few:
        axes.legend(frameon=False, loc="lower right")


def _regression(data: Any) -> "Figure":  # noqa: ANN401 - arrays by name
    """Draw predictions against targets, and how the errors are spread."""
    figure, (scatter, spread) = new_panels(2, width=2 * WIDTH_IN)
    targets, outputs = (np.asarray(data[name], dtype=float) for name in ("targets", "outputs"))
    several = targets.shape[1] > 1
    stride = max(1, len(targets) // MOST_POINTS)
    bins = min(max(len(targets) // 3, 8), 30)
    for place in range(min(targets.shape[1], len(COLOURS))):
        name = f"target {place + 1}" if several else None
        dots = {"s": 12, "alpha": 0.6, "linewidths": 0, "color": COLOURS[place], "label": name}
        scatter.scatter(targets[::stride, place], outputs[::stride, place], **dots)
        errors = outputs[:, place] - targets[:, place]
        spread.hist(
            errors, bins=bins, color=COLOURS[place], alpha=0.55 if several else 0.85, label=name
        )
    ends = [min(targets.min(), outputs.min()), max(targets.max(), outputs.max())]
    scatter.plot(ends, ends, color=INK, linewidth=0.8, linestyle=DASHES[2])
    scatter.set_title("predictions against targets", loc="left")
    scatter.set_xlabel("target")
    scatter.set_ylabel("prediction")
    spread.axvline(0, color=VERMILLION, linewidth=1.2, linestyle=DASHES[1])
    spread.set_title("errors", loc="left")
    spread.set_xlabel("prediction - target")
    spread.set_ylabel("examples")
    if several:
        scatter.legend(frameon=False)
    return figure
