"""Reports: numbers by name, and a table as aligned text."""

import pytest

from maasnb.errors import UnknownNameError
from maasnb.study.reports import Report

TABLE = Report(
    kind="evaluation",
    title="The run 'net'",
    columns=("class", "F1"),
    rows=[("a long name", "0.50"), ("b", "1")],
    notes=["All is well."],
    values={"accuracy": 0.5},
)


def test_a_number_is_asked_for_by_name():
    assert TABLE["accuracy"] == 0.5


def test_an_unknown_number_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="'acuracy'. Did you mean 'accuracy'"):
        TABLE["acuracy"]


def test_the_table_begins_with_its_head():
    assert TABLE.table() == (("class", "F1"), ("a long name", "0.50"), ("b", "1"))


def test_as_text_names_stand_left_and_numbers_right():
    assert str(TABLE) == (
        "The run 'net'\n  class          F1\n  a long name  0.50\n  b               1\nAll is well."
    )


def test_a_report_without_rows_is_its_title_and_notes():
    report = Report(kind="evaluation", title="Nothing", columns=("class",), notes=["Wait."])
    assert str(report) == "Nothing\nWait."


def test_a_notebook_shows_the_text():
    assert repr(TABLE) == str(TABLE)
