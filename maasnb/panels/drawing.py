"""The look that all pictures share, and the parts that several of them are made of.

Figures are made without pyplot, so a training thread may draw them. Colours are those of Okabe and
Ito (2008), and every line has a dash pattern of its own too.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from maasnb.language.translating import language, translated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "COLOURS",
    "DASHES",
    "GREEN",
    "HEALTHY_RATIOS",
    "HEIGHT_IN",
    "INK",
    "MOST_LINES",
    "MOST_POINTS",
    "STYLE",
    "VERMILLION",
    "WIDE_RANGE",
    "WIDTH_IN",
    "chinese_font",
    "draw_by_parameter",
    "draw_losses",
    "finish",
    "log_scale",
    "new_panels",
    "png",
    "smoothed",
]

BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
COLOURS = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
INK, FAINT = "#333333", "#D9D9D9"
MOST_LINES = 8
"""More parameters than these are drawn as a heat map."""
MOST_POINTS = 2000
FEW_POINTS = 12
"""So few points are marked."""
HEALTHY_RATIOS = (1e-4, 1e-2)
"""An update should be about a thousandth of the weight (A. Karpathy, CS231n notes)."""
WIDE_RANGE = 20
"""A loss that falls by more than this factor gets a logarithmic axis."""
WIDTH_IN, HEIGHT_IN, DOTS_PER_INCH = 3.6, 2.9, 110
CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Heiti SC",
    "Noto Sans CJK JP",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
"""Fonts with Chinese characters, the ones that fit beside DejaVu Sans best first."""
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 7.5,
}


def png(figure: "Figure") -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    # Without the software's name, the same figure is the same bytes.
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def new_panels(count: int, width: float | None = None, height: float = HEIGHT_IN) -> Any:  # noqa: ANN401 - figure and axes
    """Return a figure with so many axes beside each other, and the axes; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - loads matplotlib
    from matplotlib.figure import Figure  # noqa: PLC0415 - loads matplotlib

    size = (width or WIDTH_IN * count, height)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(visible=True, color=FAINT, linewidth=0.6)
        each.set_axisbelow(True)
    return figure, axes


def finish(figure: "Figure") -> None:
    """Lay the figure out while its style is in force, its words in the reader's language."""
    font = chinese_font() if language() == "zh" else ""
    if font:
        _translate(figure, font)
    figure.canvas.draw()


def chinese_font() -> str:
    """Return an installed font with Chinese characters; empty where there is none.

    Without one, a picture's words stay English: boxes in place of characters would tell nothing.
    """
    from matplotlib.font_manager import fontManager  # noqa: PLC0415 - loads matplotlib

    installed = {font.name for font in fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), "")


def _translate(figure: "Figure", font: str) -> None:
    """Translate titles, labels and legends; the marks of axes, which are data, stay."""
    from matplotlib.text import Text  # noqa: PLC0415 - loads matplotlib

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        words = translated(text.get_text())
        if words != text.get_text():
            text.set_text(words)
            text.set_fontfamily([*text.get_fontfamily(), font])


def log_scale(axes: "Axes") -> None:
    """Use a logarithmic y axis with plain numbers; below a factor of 10 with 2 and 5 between."""
    from matplotlib.ticker import FuncFormatter, LogLocator  # noqa: PLC0415 - loads matplotlib

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    between = (1.0, 2.0, 5.0) if high / low < WIDE_RANGE * 5 else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=between))
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_locator(LogLocator(subs=()))


def smoothed(values: np.ndarray) -> np.ndarray:
    """Return the mean over a window of 2 % of the values, shorter at both ends."""
    reach = max(0, len(values) // 100)
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values, posinf=0, neginf=0))])
    places = np.arange(len(values))
    low, high = np.maximum(0, places - reach), np.minimum(len(values), places + reach + 1)
    return (total[high] - total[low]) / (high - low)


def draw_losses(
    axes: "Axes", losses: np.ndarray, seen: tuple[np.ndarray, np.ndarray], per_unit: int = 1
) -> None:
    """Draw the loss of every step, its running mean, and the validation loss.

    Args:
        axes: where to draw.
        losses: the loss of each step [steps].
        seen: the steps that were validated after, and their losses [n] each.
        per_unit: how many steps the axis counts as one.
    """
    stride = max(1, len(losses) // MOST_POINTS)
    x = np.arange(1, len(losses) + 1)[::stride] / per_unit
    smooth = smoothed(losses)
    axes.plot(x, losses[::stride], color=BLUE, alpha=0.28, linewidth=0.8)
    axes.plot(x, smooth[::stride], color=BLUE, linewidth=1.8, label="training")
    steps, values = seen
    good = np.isfinite(values)
    if good.any():
        axes.plot(
            steps[good] / per_unit,
            values[good],
            color=VERMILLION,
            linestyle=DASHES[1],
            marker="o",
            markersize=3,
            linewidth=1.5,
            label="validation",
        )
    if losses.min() > 0 and smooth.max() / smooth.min() > WIDE_RANGE:
        log_scale(axes)
    axes.set_title("loss", loc="left")


def draw_by_parameter(
    figure: "Figure",
    axes: "Axes",
    times: Sequence[float],
    norms: Mapping[str, np.ndarray],
    title: str,
) -> None:
    """Draw a line for each parameter, or a heat map of many of them.

    Args:
        figure: the figure.
        axes: its axes.
        times: the measured steps or epochs [n].
        norms: a number by parameter, [n] each.
        title: the axes' title.
    """
    axes.set_title(title, loc="left")
    clean = {name: np.where(values > 0, values, math.nan) for name, values in norms.items()}
    if len(norms) > MOST_LINES and len(times) > 1:
        _draw_heat(figure, axes, times, clean)
        return
    for place, (name, values) in enumerate(clean.items()):
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        mark = "o" if len(times) <= FEW_POINTS else ""
        axes.plot(
            times,
            values,
            color=colour,
            linestyle=dash,
            marker=mark,
            markersize=3,
            linewidth=1.4,
            label=name,
        )
    if any(np.isfinite(values).any() for values in clean.values()):
        log_scale(axes)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=3)


def _draw_heat(
    figure: "Figure", axes: "Axes", times: Sequence[float], norms: Mapping[str, np.ndarray]
) -> None:
    from matplotlib.colors import LogNorm  # noqa: PLC0415 - loads matplotlib

    table = np.array(list(norms.values()))
    seen = table[np.isfinite(table)]
    if not len(seen):
        return
    edges = np.concatenate([[0.0], np.asarray(times)])
    scale = LogNorm(vmin=float(seen.min()), vmax=max(float(seen.max()), float(seen.min()) * 1.01))
    rows = np.arange(len(table) + 1) - 0.5
    shades = axes.pcolormesh(edges, rows, table, cmap="cividis", norm=scale, rasterized=True)
    axes.set_yticks(range(len(table)), list(norms), fontsize=6.5 if len(table) <= 24 else 4.5)
    axes.invert_yaxis()
    axes.grid(visible=False)
    figure.colorbar(shades, ax=axes, pad=0.02)
