"""The picture of a model: its layers as boxes, blocks as boxes around them, arrows between, as SVG.

All ink is the text's own colour, and fills are thin, so that it reads on light and on dark ground.
There are no ids in it, so that two pictures of one page cannot disturb each other.
"""

import collections
import html
from collections.abc import Mapping, Sequence
from typing import Any

from maasnb.language.translating import translated
from maasnb.panels.layout import Placed, Point, Size, arrange

__all__ = ["graph_svg", "summary_html"]

IN, OUT = -1, -2
"""Where arrows from outside come into a box that holds others, and where they leave it."""

MARGIN, PAD, TITLE = 8.0, 12.0, 26.0
BOX_HEIGHT, PILL_HEIGHT = 40.0, 22.0
MOST_LETTERS = 34
TALL = 1100.0
"""A higher picture is shut at first."""

UNTRUSTED = "Trust this notebook to see the picture, which holds:"
"""What lies in a picture outside of its texts is seen only where a front end takes markup away from
a notebook that it does not trust; so there are words and punctuation for that case."""

BLUE, ORANGE = "#0072B2", "#E69F00"
FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

Edge = tuple[int, int]


def summary_html(report: Any) -> str:  # noqa: ANN401 - a report, by its attributes
    """Return a summary's picture, to be folded away; empty where there is none."""
    picture = graph_svg(report)
    if not picture:
        return ""
    height = float(picture.split('height="', 1)[1].split('"', 1)[0])
    words = translated("picture: the bar below a layer is its share of the multiplications")
    return (
        f"<details{'' if height > TALL else ' open'}><summary>{words}</summary>"
        f'<div style="overflow-x:auto">{picture}</div></details>'
    )


def graph_svg(report: Any) -> str:  # noqa: ANN401 - a report, by its attributes
    """Return the picture of a summary's model as SVG; empty where the model was not called."""
    if "names" not in report.data or "edges" not in report.data:
        return ""
    return _Picture(report.data).svg(report.title)


