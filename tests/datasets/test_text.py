"""Text as data: windows of characters, a vocabulary as data, and the way to tokens and back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maasnb as mb
from maasnb.datasets.recipes import Chars, Recipe
from maasnb.datasets.text import UNKNOWN
from maasnb.errors import DataError, OptionError

TEXT = "Zwölf Boxkämpfer jagen Viktor.\n" * 40
CHINESE = "学而时习之。不亦说乎。有朋自远方来。不亦乐乎。\n" * 40


def test_a_text_becomes_windows_and_the_characters_that_come_next():
    data = mb.data(TEXT, prep=[mb.chars(10)])
    text = data.recipe.text
    assert data.train.inputs.shape == data.train.targets.shape == (98, 10)
    assert "".join(data.train.x) == TEXT[:980]
    assert text.decode(data.train.inputs.ravel()) == TEXT[:980]
    assert text.decode(data.train.targets.ravel()) == TEXT[1:981]
    np.testing.assert_array_equal(data.train.inputs[1:, 0], data.train.targets[:-1, -1])


def test_the_splits_of_a_text_follow_each_other_so_that_none_has_seen_the_next():
    data = mb.data(TEXT, prep=[mb.chars(10)], split=(0.5, 0.25, 0.25))
    joined = ["".join(split.x) for split in (data.train, data.validation, data.test)]
    assert "".join(joined) == TEXT[: sum(map(len, joined))]


def test_the_vocabulary_is_that_of_the_training_text_in_the_order_of_unicode():
    data = mb.data("ab" * 40 + "xy" * 11, prep=[mb.chars(4)], split=(0.8, 0, 0.2))
    assert data.recipe.text.vocabulary == (UNKNOWN, "a", "b")
    assert set(data.test.inputs.ravel()) == {0}  # x and y are not known


@pytest.mark.coverage("B4")
@given(st.text(alphabet="ab\n猫𝄞xyz0\0", max_size=40))
def test_what_is_known_comes_back_as_it_was_and_all_else_as_unknown(text):
    step = Chars(8).learn("ab\n猫𝄞")
    expected = "".join(letter if letter in "ab\n猫𝄞" else UNKNOWN for letter in text)
    assert step.decode(step.encode(text)) == expected


@pytest.mark.parametrize("text", [TEXT, CHINESE], ids=["german", "chinese"])
def test_the_recipe_is_data_and_gives_the_same_tokens_after_it(text):
    recipe = mb.data(text, prep=[mb.chars(12)]).recipe
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    raw = np.array([text[5:17], text[:3], "", "never seen: ☃" + text], dtype=object)
    np.testing.assert_array_equal(again.inputs(raw), recipe.inputs(raw))
    assert again == recipe


def test_a_short_text_is_padded_behind_and_a_long_one_loses_its_beginning():
    step = Chars(4).learn("abc")
    tokens = step.inputs(np.array(["ab", "", "abcabc"], dtype=object))
    assert tokens.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [3, 1, 2, 3]]
    assert tokens.dtype == np.int32


@pytest.mark.parametrize(
    "fields",
    [
        {"length": 4, "vocabulary": [UNKNOWN, "a", "a"]},
        {"length": 4, "vocabulary": [UNKNOWN, "b", "a"]},
        {"length": 4, "vocabulary": [UNKNOWN, "ab"]},
        {"length": 4, "vocabulary": [UNKNOWN, 7]},
        {"length": 4, "vocabulary": ["a", "b"]},
        {"length": 4, "vocabulary": [UNKNOWN]},
        {"length": 4, "vocabulary": "ab"},
        {"length": 4, "vocabulary": [UNKNOWN, "a"], "code": "x"},
    ],
)
def test_a_vocabulary_of_somebody_else_is_checked(fields):
    with pytest.raises(ValueError, match="expected a .*vocabulary"):
        Recipe.from_json([{"step": "chars", **fields}])


@pytest.mark.parametrize("length", [0, -3, 2.5, True, "8", 1 << 20])
def test_a_length_that_cannot_be_used_is_refused(length):
    with pytest.raises(OptionError, match=r"expected a whole number from 1 to .*mb.chars\(64\)"):
        mb.chars(length)


def test_a_short_string_is_a_name_unless_the_recipe_says_that_it_is_text():
    with pytest.raises(mb.MaasError, match=r"no dataset 'topic'. Did you mean 'topics'\?"):
        mb.data("topic")
    assert len(mb.data("abcabcabcabcabc", prep=[mb.chars(2)], split=(1, 0, 0)).train) == 7


def test_a_text_that_is_too_short_says_what_to_type():
    with pytest.raises(DataError, match="The text has 12 characters; expected more than one"):
        mb.data("Hello, text.", prep=[mb.chars(64)])


def test_a_text_of_nothing_but_unknown_characters_is_refused():
    with pytest.raises(DataError, match="no character beside .*wrong encoding. Type: open"):
        mb.data("\ufffd" * 2000)


def test_a_text_read_in_a_wrong_encoding_is_refused():
    broken = "café".encode("latin-1").decode("utf-8", "surrogateescape")
    with pytest.raises(DataError, match='half of one .* encoding="utf-8"'):
        mb.data(broken * 100)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"y": [1]}, "y= is not for a text"),
        ({"kind": "regression"}, "kind= is not for a text"),
        ({"labels": ["a", "b"]}, "labels= is not for a text"),
        ({"prep": [mb.standardize()]}, "one step, not standardize"),
        ({"prep": [mb.chars(), mb.standardize()]}, "one step, not chars, standardize"),
    ],
)
def test_what_a_text_cannot_have_is_refused(options, words):
    with pytest.raises(OptionError, match=words):
        mb.data(TEXT, **options)


def test_two_equal_texts_have_one_fingerprint_and_two_others_have_two():
    one, same = mb.data(TEXT), mb.data(TEXT)
    other = mb.data(TEXT.replace("jagen", "Jagen"))
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_what_the_data_is_stands_in_words():
    assert str(mb.data(TEXT, prep=[mb.chars(10)], name="pangram")).splitlines() == [
        "Data 'pangram': classification",
        "  examples  98 train, 12 validation, 13 test",
        "  inputs    text, 10 characters at once",
        "  targets   the character that comes next, one of 25",
        "  recipe    chars",
    ]
    labels = mb.data(TEXT).labels
    assert labels[:4] == (UNKNOWN, repr("\n"), repr(" "), ".")


def test_predicting_takes_texts_and_nothing_else():
    from tests.text_runs import text_run

    run = text_run()
    alone = run.predict("the c")
    assert alone.shape == (1, 16, len(run.data.labels))
    np.testing.assert_allclose(run.predict(["the c", "猫"])[:1], alone, atol=1e-6)
    with pytest.raises(DataError, match="x holds 3; expected texts"):
        run.predict([3])
