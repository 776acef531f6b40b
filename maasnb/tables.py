"""Rows of words as aligned text, for everything that is shown as a table."""

import re
import unicodedata
from collections.abc import Sequence

from maasnb.language.translating import translated

__all__ = ["aligned", "filled", "is_number", "width"]

GAP = "  "
_UNIT = re.compile(r" ?(%|[kMG]?B)$")


def aligned(rows: Sequence[Sequence[str]], columns: Sequence[str] = ()) -> str:
    """Return rows as text with aligned columns; no line ends with a space.

    A name of somebody's, as of a spreadsheet's column, may hold ends of lines: a row stays a line.

    Args:
        rows: cells [n][columns]; a column whose cells are all numbers is aligned on its right.
        columns: the columns' names, shown in the reader's language; left out when empty.

    >>> print(aligned([("dense1", "4,160"), ("out", "650")], ("layer", "parameters")))
    layer   parameters
    dense1       4,160
    out            650
    """
    head = tuple(map(translated, columns))
    lines = [head, *map(tuple, rows)] if columns else [tuple(row) for row in rows]
    if not lines:
        return ""
    count = max(len(line) for line in lines)
    flat = [tuple(" ".join(cell.splitlines()) for cell in line) for line in lines]
    whole = [line + ("",) * (count - len(line)) for line in flat]
    widths = [max(width(line[place]) for line in whole) for place in range(count)]
    body = whole[1:] if columns else whole
    right = [all(is_number(line[place]) for line in body) for place in range(count)]
    return "\n".join(
        GAP.join(
            filled(cell, size, right=to_right)
            for cell, size, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in whole
    )


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters take two.

    >>> width("loss"), width("损失")
    (4, 4)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )


def filled(text: str, columns: int, *, right: bool = False) -> str:
    """Return a text with spaces before or behind it, so that it takes so many columns.

    >>> filled("损失", 6), filled("0.5", 6, right=True)
    ('损失  ', '   0.5')
    """
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def is_number(cell: str) -> bool:
    """Say whether a cell is a number as tables write it: `4,160`, `0.5`, `-`, `16 kB`, or empty.

    >>> [is_number(cell) for cell in ("1e-3", "12%", "< 1%", "16.6 kB", "16 x 28", "relu")]
    [True, True, True, True, False, False]
    """
    text = _UNIT.sub("", cell.replace(",", "").strip().removeprefix("< "))
    if text in ("", "-"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
