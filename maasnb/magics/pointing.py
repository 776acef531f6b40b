"""Where on a line a mistake is: the line once more, with carets under the word.

Whoever looks a word up notes it beside the error; an error from further below names it itself,
where what was not known is a name.
"""

import re

from maasnb.errors import MaasError
from maasnb.tables import width

__all__ = ["at", "pointed"]

_LONGEST = 96
_INDENT = "  "


def at(error: MaasError, word: str) -> MaasError:
    """Note beside an error which word of the line it is about; return the error.

    A note from nearer to the word, which came first, stays.
    """
    error.__dict__.setdefault("word", word)
    return error


def pointed(error: MaasError, line: str, cell: str | None) -> str:
    """Return the line with carets under the word that an error is about; empty for none.

    Args:
        error: the error.
        line: the words behind `%maas`.
        cell: the lines below `%%maas`, or None.
    """
    noted = error.__dict__.get("word")
    word = str(noted or getattr(error, "name", None) or "")
    if not word:
        return ""
    head = "%maas " if cell is None else "%%maas "
    spot = _spot(head + line, word, start=len(head))
    if spot is None and not noted:
        rows = (_spot(row, word) for row in (cell or "").splitlines())
        spot = next((found for found in rows if found is not None), None)
    return "" if spot is None else _drawn(*spot)


def _spot(line: str, word: str, start: int = 0) -> tuple[str, int, int] | None:
    """Return the line, and where in it the word begins and ends."""
    # Not inside another word: in `train nett net`, net is the third one.
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
    found = pattern.search(line, start)
    return None if found is None else (line, found.start(), found.end())


def _drawn(line: str, start: int, end: int) -> str:
    if end > _LONGEST:  # a long prompt may stand before the word
        cut = start - _LONGEST // 2
        line, start, end = f"...{line[cut:]}", start - cut + 3, end - cut + 3
    shown = line if width(line) <= 2 * _LONGEST else line[: 2 * _LONGEST] + "..."
    carets = " " * width(line[:start]) + "^" * max(1, width(line[start:end]))
    return f"{_INDENT}{shown}\n{_INDENT}{carets}"
