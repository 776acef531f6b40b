"""Rows of words as aligned text, for everything that is shown as a table."""

import re
from collections.abc import Sequence

__all__ = ["aligned", "is_number"]

GAP = "  "
_UNIT = re.compile(r" ?(%|[kMG]?B)$")


def aligned(rows: Sequence[Sequence[str]], columns: Sequence[str] = ()) -> str:
    """Return rows as text with aligned columns; no line ends with a space.

    Args:
        rows: cells [n][columns]; a column whose cells are all numbers is aligned on its right.
        columns: the columns' names; left out when empty.

    >>> print(aligned([("dense1", "4,160"), ("out", "650")], ("layer", "parameters")))
    layer   parameters
    dense1       4,160
    out            650
    """
    lines = [tuple(columns), *map(tuple, rows)] if columns else [tuple(row) for row in rows]
    if not lines:
        return ""
    count = max(len(line) for line in lines)
    filled = [line + ("",) * (count - len(line)) for line in lines]
    widths = [max(len(line[place]) for line in filled) for place in range(count)]
    body = filled[1:] if columns else filled
    right = [all(is_number(line[place]) for line in body) for place in range(count)]
    return "\n".join(
        GAP.join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in filled
    )


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
