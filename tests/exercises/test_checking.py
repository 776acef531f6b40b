"""`check` says whether an exercise is solved; the exercises here are those of a tutorial 99."""

import pytest

import maasnb as mb
import maasnb.exercises
from maasnb.errors import UnknownNameError
from maasnb.exercises.checking import known_exercises
from tests.cells import opened

TUTORIAL = """
from maasnb.exercises.exercise import Exercise, Wrong


def _check(names):
    if names["answer"] + 0 != 42:
        raise Wrong(f"`answer` is {names['answer']}, not 42. Count again.")


NEEDS = {"rows": "rows = 42", "answer": "answer = ..."}
EXERCISES = {
    "99.1": Exercise(task="Count the rows.", needs=NEEDS, check=_check, praise="Well counted."),
    "99.2": Exercise(task="Count again.", needs=NEEDS, check=_check),
}
"""


@pytest.fixture(autouse=True)
def tutorial(tmp_path, monkeypatch):
    (tmp_path / "tutorial_99.py").write_text(TUTORIAL)
    monkeypatch.setattr(maasnb.exercises, "__path__", [*maasnb.exercises.__path__, str(tmp_path)])


@pytest.fixture
def cells():
    with opened() as cells:
        yield cells


def test_a_right_answer_is_accepted_and_what_it_shows_is_said(cells):
    cells.run("rows = 42\nanswer = 42")
    report = cells.run("%maas check 99.1")
    assert str(report) == "Exercise 99.1: solved.\nWell counted."
    assert report["solved"] == 1


def test_a_wrong_answer_is_told_what_is_wrong_and_what_to_try(cells):
    cells.run("rows = 42\nanswer = 41")
    report = cells.run("%maas check 99.1")
    assert str(report) == ("Exercise 99.1: not solved yet.\n`answer` is 41, not 42. Count again.")
    assert report["solved"] == 0


def test_dots_are_no_answer_yet(cells):
    cells.run("rows = 42\nanswer = ...")
    assert str(cells.run("%maas check 99.1")) == (
        "Exercise 99.1: not solved yet.\nCount the rows.\n"
        "`answer` is still `...`, the dots that stand for your answer."
    )


def test_a_notebook_run_out_of_order_is_told_which_cell_to_run_first(cells):
    cells.run("answer = 42")
    assert str(cells.run("%maas check 99.1")) == (
        "Exercise 99.1: not solved yet.\n`rows` is not there yet.\n"
        "Run first the cell with this line: `rows = 42`"
    )


def test_an_answer_of_a_kind_that_nobody_thought_of_is_no_error(cells):
    cells.run("rows = 42\nanswer = 'many'")
    text = str(cells.run("%maas check 99.1"))
    assert "The check could not use `rows`, `answer`: TypeError: can only concatenate str" in text
    assert text.endswith("Count the rows.")


def test_python_asks_in_the_same_words(cells):
    cells.run("rows = 42\nanswer = 42\nimport maasnb as mb")
    assert cells.run('mb.check("99.1")["solved"]') == 1


def test_an_exercise_that_does_not_exist_is_an_error_that_lists_those_that_do(cells):
    with pytest.raises(UnknownNameError, match=r"There is no exercise '99\.3'\..*99\.1, 99\.2"):
        cells.run("%maas check 99.3")
    with pytest.raises(UnknownNameError, match="There is no exercise '98.1'"):
        mb.check("98.1")
    with pytest.raises(UnknownNameError, match="There is no exercise 'one'"):
        mb.check("one")


def test_the_known_exercises_are_those_of_every_tutorial():
    assert {"99.1", "99.2"} <= set(known_exercises())
