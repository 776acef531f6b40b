"""The page that says which notebook cell shows each subject of the course and which test proves it.

A code cell shows the subjects that its tags name, a test proves those of its marker:
`@pytest.mark.coverage("A4")`. A test with the `backend` fixture counts for both frameworks; another
one says which: `@pytest.mark.coverage("A4", backends=["torch", "jax"])`. Tests are read, not run,
so that the page is the same whatever is installed. `python -m tests.coverage_page` writes it.
"""

import ast
import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.coverage_rows import ROWS, Row

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "coverage.md"
COMMAND = "python -m tests.coverage_page"

ROW_ID = re.compile(r"[A-Z]\d{1,2}")
WORDS = (
    "Each subject of a course on models as services, with the cells of the "
    "[notebooks](../notebooks/README.md) that show it, the tests that prove it,\n"
    "and the frameworks that those tests run with; where a subject is not about models they stay "
    "empty. Cells are numbered as they run. Subjects\nmarked *later* are not there yet. "
    f"`{COMMAND}` writes this page; a test fails when it is old, or when a subject has neither "
    "cell nor test."
)
HEAD = f"""# What is covered

{WORDS}

| id | what | notebook and cell | tests | torch | jax |
| --- | --- | --- | --- | --- | --- |
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """Name a code cell: its notebook, and its number among the code cells, counted from 1."""

    notebook: str
    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """Name a test, with the frameworks that it runs with."""

    file: str
    name: str
    backends: tuple[str, ...]


def tagged_cells(root: Path = ROOT) -> Iterator[tuple[str, Cell]]:
    """Yield each row's id that a code cell is tagged with, and the cell; notebooks in order."""
    folder = root / "notebooks"
    for path in (*sorted(folder.glob("*.ipynb")), *sorted(folder.glob("articles/*.ipynb"))):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        for number, cell in enumerate(code, 1):
            for tag in cell["metadata"].get("tags", ()):
                if ROW_ID.fullmatch(tag):
                    yield tag, Cell(path.relative_to(folder).as_posix(), number)


def marked_tests(root: Path = ROOT) -> Iterator[tuple[str, Proof]]:
    """Yield each row's id that a test is marked with, and the test; files in order."""
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.coverage(" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                for mark in map(_coverage_of, node.decorator_list):
                    if mark is not None:
                        ids, named = mark
                        both = any(each.arg == "backend" for each in node.args.args)
                        backends = ("torch", "jax") if both else named
                        file = path.relative_to(root).as_posix()
                        yield from ((each, Proof(file, node.name, backends)) for each in ids)


def _coverage_of(decorator: ast.expr) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the ids and the backends of a `coverage` marker; None for another decorator."""
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != "pytest.mark.coverage":
        return None
    named = {word.arg: ast.literal_eval(word.value) for word in decorator.keywords}
    ids = tuple(ast.literal_eval(each) for each in decorator.args)
    return ids, tuple(named.get("backends", ()))


def page(root: Path = ROOT) -> str:
    """Return the page."""
    cells, proofs = list(tagged_cells(root)), list(marked_tests(root))
    lines = [
        _line(row, [c for row_id, c in cells if row_id == row.id],
              [p for row_id, p in proofs if row_id == row.id])
        for row in ROWS
    ]  # fmt: skip
    return HEAD + "\n".join(lines) + "\n"


def _line(row: Row, cells: list[Cell], proofs: list[Proof]) -> str:
    numbers: dict[str, list[str]] = {}
    for cell in cells:
        numbers.setdefault(cell.notebook, []).append(str(cell.number))
    shown = [
        f"[{name.removesuffix('.ipynb')}](../notebooks/{name}) {', '.join(found)}"
        for name, found in numbers.items()
    ]
    proven = [f"[{each.name}](../{each.file})" for each in dict.fromkeys(proofs)]
    ticks = [
        "yes" if row.models and any(name in each.backends for each in proofs) else ""
        for name in ("torch", "jax")
    ]
    what = row.what if row.when == "now" else f"{row.what} (*later*)"
    columns = (row.id, what, "<br>".join(shown), "<br>".join(proven), *ticks)
    return f"| {' | '.join(columns)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"Wrote {PAGE.relative_to(ROOT)}\n")
