"""Rows of words as aligned text."""

import pytest

from maasnb.tables import aligned, is_number


def test_words_are_left_and_numbers_right():
    assert aligned([("a", "1"), ("long", "1,000")]) == "a         1\nlong  1,000"


def test_a_short_row_is_filled():
    assert aligned([("a", "b", "c"), ("d",)]) == "a  b  c\nd"


def test_a_cell_with_ends_of_lines_stays_in_its_row():
    assert aligned([("price\n(EUR)", "1"), ("a\u2028b", "2")]) == "price (EUR)  1\na b          2"


def test_no_rows_are_no_text():
    assert aligned([]) == ""


@pytest.mark.parametrize("cell", ["4,160", "0.5", "-", "", "1e-3", "-2"])
def test_a_number_is_one(cell):
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["64 x 32", "dense1", "1.2 GiB"])
def test_words_are_no_number(cell):
    assert not is_number(cell)
