"""The tutorials' exercises: posed as agreed, open as they stand, solved by their solutions."""

import importlib
import os
import re

import nbclient
import nbformat
import pytest

from maasnb.exercises.checking import known_exercises
from tests.notebook.tutorials import (
    CHECK,
    NOTEBOOKS,
    ROOT,
    exercises_in,
    name_of,
    read,
)

WITHOUT_EXERCISES = {
    "00_quickstart": "the first five cells that anybody runs; there is nothing to work out yet",
    "10_publish_and_operate": "a walk through the life of a served model, every step of it shown",
}
"""Notebook -> why it asks for nothing."""

MOST_MB = 1500
"""Of memory for the kernel of a notebook; mybinder.org gives 2 GB, the servers included."""

PEAK = """
import resource, sys
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak // (1024 if sys.platform == "linux" else 2**20))
"""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)


def exercise_of(number):
    module = importlib.import_module(f"maasnb.exercises.tutorial_{number.partition('.')[0]}")
    return module.EXERCISES[number]


def shown(cell):
    """Return the words that a cell's outputs show."""
    texts = (
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )
    return "\n".join("".join(text) for text in texts)


@every_notebook
def test_a_notebook_has_exercises_or_a_reason_for_none(path):
    posed = exercises_in(read(path))
    assert bool(posed) != (path.stem in WITHOUT_EXERCISES)
    checks = [cell.source for cell in read(path).cells if CHECK.fullmatch(cell.source)]
    assert checks == [f"%maas check {each.number}" for each in posed]


def test_the_reasons_are_those_of_notebooks_that_exist():
    assert set(WITHOUT_EXERCISES) <= {path.stem for path in NOTEBOOKS}


def test_every_exercise_of_the_package_is_posed_in_the_notebook_of_its_number():
    posed = {each.number: path.stem[:2] for path in NOTEBOOKS for each in exercises_in(read(path))}
    assert sorted(posed) == sorted(known_exercises())
    assert [number for number, tutorial in posed.items() if number[:2] != tutorial] == []


@every_notebook
def test_a_notebook_shows_that_its_exercises_are_not_solved_yet_and_what_to_do(path):
    cells = read(path).cells
    for each in exercises_in(read(path)):
        words = shown(cells[each.place + 1])
        assert words.startswith(f"Exercise {each.number}: not solved yet.\n")


@every_notebook
def test_the_cells_that_an_exercise_needs_are_there(path):
    notebook = read(path)
    for each in exercises_in(notebook):
        lines = {
            line
            for cell in notebook.cells[: each.place + 1]
            if cell.cell_type == "code"
            for line in cell.source.splitlines()
        }
        needs = exercise_of(each.number).needs
        assert needs, f"{each.number} looks at nothing"
        assert [line for line in needs.values() if line not in lines] == []


@pytest.fixture(
    scope="module",
    params=[path for path in NOTEBOOKS if path.stem not in WITHOUT_EXERCISES],
    ids=name_of,
)
def solved(request, tmp_path_factory):
    """Run a notebook with each solution in the place of its exercise; return it and its peak."""
    notebook, folder = read(request.param), tmp_path_factory.mktemp("notebook")
    posed = exercises_in(notebook)
    for each in posed:
        notebook.cells[each.place].source = each.solution
    notebook.cells = [*notebook.cells[: posed[-1].place + 2], nbformat.v4.new_code_cell(PEAK)]
    with pytest.MonkeyPatch.context() as patch:
        outside = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), outside])))
        patch.setenv("MAASNB_HOME", str(folder / "maas"))
        patch.setenv("MAASNB_PANEL", "static")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(
            cwd=str(request.param.parent)
        )
    return posed, notebook.cells


@pytest.mark.tutorials
@pytest.mark.timeout(600)
def test_each_solution_is_accepted(solved):
    posed, cells = solved
    answers = [shown(cells[each.place + 1]) for each in posed]
    assert [words for words in answers if not re.match(r"Exercise \S+: solved\.", words)] == []


@pytest.mark.tutorials
def test_a_notebook_fits_on_a_small_machine(solved, record_property):
    _, cells = solved
    peak_mb = int(shown(cells[-1]))
    record_property("peak_mb", peak_mb)
    assert peak_mb < MOST_MB


# The rules can fail.


def notebook_of(*cells):
    made = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    notebook = nbformat.v4.new_notebook(cells=[made[kind](text) for kind, text in cells])
    notebook.cells[1].metadata["tags"] = ["exercise"]
    return notebook


TASK = ("markdown", "### Exercise 06.2\n\nCount.")
START = ("code", "answer = ...")
CHECKED = ("code", "%maas check 06.2")
SOLUTION = (
    "markdown",
    "<details><summary>Solution</summary>\n\n```python\nanswer = 42\n```\n</details>",
)


def test_an_exercise_as_agreed_is_found():
    (posed,) = exercises_in(notebook_of(TASK, START, CHECKED, SOLUTION))
    assert (posed.number, posed.place, posed.solution) == ("06.2", 1, "answer = 42\n")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((TASK, START, CHECKED), "a text with its solution"),
        ((("markdown", "Count."), START, CHECKED, SOLUTION), "no heading like"),
        ((TASK, START, ("code", "%maas runs"), SOLUTION), "not one line like"),
        ((TASK, START, ("code", "%maas check 06.3"), SOLUTION), "another number"),
        ((TASK, START, CHECKED, ("markdown", SOLUTION[1][40:])), "not hidden"),
        ((TASK, START, CHECKED, ("markdown", "<summary>Solution</summary>")), "0 fences"),
    ],
    ids=["no solution", "no heading", "no check", "other number", "not hidden", "no fence"],
)
def test_an_exercise_that_is_not_as_agreed_fails(cells, message):
    with pytest.raises(AssertionError, match=message):
        exercises_in(notebook_of(*cells))
