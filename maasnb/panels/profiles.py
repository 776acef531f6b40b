"""The picture of data: its classes or targets, and its columns or its images."""

from typing import TYPE_CHECKING, Any

import numpy as np

from maasnb.panels.diagnoses import as_picture
from maasnb.panels.drawing import BLUE, COLOURS, DASHES, STYLE, finish, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["profile_figure"]

MOST_COLUMNS = 12
"""So many columns are drawn."""
MOST_CLASSES = 4
"""With more classes a column is drawn for all of them together."""
MOST_BARS = 20
ACROSS = 4
IMAGES_ACROSS = 8
BINS = 24


def profile_figure(report: Any) -> "Figure | None":  # noqa: ANN401 - a report, by its attributes
    """Draw data: the classes or the targets on the left, columns or images beside them.

    Args:
        report: a report of the kind `"data"`.

    Returns:
        A figure, or None where there is nothing to draw.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    data = report.data
    names = [str(name) for name in data.get("names", ())][:MOST_COLUMNS]
    images = data.get("images", ())
    has_targets = "counts" in data or "targets" in data
    across = IMAGES_ACROSS if len(images) else ACROSS
    cells = len(images) or len(names)
    lines = -(-cells // across)
    if not cells and not has_targets:
        return None
    with rc_context(STYLE):
        left, side = 3.2 * has_targets, (0.85, 0.95) if len(images) else (1.75, 1.45)
        width = left + min(cells, across) * side[0]
        figure, _ = new_panels(0, width=max(width, 3.2), height=max(lines * side[1] + 0.4, 2.6))
        grids = figure.add_gridspec(1, 2, width_ratios=(max(left, 0.01), max(width - left, 0.01)))
        if has_targets:
            _draw_targets(figure.add_subplot(grids[0, 0]), data)
        grid = grids[0, 1].subgridspec(max(lines, 1), across) if cells else None
        for place in range(cells):
            assert grid is not None
            axes = figure.add_subplot(grid[place // across, place % across])
            if len(images):
                _draw_image(axes, images[place], str(data["titles"][place]))
            else:
                _draw_column(axes, names[place], data[f"column {place}"], data)
        finish(figure)
    return figure


def _draw_targets(axes: "Axes", data: Any) -> None:  # noqa: ANN401 - arrays by name
    axes.spines[["top", "right"]].set_visible(False)
    if "targets" in data:
        for place, values in enumerate(np.asarray(data["targets"]).T[: len(COLOURS)]):
            axes.hist(values, bins=BINS, color=COLOURS[place], alpha=0.75)
        axes.set_title("targets", loc="left")
        axes.set_ylabel("examples")
        return
    counts, labels = np.asarray(data["counts"]), [str(label) for label in data["labels"]]
    order = np.argsort(-counts.sum(axis=0), kind="stable")[:MOST_BARS]
    places, start = np.arange(len(order)), np.zeros(len(order))
    for number, name in enumerate(data["splits"]):
        shown = counts[number, order]
        axes.barh(places, shown, left=start, color=COLOURS[number], label=str(name), height=0.72)
        start = start + shown
    axes.set_yticks(places, [labels[place] for place in order])
    axes.invert_yaxis()
    axes.set_xlabel("examples")
    axes.set_title("classes", loc="left")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.18), ncols=3)


def _draw_column(axes: "Axes", name: str, values: np.ndarray, data: Any) -> None:  # noqa: ANN401 - arrays by name
    """Draw how a column's values are spread, for each of a few classes."""
    axes.spines[["top", "right"]].set_visible(False)
    there = np.isfinite(values)
    classes = np.asarray(data.get("classes", ()))
    labels = data.get("labels", ())
    if there.any():
        low, high = float(values[there].min()), float(values[there].max())
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1).tolist()
        if len(classes) == len(values) and len(labels) <= MOST_CLASSES:
            for number, label in enumerate(labels):
                chosen = values[there & (classes == number)]
                style = {"color": COLOURS[number], "linestyle": DASHES[number % len(DASHES)]}
                axes.hist(chosen, edges, histtype="step", linewidth=1.3, label=str(label), **style)
        else:
            axes.hist(values[there], edges, color=BLUE, alpha=0.8)
    axes.set_title(name if len(name) <= 24 else f"{name[:22]}...", loc="left", fontsize=8)
    axes.set_yticks([])
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", nbins=3)
    first = name == str(data["names"][0])
    if first and axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=6.5, handlelength=1.6)


def _draw_image(axes: "Axes", image: np.ndarray, title: str) -> None:
    ink_is_high = image.dtype != np.uint8  # of bytes 255 is white, as in image files
    axes.imshow(as_picture(image), cmap="gray_r" if ink_is_high else "gray")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title if len(title) <= 12 else f"{title[:10]}...", fontsize=7.5)
