"""The texts of the front ends, taken from their TypeScript: what its catalogue must have.

Every string and template is read, with `{}` for each value that is put in. A string of words with a
space between them is a text, and so is a single word that begins with a capital letter; names of
classes, elements, keys and addresses are not.
"""

import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "extension" / "src"
FOLDERS = ("panel", "page")

NO_WORDS = {
    "AbortError",
    "AnyModel",
    "AnyView",
    "ArrowDown",
    "ArrowLeft",
    "ArrowRight",
    "ArrowUp",
    "BYTES",
    "BOOL",
    "Backspace",
    "Bearer {}",
    "Delete",
    "Enter",
    "Escape",
    "FP",
    "FP32",
    "LayoutModel",
    "ONNX",
    "POST",
    "StableHLO",
    "{} GB",
    "{} MB",
    "{} ms",
    "{} s",
    "(prefers-color-scheme: dark)",
    "IPY_MODEL_{}",
    "front end",
    "top p",
    "maasnb-{}-{}",
    'mb.publish(run, "name")',
    "system-ui, sans-serif",
    "{} · maasnb",
    "bar best",
    "finding bad",
    "English",
}
"""Names of keys, types and units, which are the same in every language."""

_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)
_WORDS = re.compile(r"[A-Za-z]{2,}.* |.* [A-Za-z]{2,}|^[A-Z][a-z]+$")
_CODE = re.compile(
    r"^export default|^-H |^curl |mb-|^[\w./-]*/|#/|^@|=>|\\\\|^font|^linear-gradient|rgb\(|px"
    r"|^application/|^maasnb: "
)
_NOT_SHOWN = re.compile(
    r"(?:class|dataset\[|import .* from|import|localeCompare|querySelector\w*|classList\.\w+)\W*$"
)


def texts() -> dict[str, set[str]]:
    """Return the texts of each folder."""
    return {
        folder: {text for path in sorted((SOURCES / folder).glob("*.ts")) for text in of(path)}
        for folder in FOLDERS
    }


def of(path: Path) -> Iterator[str]:
    """Yield the texts of a file."""
    for text, before in strings(read(path)):
        if is_text(text) and not _NOT_SHOWN.search(before):
            yield text


def read(path: Path) -> str:
    """Return a file without its comments."""
    return _COMMENT.sub("", path.read_text(encoding="utf-8"))


def is_text(text: str) -> bool:
    """Say whether a string is one that people read.

    >>> is_text("Look again"), is_text("mb-wide mb-head"), is_text("Stop"), is_text("stop")
    (True, False, True, False)
    """
    return (
        text not in NO_WORDS
        and not _CODE.search(text)
        and bool(_WORDS.search(text.replace("{}", " ")))
    )


def strings(source: str) -> Iterator[tuple[str, str]]:
    r"""Yield each string of a source with what stands before it on its line.

    >>> list(strings('h("a", `b ${x ? "c" : ""} d`)'))
    [('a', 'h('), ('b {} d', 'h("a", '), ('c', 'h("a", `b ${x ? '), ('', 'h("a", `b ${x ? "c" : ')]
    """
    place = 0
    while place < len(source):
        if source[place] in "\"'`":
            line = source.rfind("\n", 0, place) + 1
            text, inside, end = _read(source, place)
            yield text, source[line:place]
            for start, stop in inside:
                for below, before in strings(source[start:stop]):
                    yield below, source[line:start] + before
            place = end
        else:
            place += 1


def _read(source: str, start: int) -> tuple[str, list[tuple[int, int]], int]:
    """Return the string that begins at a quote, where its values are, and where it ends."""
    quote, text, inside = source[start], "", []
    place = start + 1
    while source[place] != quote:
        if source[place] == "\\":
            text += {"n": "\n"}.get(source[place + 1], source[place + 1])
            place += 2
        elif quote == "`" and source.startswith("${", place):
            end = _value_end(source, place + 2)
            inside.append((place + 2, end))
            text += "{}"
            place = end + 1
        else:
            text += source[place]
            place += 1
    return text, inside, place + 1


def _value_end(source: str, start: int) -> int:
    """Return the place of the brace that ends a value of a template."""
    depth, place = 0, start
    while depth or source[place] != "}":
        if source[place] in "\"'`":
            place = _read(source, place)[2]
            continue
        depth += (source[place] == "{") - (source[place] == "}")
        place += 1
    return place
