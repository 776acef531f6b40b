"""Pictures that stay in a saved notebook: of a run, and of reports."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from maasnb.panels.comparisons import comparison_figure
from maasnb.panels.diagnoses import diagnosis_figure, examples_figure
from maasnb.panels.drawing import (
    BLUE,
    DASHES,
    GREEN,
    HEALTHY_RATIOS,
    MOST_LINES,
    STYLE,
    VERMILLION,
    WIDTH_IN,
    draw_by_parameter,
    draw_losses,
    finish,
    new_panels,
    png,
    smoothed,
)
from maasnb.panels.evaluations import evaluation_figure
from maasnb.panels.monitoring import monitoring_figure
from maasnb.panels.profiles import profile_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["gradients_figure", "png", "report_png", "run_figure", "run_png"]


def run_png(run: Any) -> bytes | None:  # noqa: ANN401 - a run, by its attributes
    """Return a run's picture as PNG, or None while there is nothing to draw."""
    figure = run_figure(run)
    return None if figure is None else png(figure)


def report_png(report: Any) -> bytes | None:  # noqa: ANN401 - a report, by its attributes
    """Return a report's picture as PNG, or None for a kind that has none."""
    draw = _REPORTS.get(report.kind)
    figure = None if draw is None else draw(report)
    return None if figure is None else png(figure)


def run_figure(run: Any) -> "Figure | None":  # noqa: ANN401 - a run, by its attributes
    """Draw a run: its loss, the first metric on the validation split, and its gradient norms.

    Args:
        run: a `Run`; at any time of its life.

    Returns:
        A figure, or None while no step is finished.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    losses = np.asarray(run.history.losses, dtype=np.float64)
    if not len(losses):
        return None
    whole_epochs = 0 < run.steps_per_epoch <= len(losses)
    per_epoch, unit = (run.steps_per_epoch, "epoch") if whole_epochs else (1, "step")
    metric = _metric_points(run)
    panels = 2 if run.history.measured else 1
    panels += bool(metric)
    with rc_context(STYLE):
        figure, axes = new_panels(panels)
        figure.suptitle(_title(run), x=0.008, ha="left", fontsize=10)
        _draw_loss(axes[0], losses, run.history.validated, per_epoch)
        if metric:
            _draw_metric(axes[1], metric)
        if run.history.measured:
            times = [each.step / per_epoch for each in run.history.measured]
            norms = _series([each.gradient_norm for each in run.history.measured])
            draw_by_parameter(figure, axes[-1], times, norms, "gradient norm by parameter")
        for each in axes:
            each.set_xlabel(unit)
            each.set_xlim(0, max(len(losses) / per_epoch, 1 / per_epoch))
        finish(figure)
    return figure


def gradients_figure(
    steps: Sequence[float], norms: Mapping[str, np.ndarray], ratios: Mapping[str, np.ndarray]
) -> "Figure":
    """Draw gradient norms and update/weight ratios over time, with the ratios' healthy band.

    Args:
        steps: the measured steps [n].
        norms: the Euclidean norm of the gradient by parameter, [n] each.
        ratios: the norm of the update over that of the parameter, [n] each.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    with rc_context(STYLE):
        figure, axes = new_panels(2, width=1.25 * WIDTH_IN * 2)
        draw_by_parameter(figure, axes[0], steps, norms, "gradient norm")
        draw_by_parameter(figure, axes[1], steps, ratios, "update / weight")
        if len(ratios) <= MOST_LINES:
            axes[1].axhspan(*HEALTHY_RATIOS, color=GREEN, alpha=0.12, linewidth=0)
            axes[0].get_legend().remove()
        for each in axes:
            each.set_xlabel("step")
            each.set_xlim(0, max(*steps, 1))
        finish(figure)
    return figure


def rates_figure(rates: np.ndarray, losses: np.ndarray, mean: np.ndarray, lr: float) -> "Figure":
    """Draw the loss by learning rate, and the learning rate to begin with.

    Args:
        rates: the learning rate of each step [n].
        losses: the loss of each step [n].
        mean: its running mean [n].
        lr: the learning rate to begin with.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    with rc_context(STYLE):
        figure, (axes,) = new_panels(1, width=1.25 * WIDTH_IN)
        axes.plot(rates, losses, color=BLUE, alpha=0.28, linewidth=0.8)
        axes.plot(rates, mean, color=BLUE, linewidth=1.8)
        axes.axvline(lr, color=VERMILLION, linestyle=DASHES[1], linewidth=1.5, label=f"lr={lr:g}")
        axes.set_xscale("log")
        axes.set_ylim(0.9 * losses.min(), 2 * mean[0] - mean.min() + 1e-9)
        axes.set_title("loss by learning rate", loc="left")
        axes.set_xlabel("learning rate")
        axes.legend(frameon=False)
        finish(figure)
    return figure


def _title(run: Any) -> str:  # noqa: ANN401 - a run, by its attributes
    epochs = run.steps / run.steps_per_epoch if run.steps_per_epoch else 0
    shown = f"{epochs:g} epochs, " if epochs == round(epochs) and epochs else ""
    return f"{run.name}: {run.status}, {shown}{run.steps:,} steps"


def _metric_points(run: Any) -> tuple[str, list[float], list[float]] | None:  # noqa: ANN401 - a run, by its attributes
    for name in run.task.metrics:
        seen = [each for each in run.history.validated if name in each.metrics]
        if seen:
            per_epoch = run.steps_per_epoch or 1
            return (
                name,
                [each.step / per_epoch for each in seen],
                [each.metrics[name] for each in seen],
            )
    return None


def _draw_loss(axes: "Axes", losses: np.ndarray, validated: Sequence[Any], per_epoch: int) -> None:
    steps = np.array([each.step for each in validated], np.float64)
    values = np.array([each.metrics.get("loss", math.nan) for each in validated], np.float64)
    draw_losses(axes, losses, (steps, values), per_epoch)
    smooth = smoothed(losses)
    axes.legend(frameon=False, loc="upper right" if smooth[-1] <= smooth[0] else "upper left")


def _draw_metric(axes: "Axes", metric: tuple[str, list[float], list[float]]) -> None:
    name, epochs, values = metric
    axes.plot(epochs, values, color=GREEN, marker="o", markersize=3, linewidth=1.8)
    axes.set_title(f"validation {name}: {values[-1]:.3g} at the end", loc="left")
    axes.margins(y=0.12)


def _series(measured: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    names = list(measured[-1])
    return {name: np.array([each.get(name, math.nan) for each in measured]) for name in names}


def _gradients_of(report: Any) -> "Figure | None":  # noqa: ANN401 - a report, by its attributes
    names = [str(name) for name in report.data.get("names", ())]
    if not names:
        return None
    norms, ratios = report.data["gradient_norm"], report.data["update_ratio"]
    return gradients_figure(
        [float(step) for step in report.data["steps"]],
        {name: norms[:, place] for place, name in enumerate(names)},
        {name: ratios[:, place] for place, name in enumerate(names)},
    )


def _rates_of(report: Any) -> "Figure":  # noqa: ANN401 - a report, by its attributes
    data = report.data
    return rates_figure(data["lr"], data["loss"], data["smoothed"], report.values["lr"])


_REPORTS = {
    "comparison": comparison_figure,
    "data": profile_figure,
    "diagnosis": diagnosis_figure,
    "evaluation": evaluation_figure,
    "examples": examples_figure,
    "find_lr": _rates_of,
    "gradients": _gradients_of,
    "monitoring": monitoring_figure,
}
