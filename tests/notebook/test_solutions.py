"""The tutorials' exercises: posed as agreed, open as they stand, solved by their solutions."""

import importlib
import os
import re

import nbclient
import nbformat
import pytest

from maasnb.exercises.checking import known_exercises
from tests.notebook.needed import needed_cells
from tests.notebook.tutorials import (
    CHECK,
    NOTEBOOKS,
    ROOT,
    exercises_in,
    name_of,
    read,
)

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
def test_every_notebook_has_exercises_each_with_its_check(path):
    posed = exercises_in(read(path))
    assert posed
    checks = [cell.source for cell in read(path).cells if CHECK.fullmatch(cell.source)]
    assert checks == [f"%maas check {each.number}" for each in posed]


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


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=name_of)
def solved(request, tmp_path_factory):
    """Run each solution in the place of its exercise, with the cells that it needs."""
    notebook, folder = read(request.param), tmp_path_factory.mktemp("notebook")
    posed = exercises_in(notebook)
    for each in posed:
        notebook.cells[each.place].source = each.solution
    places = needed_cells(sources_for(notebook, posed), wanted={
        place for each in posed for place in (each.place, each.place + 1)
    })  # fmt: skip
    answers = [places.index(each.place + 1) for each in posed]
    notebook.cells = [notebook.cells[place] for place in places]
    with pytest.MonkeyPatch.context() as patch:
        outside = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), outside])))
        patch.setenv("MAASNB_HOME", str(folder / "maas"))
        patch.setenv("MAASNB_PANEL", "static")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(
            cwd=str(request.param.parent)
        )
    return [shown(notebook.cells[place]) for place in answers]


def sources_for(notebook, posed):
    """Return each cell's code; a solution's with the names that its check looks at."""
    sources = [cell.source if cell.cell_type == "code" else None for cell in notebook.cells]
    for each in posed:
        sources[each.place] += "\n" + "\n".join(exercise_of(each.number).needs)
    return sources


@pytest.mark.long
@pytest.mark.timeout(600)
def test_each_solution_is_accepted(solved):
    assert [words for words in solved if not re.match(r"Exercise \S+: solved\.", words)] == []


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


def test_the_cells_that_an_exercise_needs_are_those_that_make_or_change_its_names():
    sources = [
        "%load_ext maasnb",
        "%maas data digits",
        "def double(given):\n    other = given\n    return factor * other",
        "factor = 2",
        "other = 3",
        "%%maas build net --data digits\nDense(factor)",
        None,
        "scores = {}",
        "scores['a'] = 1",
        "%%capture\nrun = mb.train(net, digits)",
        "print(run)",
        "double(len(scores)), run",
    ]
    assert needed_cells(sources, wanted={11}) == [0, 1, 2, 3, 5, 7, 8, 9, 11]
    assert needed_cells(["a = 1", "a = 2", "a"], wanted={2}) == [1, 2]


def test_who_asks_a_published_model_needs_the_cells_that_published_and_changed_it():
    sources = [
        "run = 1",
        "%maas publish run scans --alias prod",
        "%maas publish run others",
        "%maas promote scans 2",
        "%maas versions scans",
        "scans = mb.connect('scans')\n%maas shadow scans 2",
        "scans.predict(1)",
    ]
    assert needed_cells(sources, wanted={6}) == [0, 1, 3, 5, 6]
