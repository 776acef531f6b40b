"""The notebooks under notebooks/: where they lie, and the exercises in them."""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ARTICLES = sorted(FOLDER.glob("articles/*.ipynb"))
"""Notebooks that show examples of others' articles; they pose no exercises."""

HEADING = re.compile(r"^#+ \D*(\d\d\.\d+)", flags=re.MULTILINE)
FENCE = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
CHECK = re.compile(r"^%maas check (\S+)$")


def name_of(path):
    return str(path.relative_to(FOLDER).with_suffix(""))


def read(path):
    return nbformat.read(path, as_version=4)


def is_exercise(cell):
    return cell.cell_type == "code" and "exercise" in cell.metadata.get("tags", [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """Hold an exercise as it stands in a notebook; `place` is the index of the cell to fill in."""

    number: str
    place: int
    solution: str


def exercises_in(notebook):
    """Return the exercises of a notebook; one that is not written as agreed fails, in words."""
    cells = notebook.cells
    found = []
    for place, cell in enumerate(cells):
        if is_exercise(cell):
            around = cells[max(0, place - 1)], *cells[place + 1 : place + 3]
            assert [each.cell_type for each in around] == ["markdown", "code", "markdown"], (
                f"cell {place}: an exercise stands between a text with its task, and a cell with "
                "its check and a text with its solution"
            )
            task, check, solution = (each.source for each in around)
            heading, fences = HEADING.search(task), FENCE.findall(solution)
            assert heading, f"cell {place - 1}: no heading like '### Exercise 06.2'"
            assert CHECK.fullmatch(check), f"cell {place + 1}: not one line like '%maas check 06.2'"
            assert "<summary>" in solution, f"cell {place + 2}: the solution is not hidden"
            assert len(fences) == 1, f"cell {place + 2}: {len(fences)} fences of Python, not one"
            assert CHECK.fullmatch(check)[1] == heading[1], f"cell {place + 1}: another number"
            found.append(Posed(number=heading[1], place=place, solution=fences[0]))
    return found
