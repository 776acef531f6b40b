"""Where boxes and arrows of a graph go: in ranks from top to bottom, with few crossings.

The usual steps (Sugiyama, Tagawa and Toda 1981): the rank of a box is the longest way to it; an
arrow over several ranks gets a waypoint in each; the order within a rank follows the mean place of
the neighbours, and so do the positions.
"""

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence

__all__ = ["Placed", "arrange"]

GAP_X, GAP_Y = 22.0, 26.0
WAYPOINT = 14.0
SWEEPS = 8
STRAIGHT = 12.0
"""How much more a box pulls at its neighbours than an arrow that passes by."""

Point = tuple[float, float]
Size = tuple[float, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """Hold a graph's geometry.

    Attributes:
        centers: the middle of each box's upper edge.
        routes: the points that each arrow goes through, from the lower edge of its first box to the
            upper edge of its last.
        width: of the whole.
        height: of the whole.
    """

    centers: Mapping[int, Point]
    routes: Mapping[tuple[int, int], Sequence[Point]]
    width: float
    height: float


def arrange(
    sizes: Mapping[int, Size], edges: Sequence[tuple[int, int]], last: int | None = None
) -> Placed:
    """Place boxes in ranks.

    Args:
        sizes: width and height of each box.
        edges: arrows between boxes, without cycles; an arrow's first box comes first in `sizes`.
        last: a box that stays in the last rank, as where arrows to the outside leave.
    """
    ranks = _ranks(list(sizes), edges, last)
    chains, widths = _chains(sizes, edges, ranks)
    rows: dict[int, list[int]] = collections.defaultdict(list)
    for number, rank in ranks.items():
        rows[rank].append(number)
    levels = [rows[rank] for rank in sorted(rows)]
    near = _neighbours(chains)
    _order(levels, near)
    middles = _positions(levels, near, widths)
    heights = [max(sizes.get(each, (0, 0))[1] for each in level) for level in levels]
    tops, y = {}, 0.0
    for level, height in zip(levels, heights, strict=True):
        for each in level:
            own = sizes.get(each, (0, height))[1]
            tops[each] = (y + (height - own) / 2, y, height)
        y += height + GAP_Y
    left = min(middles[each] - widths[each] / 2 for each in middles)
    right = max(middles[each] + widths[each] / 2 for each in middles)
    centers = {each: (middles[each] - left, tops[each][0]) for each in sizes}
    routes = {}
    for edge, chain in chains.items():
        points = [(middles[edge[0]] - left, tops[edge[0]][0] + sizes[edge[0]][1])]
        for each in chain[1:-1]:
            _, top, height = tops[each]
            points += [(middles[each] - left, top), (middles[each] - left, top + height)]
        points.append((middles[edge[1]] - left, tops[edge[1]][0]))
        routes[edge] = points
    return Placed(centers, routes, right - left, y - GAP_Y)


def _ranks(
    numbers: Sequence[int], edges: Sequence[tuple[int, int]], last: int | None
) -> dict[int, int]:
    """Return the rank of each box: the longest way to it."""
    into, out = collections.defaultdict(list), collections.defaultdict(list)
    for a, b in edges:
        into[b].append(a)
        out[a].append(b)
    ranks: dict[int, int] = {}
    for number in numbers:
        ranks[number] = 1 + max((ranks[each] for each in into[number]), default=0)
    for number in reversed(numbers):  # what nothing comes before stands just above its first use
        if not into[number] and out[number]:
            ranks[number] = min(ranks[each] for each in out[number]) - 1
    if last is not None:
        ranks[last] = 1 + max((rank for each, rank in ranks.items() if each != last), default=0)
    return ranks


def _chains(
    sizes: Mapping[int, Size], edges: Sequence[tuple[int, int]], ranks: dict[int, int]
) -> tuple[dict[tuple[int, int], list[int]], dict[int, float]]:
    """Return what each arrow goes through, with a waypoint in each rank, and all widths."""
    widths = {number: size[0] for number, size in sizes.items()}
    chains, fresh = {}, -1000
    for a, b in edges:
        chain = [a]
        for rank in range(ranks[a] + 1, ranks[b]):
            fresh -= 1
            ranks[fresh], widths[fresh] = rank, WAYPOINT
            chain.append(fresh)
        chains[a, b] = [*chain, b]
    return chains, widths


def _neighbours(
    chains: Mapping[tuple[int, int], Sequence[int]],
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return what stands before and after each box or waypoint."""
    before, after = collections.defaultdict(list), collections.defaultdict(list)
    for chain in chains.values():
        for a, b in itertools.pairwise(chain):
            before[b].append(a)
            after[a].append(b)
    return before, after


def _order(
    levels: list[list[int]], near: tuple[dict[int, list[int]], dict[int, list[int]]]
) -> None:
    """Sort each rank by the mean place of the neighbours, down and up in turn."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        known = near[0] if down else near[1]
        for level in levels if down else reversed(levels):
            places = {n: i / len(row) for row in levels for i, n in enumerate(row)}
            wanted = {n: _mean([places[each] for each in known[n]], places[n]) for n in level}
            level.sort(key=wanted.__getitem__)


def _positions(
    levels: list[list[int]],
    near: tuple[dict[int, list[int]], dict[int, list[int]]],
    widths: Mapping[int, float],
) -> dict[int, float]:
    """Return the middle of each box and waypoint."""
    middles: dict[int, float] = {}
    for level in levels:
        x = -sum(widths[each] + GAP_X for each in level) / 2
        for each in level:
            middles[each] = x + widths[each] / 2
            x += widths[each] + GAP_X
    for sweep in range(2 * SWEEPS + 1):  # the last one goes down, so that chains are straight
        down = sweep % 2 == 0
        known = near[0] if down else near[1]
        for level in levels if down else reversed(levels):
            wanted = [_pulled(n, known[n], middles, widths) for n in level]
            middles.update(_apart(level, wanted, widths))
    return middles


def _pulled(
    number: int,
    neighbours: Sequence[int],
    middles: Mapping[int, float],
    widths: Mapping[int, float],
) -> float:
    """Return the mean place of the neighbours, of which waypoints count little."""
    weights = [1.0 if widths[each] == WAYPOINT else STRAIGHT for each in neighbours]
    if not weights:
        return middles[number]
    places = [middles[each] for each in neighbours]
    return sum(w * x for w, x in zip(weights, places, strict=True)) / sum(weights)


def _apart(
    level: Sequence[int], wanted: Sequence[float], widths: Mapping[int, float]
) -> dict[int, float]:
    """Return positions near those wanted at which nothing overlaps."""
    right, left = list(wanted), list(wanted)
    spaces = [(widths[a] + widths[b]) / 2 + GAP_X for a, b in itertools.pairwise(level)]
    for place, space in enumerate(spaces):
        right[place + 1] = max(right[place + 1], right[place] + space)
    for place in range(len(spaces) - 1, -1, -1):
        left[place] = min(left[place], left[place + 1] - spaces[place])
    return {n: (a + b) / 2 for n, a, b in zip(level, right, left, strict=True)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
