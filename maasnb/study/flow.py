"""The graph of a model's call, small enough to draw: boxes inside boxes, and arrows between them.

A layer that is called again and again in a loop is one box, and so is what happens between its
calls. Of several blocks of one kind only the first is shown from inside. What is still too much is
closed from the inside out.
"""

import collections
import dataclasses
from typing import Any

import numpy as np

from maasnb.backends.anatomy import Anatomy, Step

__all__ = ["graph_arrays"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_BOXES = 48
MOST_CALLS = 3
"""A layer with more calls than these in one other call is in a loop."""


@dataclasses.dataclass(slots=True)
class _Graph:
    """Say which boxes there are, and which steps each stands for."""

    steps: dict[int, Step]
    inner: dict[int, list[int]]
    shut: set[int] = dataclasses.field(default_factory=set)
    stands_in: dict[int, int] = dataclasses.field(default_factory=dict)
    hidden: set[int] = dataclasses.field(default_factory=set)
    words: dict[int, str] = dataclasses.field(default_factory=dict)

    def boxes(self) -> list[int]:
        """Return the steps that get a box, those with boxes inside before these."""
        found: list[int] = []
        waiting = list(reversed(self.inner.get(0, ())))
        while waiting:
            number = waiting.pop()
            if number in self.stands_in or number in self.hidden:
                continue
            found.append(number)
            if self.is_open(number):
                waiting += reversed(self.inner[number])
        return found

    def is_open(self, number: int) -> bool:
        """Say whether a box shows what is inside."""
        return bool(self.inner.get(number)) and number not in self.shut

    def shown(self) -> dict[int, int]:
        """Return the box of each step that has one."""
        boxes, found = set(self.boxes()), {}
        for number in self.steps:
            at = self.stands_in.get(number, number)
            while at > 0 and at not in boxes:
                at = self.stands_in.get(at, self.steps[at].parent)
            if at > 0 and (number == at or not self.is_open(at)):
                found[number] = at
        return found


def graph_arrays(anatomy: Anatomy) -> dict[str, Array]:
    """Return the boxes and the arrows of a model's picture; nothing where it was not called.

    Returns:
        `names`, `types`, `shapes` and `kinds` of the boxes as words (a kind is input, output,
        layer, function or group), `parents` (the box that each is in, or -1), `shares` of the
        multiplications, `weighed` (whether it has parameters), and `edges` [arrows, 2].
    """
    if not anatomy.steps:
        return {}
    graph = _simplified(anatomy)
    boxes = graph.boxes()
    inputs = [-1 - number for number in range(len(anatomy.inputs))]
    order = [*inputs, *boxes, 0]  # 0, the model's own call, stands for its outputs
    places = {number: place for place, number in enumerate(order)}
    shown = graph.shown()
    work = sum(step.multiplications for step in anatomy.steps) or 1.0
    done: dict[int, float] = collections.defaultdict(float)
    for step in anatomy.steps:
        done[shown.get(step.number, 0)] += step.multiplications / work
    weighed = {layer.path for layer in anatomy.layers if layer.parameters or layer.tied}
    inner = [number if number > 0 else None for number in order]
    parents = [number and graph.steps[number].parent for number in inner]
    return {
        "names": np.array([_name(graph, number, len(inputs)) for number in order]),
        "types": np.array(["" if n is None else _words(graph, n) for n in inner]),
        "shapes": np.array([_shape(anatomy, graph, number) for number in order]),
        "kinds": np.array([_kind(graph, number) for number in order]),
        "parents": np.array([places[each] if each else -1 for each in parents]),
        "shares": np.array([0.0 if n is None else done[n] for n in inner]),
        "weighed": np.array([n is not None and _is_weighed(graph, n, weighed) for n in inner]),
        "edges": np.array(
            [(places[a], places[b]) for a, b in _edges(anatomy, graph, shown)], np.int64
        ).reshape(-1, 2),
    }


def _simplified(anatomy: Anatomy) -> _Graph:
    steps = {step.number: step for step in anatomy.steps}
    inner: dict[int, list[int]] = collections.defaultdict(list)
    for number in sorted(steps):
        if number:
            inner[steps[number].parent].append(number)
    graph = _Graph(steps=steps, inner=dict(inner))
    for number in list(inner):
        _roll_up(graph, number)
    for number, step in steps.items():
        if step.name.endswith("Cell") and graph.inner.get(number):
            graph.shut.add(number)
    _shut_repeated(graph)
    _shut_deepest(graph)
    return graph


def _roll_up(graph: _Graph, parent: int) -> None:
    """Let the first call of a layer in a loop stand for what happens until its last one."""
    calls: dict[str, list[int]] = collections.defaultdict(list)
    for number in graph.inner[parent]:
        path = graph.steps[number].path
        if path is not None:
            calls[path].append(number)
    for several in calls.values():
        if len(several) > MOST_CALLS:
            graph.words[several[0]] = f"x {len(several)}"
            between = [n for n in graph.inner[parent] if several[0] < n < several[-1]]
            loose = [n for n in between if graph.steps[n].path is None]
            for number in (*several[1:], *loose):
                graph.stands_in.setdefault(number, several[0])


def _signature(graph: _Graph, number: int) -> tuple[Any, ...]:
    step = graph.steps[number]
    inside = [_signature(graph, each) for each in graph.inner.get(number, ())]
    return (step.name, step.shape, step.path is None, *inside)


def _shut_repeated(graph: _Graph) -> None:
    for children in graph.inner.values():
        first: dict[tuple[Any, ...], int] = {}
        for number in children:
            if graph.inner.get(number) and number not in graph.shut:
                like = first.setdefault(_signature(graph, number), number)
                if like != number:
                    graph.shut.add(number)
                    graph.words[number] = f"as {graph.steps[like].path}"


def _shut_deepest(graph: _Graph) -> None:
    """Close boxes from the inside out, then leave functions out, until there are few enough."""
    while len(graph.boxes()) > MOST_BOXES:
        opened = [number for number in graph.boxes() if graph.is_open(number)]
        if not opened:
            functions = [n for n in graph.boxes() if graph.steps[n].path is None]
            graph.hidden.update(functions)
            return
        deepest = max(_depth(graph, number) for number in opened)
        graph.shut.update(number for number in opened if _depth(graph, number) == deepest)


def _depth(graph: _Graph, number: int) -> int:
    depth = 0
    while number > 0:
        number, depth = graph.steps[number].parent, depth + 1
    return depth


def _edges(anatomy: Anatomy, graph: _Graph, shown: dict[int, int]) -> list[tuple[int, int]]:
    """Return the arrows between boxes, each once; what goes back in a loop is left out."""
    origins: dict[int, set[int]] = {}
    found: dict[tuple[int, int], None] = {}

    def seen(sources: Any) -> set[int]:  # noqa: ANN401 - any collection of numbers
        return set().union(*({each} if each < 0 else origins.get(each, set()) for each in sources))

    for number in sorted(graph.steps):
        sources = seen(graph.steps[number].sources)
        box = shown.get(number)
        origins[number] = sources if box is None else {box}
        if box is not None and not graph.is_open(box):
            for source in sorted(sources):
                if source < box and source != box:
                    found[source, box] = None
    for source in sorted(seen(anatomy.outputs)):
        found[source, 0] = None
    return list(found)


def _kind(graph: _Graph, number: int) -> str:
    if number <= 0:
        return "input" if number else "output"
    if graph.is_open(number):
        return "group"
    return "function" if graph.steps[number].path is None else "layer"


def _name(graph: _Graph, number: int, inputs: int) -> str:
    """Return a layer's name within the box that it is in."""
    if number < 0:
        return f"input {-number}" if inputs > 1 else "input"
    step = graph.steps[number]
    if number == 0:
        return "output"
    if step.path is None:
        return step.name
    around = graph.steps[step.parent].path or ""
    return step.path.removeprefix(f"{around}.") if around else step.path


def _words(graph: _Graph, number: int) -> str:
    step = graph.steps[number]
    kind = "" if step.path is None else step.name
    return f"{kind} {graph.words.get(number, '')}".strip()


def _shape(anatomy: Anatomy, graph: _Graph, number: int) -> str:
    shape = anatomy.inputs[-1 - number] if number < 0 else graph.steps[number].shape
    if shape is None:
        return ""
    one = shape[1:] if shape and shape[0] == anatomy.rows else shape
    return " x ".join(map(str, one)) or "1"


def _is_weighed(graph: _Graph, number: int, weighed: set[str]) -> bool:
    path = graph.steps[number].path
    if path is None:
        return False
    return path in weighed or any(each.startswith(f"{path}.") for each in weighed)
