"""The report on data: each flaw is made, and found; good data are left in peace."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.errors import DataError, UnknownNameError
from maasnb.study.columns import column_of
from maasnb.study.flaws import FINDERS
from maasnb.study.reports import FLAWS


def good(rows=120):
    """Return standardised measures of two classes, in which nothing is wrong."""
    random = np.random.default_rng(0)
    y = np.arange(rows) % 2
    return random.normal(size=(rows, 4)) + y[:, None] * 0.7, y


def with_copies_in_the_test():
    x, y = good()
    plain = mb.data(x, y)
    x = np.concatenate([x, plain.train.x[:30]])
    return mb.data(x, np.concatenate([y, plain.train.y[:30]]))


def with_the_answer_in_a_column():
    x, y = good()
    return mb.data(np.column_stack([x, y * 3.0]), y, features=[*"abcd", "code"])


def with_contradictions():
    x, y = good()
    x[:10] = x[10:20]
    y[:10] = 1 - y[10:20]
    return mb.data(x, y)


def with_a_rare_class():
    x, y = good()
    return mb.data(x, np.where(np.arange(120) < 3, 2, y), labels=["a", "b", "rare"])


def unbalanced():
    x, _ = good(400)
    return mb.data(x, (np.arange(400) % 20 == 0).astype(int))


def unscaled():
    x, y = good()
    return mb.data(x * [1, 1, 5000, 1], y)


def with_repetitions():
    x, y = good()
    return mb.data(np.repeat(x, 2, axis=0), np.repeat(y, 2), split=(1, 0, 0))


def with_a_constant():
    x, y = good()
    return mb.data(np.column_stack([x, np.full(120, 7.0)]), y)


def with_an_extreme():
    x, y = good()
    x[5, 1] = 999
    return mb.data(x, y)


def with_holes():
    x, y = good()
    made = mb.data(x, y)
    made.train.x[3:9, 2] = np.nan  # what a recipe that fills gaps would have let in
    return made


MADE = {
    "in_two_splits": with_copies_in_the_test,
    "gives_away": with_the_answer_in_a_column,
    "contradictions": with_contradictions,
    "missing": with_holes,
    "rare_class": with_a_rare_class,
    "unbalanced": unbalanced,
    "unscaled": unscaled,
    "duplicates": with_repetitions,
    "constant": with_a_constant,
    "extremes": with_an_extreme,
}


@pytest.mark.coverage("B1")
@pytest.mark.parametrize("kind", FLAWS)
def test_each_flaw_is_found_in_data_that_have_it_and_in_no_others(kind):
    found = {finding.kind for finding in mb.inspect(MADE[kind]()).findings}
    assert kind in found
    assert kind not in {finding.kind for finding in mb.inspect(mb.data(*good())).findings}


def test_the_table_of_flaws_is_whole():
    assert list(FLAWS) == list(FINDERS) == list(MADE)


@pytest.mark.parametrize("kind", FLAWS)
def test_the_page_tells_each_flaw(kind):
    from tests.test_docs import DOCS

    assert f"| `{kind}` | {FLAWS[kind]} |" in (DOCS / "inspect.md").read_text()


def test_good_data_are_said_to_be_good():
    report = mb.inspect(mb.data(*good()))
    assert report.findings == ()
    assert report.title.endswith("(96 train, 12 validation, 12 test), no finding")
    assert report.notes[-1] == "Nothing was found that is wrong with the data."


def test_the_numbers_are_those_of_numpy():
    x, y = good()
    report = mb.inspect(mb.data(x, y, features=list("abcd"), split=(1, 0, 0)))
    for place, row in enumerate(report.rows):
        column = x[:, place]
        expected = [f"{value:.4g}" for value in (column.min(), column.mean(), column.max())]
        assert row == ("abcd"[place], "numbers", *expected, "0", "120")


def test_shared_examples_are_counted_by_split():
    made = with_copies_in_the_test()
    learnt = {row.tobytes() for row in made.train.x}
    expected = [
        sum(row.tobytes() in learnt for row in part.x) for part in (made.validation, made.test)
    ]
    finding = mb.inspect(made).findings[0]
    assert finding.kind == "in_two_splits"
    assert [int(word) for word in finding.evidence.split() if word.isdigit()] == [
        number for number in expected if number
    ]


def test_a_regression_tells_its_targets_and_a_column_that_is_one():
    x, _ = good()
    made = mb.data(np.column_stack([x, x[:, 0] * 2 + 1]), x[:, 0], features=[*"abcd", "twice"])
    report = mb.inspect(made)
    assert report.findings[0].where == ("a", "twice")
    assert report.notes[0].startswith("Targets: ")


def test_repetitions_of_balanced_classes_are_no_flaw():
    x, _ = good(400)
    y = (np.arange(400) % 20 == 0).astype(int)
    report = mb.inspect(mb.data(x, y, balance="oversample"))
    assert report.findings == ()
    assert report["examples"] == 400


def test_text_is_told_by_its_characters_and_words():
    report = mb.inspect(mb.data("the cat sat on the mat " * 40, prep=[mb.chars(8)]))
    assert [row[0] for row in report.rows] == ["text", "characters", "words"]
    assert report.rows[1][2:5] == ("8", "8", "8")


def test_images_are_told_by_their_pixels_and_shown():
    report = mb.inspect(mb.data("digits"))
    assert [row[0] for row in report.rows] == ["pixels"]
    assert report.data["images"].shape == (24, 8, 8)
    assert report.data["titles"][:10].tolist() == list("0123456789")


def test_columns_of_many_are_told_by_those_that_are_ill():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 100))
    x[:, 80] = 1.0
    report = mb.inspect(mb.data(x, np.arange(60) % 2))
    assert len(report.rows) == 40
    assert report.rows[0][0] == "80"
    assert report.notes[0] == "60 more columns are not shown."


def test_parts_are_told_one_by_one():
    random = np.random.default_rng(0)
    x = {"ids": random.integers(0, 9, (40, 3)), "size": random.normal(size=(40, 2))}
    rows = mb.inspect(mb.data(x, np.arange(40) % 2)).rows
    assert [row[:2] for row in rows] == [("x['ids']", "whole numbers"), ("x['size']", "numbers")]


def test_columns_of_objects_are_told_by_what_is_in_them():
    numbers = column_of("a", np.array([1, None, 2.5, float("nan")], dtype=object))
    assert (numbers.kind, numbers.missing, numbers.distinct) == ("numbers", 2, 2)
    words = column_of("b", np.array(["x", "", "y", "x"], dtype=object))
    assert (words.kind, words.missing, words.distinct, words.example) == ("text", 1, 2, "x")
    nothing = column_of("c", np.array([None, None], dtype=object))
    assert (nothing.missing, nothing.is_constant) == (2, True)


def test_a_stream_is_not_inspected():
    batches = [(np.ones((4, 2)), np.arange(4) % 2)]
    with pytest.raises(DataError, match="is a stream, of which only the first batch is known"):
        mb.inspect(mb.data(lambda: batches))


def test_data_have_one_report():
    with pytest.raises(UnknownNameError, match="report on data 'gradients'"):
        mb.inspect(mb.data(*good()), "gradients")


def test_gaps_that_the_recipe_fills_are_told_without_the_advice_to_fill_them():
    x, y = good()
    x[3:9, 2] = np.nan
    (finding,) = mb.inspect(mb.data(x, y, prep=[mb.impute()])).findings
    assert finding.kind == "missing"
    assert finding.remedy.startswith("The recipe fills them.")