class _Picture:
    """Place and draw the boxes of a graph."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Take the arrays of a summary."""
        self.names = [str(each) for each in data["names"]]
        self.types = [str(each) for each in data["types"]]
        self.shapes = [str(each) for each in data["shapes"]]
        self.kinds = [str(each) for each in data["kinds"]]
        self.parents = [int(each) for each in data["parents"]]
        self.shares = [float(each) for each in data["shares"]]
        self.weighed = [bool(each) for each in data["weighed"]]
        self.edges = [(int(a), int(b)) for a, b in data["edges"]]
        self.inner: dict[int, list[int]] = collections.defaultdict(list)
        for number, parent in enumerate(self.parents):
            self.inner[parent].append(number)
        self.local = self._local_edges()
        self.placed: dict[int, Placed] = {}

    def svg(self, title: str) -> str:
        """Return the whole picture."""
        width, height = self._size(-1)
        ink = self._drawn(-1, MARGIN, MARGIN)
        words = html.escape(f"{title}. The table tells the same.", quote=True)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{words}" '
            f'width="{width + 2 * MARGIN:.0f}" height="{height + 2 * MARGIN:.0f}" '
            f'viewBox="0 0 {width + 2 * MARGIN:.0f} {height + 2 * MARGIN:.0f}" '
            f'style="{FONT};font-size:11px;color:var(--jp-content-font-color1,currentColor)" '
            f'fill="currentColor">\n{UNTRUSTED}\n{ink}\n</svg>'
        )

    def _local_edges(self) -> dict[int, dict[Edge, None]]:
        """Return each arrow as pieces: in the box that holds both ends, and in those around one."""
        local: dict[int, dict[Edge, None]] = collections.defaultdict(dict)
        for a, b in self.edges:
            over_a, over_b = self._around(a), self._around(b)
            shared = next(each for each in over_a if each in over_b)
            start, end = a, b
            for group in over_a[: over_a.index(shared)]:
                local[group][start, OUT] = None
                start = group
            for group in over_b[: over_b.index(shared)]:
                local[group][IN, end] = None
                end = group
            local[shared][start, end] = None
        return local

    def _around(self, number: int) -> list[int]:
        """Return the boxes around a box, the next one first; -1 is the picture."""
        found = []
        while number >= 0:
            number = self.parents[number]
            found.append(number)
        return found

    def _size(self, number: int) -> Size:
        """Return the size of a box, having placed what is inside."""
        inside = self.inner.get(number, [])
        if number >= 0 and self.kinds[number] != "group":
            return self._leaf_size(number)
        edges = sorted(self.local[number])
        sizes = {IN: (0.0, 0.0)} if any(a == IN for a, _ in edges) else {}
        sizes |= {each: self._size(each) for each in inside}
        leaves = any(b == OUT for _, b in edges)
        sizes |= {OUT: (0.0, 0.0)} if leaves else {}
        self.placed[number] = placed = arrange(sizes, edges, OUT if leaves else None)
        if number < 0:
            return placed.width, placed.height
        title = 7.0 * len(self._title(number)) + 2 * PAD
        return max(placed.width + 2 * PAD, title), placed.height + TITLE + PAD

    def _leaf_size(self, number: int) -> Size:
        name, words = self._lines(number)
        if self.kinds[number] == "function":
            return max(34.0, 6.6 * len(name) + 22), PILL_HEIGHT
        return max(84.0, 7.0 * len(name) + 24, 6.0 * len(words) + 24), BOX_HEIGHT

    def _lines(self, number: int) -> tuple[str, str]:
        words = " · ".join(each for each in (self.types[number], self.shapes[number]) if each)
        return _cut(self.names[number]), _cut(words, MOST_LETTERS + 14)

    def _title(self, number: int) -> str:
        return _cut(f"{self.names[number]} · {self.types[number]}")

    def _drawn(self, group: int, left: float, top: float) -> str:
        """Return the ink of what is inside a box."""
        placed, ink = self.placed[group], []
        for (a, b), route in placed.routes.items():
            (first, *inner), last = route[:-1], route[-1]
            points = [(first[0] + self._port(a, OUT), first[1]), *inner]
            points.append((last[0] + self._port(b, IN), last[1]))
            ink.append(_arrow([(left + x, top + y) for x, y in points], head=b != OUT))
        for number in self.inner[group]:
            middle, y = placed.centers[number]
            width, height = self._size(number)
            x = left + middle - width / 2
            if self.kinds[number] == "group":
                ink.append(_frame(x, top + y, width, height, self._title(number)))
                start = x + (width - self.placed[number].width) / 2
                ink += [
                    self._passage(number, x, start, top + y),
                    self._drawn(number, start, top + y + TITLE),
                ]
            else:
                ink.append(self._box(number, x, top + y, (width, height)))
        return "\n".join(ink)

    def _passage(self, number: int, x: float, start: float, y: float) -> str:
        """Return the pieces of arrows between a frame and what is inside, beside its title."""
        placed, ink = self.placed[number], ""
        if IN in placed.centers:
            at = start + placed.centers[IN][0]
            if at > x + PAD + 6.6 * len(self._title(number)):
                ink += _arrow([(at, y), (at, y + TITLE)], head=False)
        if OUT in placed.centers:
            at, bottom = start + placed.centers[OUT][0], y + TITLE + placed.height
            ink += _arrow([(at, bottom), (at, bottom + PAD)], head=False)
        return ink

    def _port(self, number: int, side: int) -> float:
        """Return how far beside the middle of a box arrows come in or leave."""
        placed = self.placed.get(number) if number >= 0 else None
        if placed is None or side not in placed.centers:
            return 0.0
        return placed.centers[side][0] - placed.width / 2

    def _box(self, number: int, x: float, y: float, size: Size) -> str:
        width, height = size
        kind, (name, words) = self.kinds[number], self._lines(number)
        middle = x + width / 2
        if kind == "function":
            return _rect(x, y, size, 11, ORANGE, 0.18) + _text(middle, y + 15, name) + ";"
        colour, thin = (BLUE, 0.14) if self.weighed[number] else ("currentColor", 0.05)
        dash = ";stroke-dasharray:4 3" if kind in ("input", "output") else ""
        ink = _rect(x, y, size, 6, colour, thin, dash)
        ink += _text(middle, y + 17, name, ";font-weight:600;font-size:12px")
        ink += " " + _text(middle, y + 31, words, ";opacity:.85") + ";"
        share = self.shares[number]
        if share >= 0.005:
            ink += (
                f'<rect x="{x + 1:.1f}" y="{y + height - 4:.1f}" width="{(width - 2) * share:.1f}" '
                f'height="3" style="fill:{BLUE}"/>'
            )
        return ink


def _cut(words: str, most: int = MOST_LETTERS) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _rect(
    x: float, y: float, size: Size, radius: float, colour: str, opacity: float, more: str = ""
) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" '
        f'rx="{radius:g}" style="fill:{colour};fill-opacity:{opacity:g};stroke:currentColor;'
        f'stroke-opacity:.45{more}"/>'
    )


def _frame(x: float, y: float, width: float, height: float, title: str) -> str:
    box = _rect(x, y, (width, height), 8, "currentColor", 0.03)
    return box + _text(x + PAD, y + 17, title, ";text-anchor:start;font-weight:600") + ":"


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" style="text-anchor:middle;fill:currentColor{more}">'
        f"{html.escape(words)}</text>"
    )


def _arrow(points: Sequence[Point], *, head: bool) -> str:
    """Return a line that leaves and arrives straight down."""
    (x, y), path = points[0], []
    path.append(f"M{x:.1f} {y:.1f}")
    for to_x, to_y in points[1:]:
        bend = (to_y - y) / 2
        straight = abs(to_x - x) < 0.5
        path.append(
            f"L{to_x:.1f} {to_y:.1f}"
            if straight
            else f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}"
        )
        x, y = to_x, to_y
    tip = f"M{x - 3.5:.1f} {y - 6:.1f}L{x:.1f} {y:.1f}L{x + 3.5:.1f} {y - 6:.1f}"
    return (
        f'<path d="{"".join(path)}{tip if head else ""}" '
        'style="fill:none;stroke:currentColor;stroke-opacity:.6;stroke-width:1.2"/>'
    )
