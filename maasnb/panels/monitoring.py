"""The picture of a served model: requests, latencies, drift by feature, and what it answers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from maasnb.panels.drawing import BLUE, FAINT, INK, STYLE, VERMILLION, finish, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["monitoring_figure"]

SHIFT, LARGE_SHIFT = 0.1, 0.25
ORANGE, GREY = "#E69F00", "#8C8C8C"
MOST_CLASSES = 20
LONGEST_NAME = 18


def monitoring_figure(report: Any) -> "Figure | None":  # noqa: ANN401 - a report, by its attributes
    """Draw how a served model does, or None where nobody asked it.

    Args:
        report: a report of the kind `"monitoring"`.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - loads matplotlib

    data = report.data
    if "requests_by_second" not in data:
        return None
    drifted, answered = len(data["features"]) > 0, "reference" in data
    with rc_context(STYLE):
        figure, axes = new_panels(2 + drifted + answered, height=2.7)
        _draw_requests(axes[0], data)
        _draw_latencies(axes[1], data, report.values)
        if drifted:
            _draw_drift(axes[2], data)
        if answered:
            _draw_shares(axes[-1], data)
        if report.findings:
            titles = ", ".join(each.title for each in report.findings)
            figure.suptitle(titles, x=0.008, ha="left", fontsize=10, color=VERMILLION)
        finish(figure)
    return figure


def _draw_requests(axes: "Axes", data: Any) -> None:  # noqa: ANN401 - arrays by name
    requests, errors = data["requests_by_second"], data["errors_by_second"]
    ago = np.arange(1 - len(requests), 1)
    axes.fill_between(ago, requests, step="mid", color=BLUE, alpha=0.25, linewidth=0)
    axes.step(ago, requests, where="mid", color=BLUE, linewidth=1.4, label="requests")
    if errors.any():
        axes.step(
            ago, errors, where="mid", color=VERMILLION, linestyle="--", linewidth=1.4,
            label="failed",
        )  # fmt: skip
        axes.legend(frameon=False, loc="upper left")
    axes.set_ylim(bottom=0)
    axes.set_title("requests a second", loc="left")
    axes.set_xlabel("seconds ago")


def _draw_latencies(axes: "Axes", data: Any, values: Any) -> None:  # noqa: ANN401 - arrays by name
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 - loads matplotlib

    bounds, counts = 1000 * data["latency_bounds_s"], data["latency_counts"]
    edges = np.concatenate([[bounds[0] / 2.5], bounds, [2.5 * bounds[-1]]])
    used = np.flatnonzero(counts)
    if len(used):
        first, last = max(0, used[0] - 1), min(len(counts), used[-1] + 2)
        axes.stairs(counts[first:last], edges[first : last + 1], fill=True, color=BLUE, alpha=0.45)
    marks = (("p50_s", "-"), ("p95_s", "--"), ("p99_s", ":"))
    for name, dash in marks:
        if name in values:
            label = f"{name[:-2]} {1000 * values[name]:.3g} ms"
            axes.axvline(1000 * values[name], color=INK, linestyle=dash, linewidth=1.2, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(0, 1.5 * max(1, counts.max()))  # room for the words
    axes.set_title("latency, all requests", loc="left")
    axes.set_xlabel("ms")
    axes.legend(framealpha=0.85, edgecolor="none", loc="upper right")


def _draw_drift(axes: "Axes", data: Any) -> None:  # noqa: ANN401 - arrays by name
    index, told = data["psi"], data["told"]
    places = np.arange(len(index))
    colours = [
        GREY if not sure or value <= SHIFT else (VERMILLION if value > LARGE_SHIFT else ORANGE)
        for value, sure in zip(index, told, strict=True)
    ]
    axes.barh(places, index, height=0.62, color=colours)
    for level, dash in ((SHIFT, ":"), (LARGE_SHIFT, "--")):
        axes.axvline(level, color=INK, linestyle=dash, linewidth=1)
    axes.set_yticks(places, [_short(str(name)) for name in data["features"]], fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.4 * LARGE_SHIFT, 1.05 * float(np.max(index))))
    axes.grid(visible=False, axis="y")
    axes.set_title("drift of inputs (PSI)", loc="left")
    axes.set_xlabel("lines: shift 0.1, large 0.25")


def _draw_shares(axes: "Axes", data: Any) -> None:  # noqa: ANN401 - arrays by name
    then, now = (data[side] / max(1, data[side].sum()) for side in ("reference", "live"))
    if "labels" in data:
        names, title = [str(name) for name in data["labels"]], "answers by class"
    else:
        names, title = [f"{edge:.3g}" for edge in data["edges"]], f"values of {data['features'][0]}"
    if len(names) > MOST_CLASSES:
        kept = np.sort(np.argsort(-np.abs(now - then))[:MOST_CLASSES])
        then, now, names = then[kept], now[kept], [names[place] for place in kept]
    places = np.arange(len(names))
    axes.bar(places - 0.21, 100 * then, width=0.4, color=FAINT, edgecolor=GREY, label="training")
    axes.bar(places + 0.21, 100 * now, width=0.4, color=BLUE, label="now")
    turned = max(map(len, names)) > 3 and len(names) > 4
    axes.set_xticks(
        places, [_short(name) for name in names], rotation=45 if turned else 0,
        ha="right" if turned else "center", fontsize=7.5,
    )  # fmt: skip
    axes.grid(visible=False, axis="x")
    axes.set_title(title, loc="left")
    axes.set_ylabel("%")
    axes.set_ylim(0, 135 * max(then.max(), now.max()))
    axes.legend(frameon=False, loc="upper right", ncols=2)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
