"""Pictures of a diagnosis, with what speaks for its findings, and of the hardest examples."""

from typing import TYPE_CHECKING, Any

import numpy as np

from maasnb.panels.drawing import (
    DASHES,
    GREEN,
    HEALTHY_RATIOS,
    INK,
    MOST_LINES,
    STYLE,
    VERMILLION,
    draw_by_parameter,
    draw_losses,
    finish,
    new_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["as_picture", "diagnosis_figure", "examples_figure"]

MOST_BARS = 12
"""Of a model with more activation functions, the ones that are worst off are drawn."""
COLUMNS = 8
OF_GRADIENTS = {"no_gradient", "vanishing_gradient", "exploding_gradient", "diverged"}


def diagnosis_figure(report: Any) -> "Figure | None":  # noqa: ANN401 - a report, by its attributes
    """Draw the evidence of a diagnosis: losses, updates or gradients, and activations.

    Args:
        report: a report of the kind `"diagnosis"`.

    Returns:
        A figure, or None where there is nothing to draw.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    data = report.data
    if not len(data["loss"]):
        return None
    measured, functions = len(data["steps"]) and len(data["names"]), len(data["activations"])
    with rc_context(STYLE):
        figure, axes = new_panels(1 + bool(measured) + bool(functions), height=2.8)
        _draw_losses(axes[0], data)
        if measured:
            ill = OF_GRADIENTS & {each.kind for each in report.findings}
            _draw_measured(figure, axes[1], data, gradients=bool(ill))
        if functions:
            _draw_shares(axes[-1], data)
        if report.findings:
            titles = ", ".join(each.title for each in report.findings)
            figure.suptitle(titles, x=0.008, ha="left", fontsize=10, color=VERMILLION)
        finish(figure)
    return figure


def examples_figure(report: Any) -> "Figure | None":  # noqa: ANN401 - a report, by its attributes
    """Draw the hardest examples as pictures, or None where they are none.

    Args:
        report: a report of the kind `"examples"`.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    data = report.data
    images = data.get("images")
    if images is None or not len(images):
        return None
    lines = -(-len(images) // COLUMNS)
    across = min(len(images), COLUMNS)
    with rc_context(STYLE):
        figure, _ = new_panels(0, width=1.25 * across, height=1.6 * lines + 0.1)
        for place, image in enumerate(images):
            axes = figure.add_subplot(lines, across, place + 1)
            axes.imshow(as_picture(image), cmap="gray_r", interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            suspected = bool(data["suspected"][place])
            colour = VERMILLION if suspected else INK
            for edge in axes.spines.values():
                edge.set_color(colour)
                edge.set_linewidth(2.0 if suspected else 0.6)
            axes.set_title(_caption(data, place), fontsize=7.5, color=colour)
        finish(figure)
    return figure


def _draw_losses(axes: "Axes", data: Any) -> None:  # noqa: ANN401 - arrays by name
    losses = np.asarray(data["loss"], dtype=np.float64)
    draw_losses(axes, losses, (data["validated_steps"], data["validated_loss"]))
    if len(data["chance"]):
        level = float(data["chance"][0])
        axes.axhline(
            level, color=INK, linestyle=DASHES[2], linewidth=1.2, label="always the same answer"
        )
    axes.set_xlabel("step")
    axes.legend(framealpha=0.85, edgecolor="none", loc="best")


def _draw_measured(figure: "Figure", axes: "Axes", data: Any, *, gradients: bool) -> None:  # noqa: ANN401 - arrays by name
    """Draw what the findings are about: gradients, or updates with their healthy band."""
    chosen = data["gradient_norm" if gradients else "update_ratio"]
    by_name = {str(name): chosen[:, place] for place, name in enumerate(data["names"])}
    title = "gradient norm" if gradients else "update / weight, healthy band"
    draw_by_parameter(figure, axes, data["steps"].tolist(), by_name, title)
    if not gradients and len(by_name) <= MOST_LINES:
        axes.axhspan(*HEALTHY_RATIOS, color=GREEN, alpha=0.12, linewidth=0)
    axes.set_xlabel("step")


def _draw_shares(axes: "Axes", data: Any) -> None:  # noqa: ANN401 - arrays by name
    """Draw a bar for each activation function: how much of it is dead or saturated."""
    shares = np.asarray(data["shares"])
    worst = np.sort(np.argsort(-shares[:, 1:].max(axis=1), kind="stable")[:MOST_BARS])
    names, places = [str(data["activations"][place]) for place in worst], np.arange(len(worst))
    kinds = (("zeros", 0, "#BBBBBB"), ("dead units", 1, VERMILLION), ("saturated", 2, "#CC79A7"))
    for row, (label, column, colour) in enumerate(kinds):
        values = 100 * shares[worst, column]
        axes.barh(places + 0.26 * (row - 1), values, height=0.24, color=colour, label=label)
    axes.set_yticks(places, names, fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("%")
    axes.set_title("activations", loc="left")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def as_picture(image: np.ndarray) -> np.ndarray:
    """Return an image as matplotlib takes it: [height, width], or with three channels from 0 to 1.

    A channel axis of length 1 is left out.
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim == 2:
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _caption(data: Any, place: int) -> str:  # noqa: ANN401 - arrays by name
    row, target = data["rows"][place], data["targets"][place]
    answer, sure = data["answers"][place], data["sure"][place]
    said = "" if answer == "-" else f"\nsays {answer}" + ("" if sure == "-" else f", {sure}")
    return f"row {row}: {target}{said}"
