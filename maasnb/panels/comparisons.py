"""The picture of a comparison: the losses of several runs in one chart."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from maasnb.panels.drawing import (
    COLOURS,
    DASHES,
    MOST_LINES,
    STYLE,
    WIDE_RANGE,
    WIDTH_IN,
    finish,
    log_scale,
    new_panels,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_figure", "losses_figure"]


def comparison_figure(report: Any) -> "Figure | None":  # noqa: ANN401 - a report, by its attributes
    """Draw the best runs of a comparison, or None where none has taken a step."""
    names = [str(name) for name in report.data["names"]][:MOST_LINES]
    curves = {name: report.data[f"curve {place}"] for place, name in enumerate(names)}
    curves = {name: curve for name, curve in curves.items() if curve.shape[1]}
    return losses_figure(curves) if curves else None


def losses_figure(curves: Mapping[str, np.ndarray]) -> "Figure":
    """Draw the losses of several runs in one chart.

    Args:
        curves: steps and losses [2, points] by the run's name.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    with rc_context(STYLE):
        figure, (axes,) = new_panels(1, width=1.9 * WIDTH_IN)
        for place, (name, (steps, losses)) in enumerate(curves.items()):
            colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
            axes.plot(steps, losses, color=colour, linestyle=dash, linewidth=1.5, label=name)
        shown = np.concatenate([losses for _, losses in curves.values()])
        shown = shown[np.isfinite(shown)]
        if len(shown) and shown.min() > 0 and shown.max() / shown.min() > WIDE_RANGE:
            log_scale(axes)
        axes.set_title("training loss, the best run first", loc="left")
        axes.set_xlabel("step")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=3)
        finish(figure)
    return figure
