"""What a model is made of: its layers, how they are called, and what flows between the calls.

A backend fills a `Trace` while a model is called once: each call of a layer is a step, and so is
each function between layers that a person would name (`relu`, `add`, `matmul`). Everything else, as
a reshape, is passed through: what comes out of it comes from where its inputs came from. The steps
inside a layer that calls no other layer are the layer's own business and are not kept.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "NOWHERE",
    "Anatomy",
    "Layer",
    "Origins",
    "Step",
    "Trace",
    "matrix_multiplications",
    "owner_of",
]

Origins = frozenset[int]
"""The steps that a value comes from; -1, -2, ... are the model's inputs, in order."""

NOWHERE: Origins = frozenset()

MERGING = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "cat", "stack", "where"})
"""Functions that are named only where they bring together what comes from several steps."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Describe one module of a model, without the modules inside it.

    Attributes:
        path: its name in the model; empty for the model itself.
        type: its class.
        parameters: how many numbers its own parameters have; those of a tied one count at the
            layer that comes first.
        trainable: how many of them are trained.
        size_bytes: the memory of its parameters and buffers.
        tied: the names of the parameters that are counted elsewhere.
    """

    path: str
    type: str
    parameters: int = 0
    trainable: int = 0
    size_bytes: int = 0
    tied: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True, kw_only=True)
class Step:
    """Describe a call of a layer, or of a function between layers.

    Attributes:
        number: the step's own number.
        parent: the number of the call that it is in; the model's own call is 0.
        path: the layer's path; None for a function.
        name: the function's name, or the layer's class.
        shape: the shape of its output, batch included; None where that is no one array.
        multiplications: those in matrix products and convolutions, without those of inner calls.
        sources: where its inputs come from.
    """

    number: int
    parent: int
    path: str | None
    name: str
    shape: tuple[int, ...] | None = None
    multiplications: float = 0.0
    sources: set[int] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """Hold what a model is made of.

    Attributes:
        layers: its modules, in the model's own order, the model itself first.
        steps: what happened in one call of it, in order, that call first; empty where none could
            be made.
        outputs: where its outputs come from.
        inputs: the shapes of its inputs, batch included.
        rows: how many examples it was called with.
    """

    layers: tuple[Layer, ...]
    steps: tuple[Step, ...] = ()
    outputs: Origins = NOWHERE
    inputs: tuple[tuple[int, ...], ...] = ()
    rows: int = 1


class Trace:
    """Gather the steps of one call of a model."""

    def __init__(self, name: str) -> None:
        """Begin with the model's own call, whose class is `name`."""
        self.steps: dict[int, Step] = {0: Step(number=0, parent=-1, path="", name=name)}
        self._next = 1

    def begin(self, path: str, name: str, parent: int, sources: Iterable[int] = ()) -> int:
        """Note that a layer is called in another call; return the step's number."""
        step = Step(number=self._next, parent=parent, path=path, name=name, sources=set(sources))
        self.steps[step.number] = step
        self._next += 1
        return step.number

    def end(self, number: int, shape: tuple[int, ...] | None) -> bool:
        """Note what a layer's call returned; say whether it called no other layer.

        Functions inside such a call are forgotten.
        """
        self.steps[number].shape = shape
        inside = list(itertools.takewhile(lambda each: each.number > number, self._newest_first()))
        if any(each.path is not None for each in inside):
            return False
        for each in inside:
            del self.steps[each.number]
        return True

    def _newest_first(self) -> Iterator[Step]:
        return reversed(self.steps.values())

    def function(
        self,
        name: str | None,
        parent: int,
        inputs: Sequence[Origins],
        shape: tuple[int, ...] | None,
    ) -> Origins:
        """Note that a function is called; return where its outputs come from.

        Args:
            name: what a person calls it; None for one that is not worth a step.
            parent: the call that it is in.
            inputs: where each of its inputs comes from.
            shape: the shape of its output.
        """
        every = NOWHERE.union(*inputs)
        distinct = {each for each in inputs if each}
        if name is None or not distinct or (name in MERGING and len(distinct) < 2):
            return every
        step = Step(
            number=self._next, parent=parent, path=None, name=name, shape=shape, sources=set(every)
        )
        self.steps[step.number] = step
        self._next += 1
        return frozenset({step.number})

    def known(self, origins: Iterable[int]) -> set[int]:
        """Return the origins that are inputs or steps that were kept."""
        return {each for each in origins if each < 0 or each in self.steps}

    def finished(
        self,
        layers: Sequence[Layer],
        outputs: Iterable[int],
        inputs: Sequence[tuple[int, ...]],
    ) -> Anatomy:
        """Return all that was gathered."""
        for step in self.steps.values():
            step.sources = self.known(step.sources) - {step.number}
        return Anatomy(
            layers=tuple(layers),
            steps=tuple(self.steps.values()),
            outputs=frozenset(self.known(outputs)),
            inputs=tuple(inputs),
            rows=inputs[0][0] if inputs and inputs[0] else 1,
        )


def owner_of(name: str, paths: Iterable[str]) -> str:
    """Return the module that a parameter belongs to: the longest path that its name begins with.

    >>> owner_of("layers.0.weight", ["", "layers", "layers.0"])
    'layers.0'
    """
    known = set(paths)
    parts = name.split(".")[:-1]
    while parts and ".".join(parts) not in known:
        parts.pop()
    return ".".join(parts)


def matrix_multiplications(output: Sequence[int], contracted: Iterable[int]) -> float:
    """Return the multiplications of a product with such an output, over such axes.

    >>> matrix_multiplications((2, 10), [64])
    1280.0
    """
    return float(math.prod(output) * math.prod(contracted))
