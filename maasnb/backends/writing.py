"""A model's pieces as a class in plain Python, as a person would write it with the framework alone.

What a model is made of beside the framework's own modules is written out from the very classes that
`mb.build` uses, so that the code is the model. Attributes have the names of the built model's, so
that its weights fit.
"""

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from maasnb.backends.pieces import Piece

__all__ = ["Dialect", "written"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Say how a framework's modules are written.

    Attributes:
        imports: lines by the word that needs them.
        parent: the class that modules inherit from.
        seeded: whether modules are given `rngs` when they are made.
        call: the method that is the model.
        concat: how arrays are put side by side, of `{parts}` and `{axis}`.
        own: classes and functions that are written out where they are used.
    """

    imports: Mapping[str, str]
    parent: str
    seeded: bool
    call: str
    concat: str
    own: Mapping[str, Any]


def written(pieces: Sequence[Piece], dialect: Dialect) -> str:
    """Return a module with a class `Net` and the line that makes one."""
    classes = _classes("Net", pieces, dialect)
    made = "net = Net(nnx.Rngs(0))" if dialect.seeded else "net = Net()"
    parts = [*_own(classes, dialect), *classes, made]
    body = "\n\n\n".join(parts)
    used = [line for word, line in dialect.imports.items() if re.search(rf"\b{word}\b", body)]
    lines = "\n".join(used).replace("import Tensor\nfrom torch import nn", "import Tensor, nn")
    return f"{lines}\n\n\n{body}\n"


def _classes(name: str, pieces: Sequence[Piece], dialect: Dialect) -> list[str]:
    """Return the class of a row of pieces, behind those of the pieces that are made of others."""
    found, members, lines = [], [], []
    head = "__init__(self, rngs)" if dialect.seeded else "__init__(self)"
    call = "x, mask" if _takes_mask(pieces) else "x"
    for place, piece in enumerate(pieces):
        if piece.ways:
            inside = ("" if name == "Net" else name) + piece.name.title().replace("_", "")
            found += _composed(inside, piece, dialect)
            members.append(f"self.{piece.name} = {inside}({'rngs' if dialect.seeded else ''})")
        elif _is_member(piece):
            assert piece.make is not None
            made = piece.written or piece.make
            more = ("rngs=rngs",) if dialect.seeded else ()
            members.append(f"self.{piece.name} = {made.source(*more)}")
        if piece.begins and _takes_mask(pieces[place + 1 :]):
            lines.append("mask = x != 0")
        if piece.join and not piece.one_signal:
            names = [way.removeprefix("branch_") for way, _ in piece.ways]
            call = ", ".join(names)
            lines.append(f"x = self.{piece.name}({call})")
        elif lines and _follows(piece, pieces[place - 1]):
            before = lines.pop().removeprefix("x = ")
            lines.append(f"x = {piece.form.format(x=before)}")
        else:
            lines.append(f"x = {_expression(piece)}")
    start = [] if dialect.seeded else ["super().__init__()"]
    found.append(_class(name, dialect, head, [*start, *members], call, [*lines, "return x"]))
    return found


def _composed(name: str, piece: Piece, dialect: Dialect) -> list[str]:
    """Return the class of a piece that is made of others, behind those of its ways."""
    if piece.join == "residual":
        return _classes(name, piece.ways[0][1], dialect)
    found, members, calls = [], [], []
    mask = any(_takes_mask(way) for _, way in piece.ways)
    for way, pieces in piece.ways:
        inside = name + way.title().replace("_", "")
        found += _classes(inside, pieces, dialect)
        members.append(f"self.{way} = {inside}({'rngs' if dialect.seeded else ''})")
        given = "x" if piece.one_signal else way.removeprefix("branch_")
        calls.append(f"self.{way}({given}{', mask' if _takes_mask(pieces) else ''})")
    if piece.join == "add":
        result = " + ".join(calls)
    else:
        result = dialect.concat.format(parts=", ".join(calls), axis=piece.axis)
    names = ", ".join(way.removeprefix("branch_") for way, _ in piece.ways)
    call = f"x{', mask' if mask else ''}" if piece.one_signal else names
    head = "__init__(self, rngs)" if dialect.seeded else "__init__(self)"
    start = [] if dialect.seeded else ["super().__init__()"]
    found.append(_class(name, dialect, head, [*start, *members], call, [f"return {result}"]))
    return found


def _class(
    name: str, dialect: Dialect, head: str, init: Sequence[str], call: str, lines: Sequence[str]
) -> str:
    rows = [f"class {name}({dialect.parent}):", f"    def {head}:"]
    rows += [f"        {line}" for line in init or ["pass"]]
    rows += ["", f"    def {dialect.call}(self, {call}):"]
    return "\n".join([*rows, *(f"        {line}" for line in lines)])


def _expression(piece: Piece) -> str:
    """Return how a piece is called, of `x`."""
    mask = ", mask" if _needs_mask(piece) else ""
    if piece.join == "residual":
        return f"x + self.{piece.name}(x{mask})"
    form = piece.form or "{self}({x}" + mask + ")"
    return form.format(x="x", self=f"self.{piece.name}")


def _is_member(piece: Piece) -> bool:
    return piece.make is not None and (not piece.form or "{self}" in piece.form)


def _follows(piece: Piece, before: Piece) -> bool:
    """Say whether a piece is the activation of the one before it."""
    alone = not _is_member(piece) and not piece.ways and piece.form.count("{x}") == 1
    return alone and piece.name.startswith(f"{before.name}_") and "(" in piece.form.split("{x}")[0]


def _needs_mask(piece: Piece) -> bool:
    if piece.ways:
        return piece.masked and any(_takes_mask(way) for _, way in piece.ways)
    return piece.masked


def _takes_mask(pieces: Sequence[Piece]) -> bool:
    """Say whether a row of pieces must be given a mask."""
    for piece in pieces:
        if piece.begins:
            return False
        if _needs_mask(piece):
            return True
    return False


def _own(classes: Sequence[str], dialect: Dialect) -> list[str]:
    """Return the sources of the classes and functions that are used, in their order."""
    used: set[str] = set()
    texts = {name: _plain(inspect.getsource(each)) for name, each in dialect.own.items()}
    waiting = list(classes)
    while waiting:
        text = waiting.pop()
        for name, source in texts.items():
            if name not in used and re.search(rf"(?<![\w.]){name}\(", text):
                used.add(name)
                waiting.append(source)
    return [source for name, source in texts.items() if name in used]


def _plain(source: str) -> str:
    """Return source without the remarks that are for this project's checks."""
    return re.sub(r"  # (?:pyright|noqa|type):? ?[^\n]*", "", source).rstrip()
