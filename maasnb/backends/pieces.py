"""Modules that are to be made, as data: a backend makes them, and prints how they are made."""

import dataclasses
import json
from typing import Any

__all__ = ["Make", "Piece", "make"]


@dataclasses.dataclass(frozen=True, slots=True)
class Make:
    """Say how a module is made.

    Attributes:
        name: the class as it is written, `nn.Linear`.
        arguments: what it is given in order.
        keywords: what it is given by name, as pairs.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def source(self, *more: str) -> str:
        """Return the call as Python; `more` are arguments that are written as they are."""
        written = [_literal(each) for each in self.arguments]
        written += [f"{name}={_literal(value)}" for name, value in self.keywords]
        return f"{self.name}({', '.join([*written, *more])})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Describe one module of a model, or a function without weights, in its place.

    Attributes:
        name: the attribute that holds the module.
        make: how it is made; None for one that is made of others.
        written: how source makes it, where that differs.
        form: how source calls it: an expression of `{x}` and, unless it has no module there,
            `{self}`; empty for `{self}({x})`.
        masked: whether the module is called with the mask.
        begins: whether its input says what the mask is.
        ways: of a module that is made of others, the pieces of each way through it, by name.
        join: how the ways are joined: `"residual"`, `"concat"` or `"add"`.
        axis: the axis of the channels, along which they are put side by side.
        one_signal: whether each way is given the same signal; else each has an input.
    """

    name: str
    make: Make | None = None
    written: Make | None = None
    form: str = ""
    masked: bool = False
    begins: bool = False
    ways: tuple[tuple[str, tuple["Piece", ...]], ...] = ()
    join: str = ""
    axis: int = -1
    one_signal: bool = True


def make(name: str, *arguments: Any, **keywords: Any) -> Make:  # noqa: ANN401 - what classes take
    """Return a `Make`, written as the call itself would be."""
    return Make(name, arguments, tuple(keywords.items()))


def _literal(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
