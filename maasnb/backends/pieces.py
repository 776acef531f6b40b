"""Modules that are to be made, as data: a backend makes them, and prints how they are made."""

import dataclasses
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
        written = [repr(each) for each in self.arguments]
        written += [f"{name}={value!r}" for name, value in self.keywords]
        return f"{self.name}({', '.join([*written, *more])})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Describe one module of a model, or a function without weights, in its place.

    Attributes:
        name: the attribute that holds the module.
        make: how it is made; None for one that is made of others.
        form: how it is called in source: an expression of `{x}`, and `{mask}` if there is one;
            empty for `self.NAME({x})`.
        functions: functions of the backend's own that the form calls, by name.
        masked: whether the module is called with the mask.
        begins: whether its input says what the mask is.
        ways: of a module that is made of others, the pieces of each way through it, by name.
        join: how the ways are joined: `"residual"`, `"concat"` or `"add"`.
        axis: the axis along which they are, channels included.
    """

    name: str
    make: Make | None = None
    form: str = ""
    functions: tuple[str, ...] = ()
    masked: bool = False
    begins: bool = False
    ways: tuple[tuple[str, tuple["Piece", ...]], ...] = ()
    join: str = ""
    axis: int = -1


def make(name: str, *arguments: Any, **keywords: Any) -> Make:  # noqa: ANN401 - what classes take
    """Return a `Make`, written as the call itself would be."""
    return Make(name, arguments, tuple(keywords.items()))
