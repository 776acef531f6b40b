"""Targets of several labels an example: as sets, as lists, as zeros and ones; and wrong ones."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.errors import DataError, OptionError

SETS = [{"red", "round"}, {"round"}, set(), {"sweet", "red"}] * 10
X = np.arange(80.0).reshape(40, 2)


@pytest.mark.parametrize(
    ("y", "options"),
    [
        (SETS, {}),
        ([sorted(each) for each in SETS], {}),
        ([sorted(each) for each in SETS], {"kind": "multilabel"}),
        (np.array(SETS, dtype=object), {}),
        (
            [[int(name in each) for name in ("red", "round", "sweet")] for each in SETS],
            {"kind": "multilabel", "labels": ["red", "round", "sweet"]},
        ),
        (
            np.array([[name in each for name in ("red", "round", "sweet")] for each in SETS]),
            {"kind": "multilabel", "labels": ["red", "round", "sweet"]},
        ),
    ],
    ids=["sets", "lists", "lists of a kind", "an array of sets", "zeros and ones", "booleans"],
)
def test_labels_are_the_same_however_they_are_given(y, options):
    made = mb.data(X, y, split=(1, 0, 0), **options)
    assert (made.kind, made.labels) == ("multilabel", ("red", "round", "sweet"))
    np.testing.assert_array_equal(made.train.y[:4], [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert made.target_width == 3


def test_columns_without_names_are_numbered():
    made = mb.data(X, np.eye(2, dtype=int)[np.arange(40) % 2], kind="multilabel")
    assert made.labels == ("0", "1")


def test_given_labels_set_the_order_and_may_name_one_that_nobody_has():
    made = mb.data(X, SETS, labels=["sweet", "red", "round", "blue"], split=(1, 0, 0))
    np.testing.assert_array_equal(made.train.y[0], [0, 1, 1, 0])


def test_data_say_how_often_each_label_stands():
    made = mb.data(X, SETS, split=(1, 0, 0))
    expected = "targets   3 labels, any number an example: red (20), round (20), sweet (10)"
    assert expected in str(made)


def test_lists_of_one_text_each_are_classes():
    assert mb.data(X, [["a"], ["b"]] * 20).kind == "classification"


def test_one_hot_rows_are_told_what_they_may_be():
    with pytest.raises(DataError, match='for rows with any number of labels: kind="multilabel"'):
        mb.data(X, np.eye(2, dtype=int)[np.arange(40) % 2])


@pytest.mark.parametrize(
    ("y", "options", "words"),
    [
        (SETS[:7], {}, "x has 40 examples, but y has 7 targets"),
        (SETS, {"labels": ["red", "round"]}, "outside the 2 labels: sweet. Expected: red, round"),
        ([{"a"}] * 40, {}, 'There is 1 label; expected at least two. .*kind="classification"'),
        ([set()] * 40, {}, "There are 0 labels"),
        (np.full((40, 2), 2), {"kind": "multilabel"}, "expected 0 and 1"),
        (np.arange(40), {"kind": "multilabel"}, r"are no labels \(shape \(40,\)"),
        ([[0, 1], [1]] * 20, {"kind": "multilabel"}, "are no labels"),
        (
            np.ones((40, 3)),
            {"kind": "multilabel", "labels": ["a", "b"]},
            "have 3 columns, but labels= has 2 names",
        ),
        (SETS, {"labels": ["a", "a"]}, "expected names, each once"),
    ],
)
def test_what_is_no_labels_is_refused(y, options, words):
    with pytest.raises(DataError, match=words):
        mb.data(X, y, **options)


def test_labels_are_not_standardized():
    with pytest.raises(OptionError, match="the targets are classes"):
        mb.data(X, SETS, prep=[mb.standardize_target()])


def test_labels_are_not_balanced():
    with pytest.raises(OptionError, match="but the data is multilabel"):
        mb.data(X, SETS, balance="weights")


def test_the_report_on_data_counts_each_label():
    report = mb.inspect(mb.data(X, SETS))
    assert report.notes[0] == "Labels: red 20 (50%), round 20 (50%), sweet 10 (25%)."
