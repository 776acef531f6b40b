"""Labelled texts as tokens: words, characters and byte pairs, in their order and of one length."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maasnb as mb
from maasnb.datasets.pairs import ALPHABET, learn_pairs, pieces_of, split_piece
from maasnb.datasets.recipes import Recipe, fit_recipe
from maasnb.datasets.sentences import manual_sentences
from maasnb.datasets.text import UNKNOWN
from maasnb.errors import DataError, OptionError, UnknownNameError


def fitted(step, texts):
    return fit_recipe([step], np.array(texts, dtype=object), np.zeros(len(texts))).steps[0]


def prepared(step, *texts):
    return step.inputs(np.array(texts, dtype=object)).tolist()


@pytest.mark.coverage("B4")
def test_words_get_numbers_by_how_often_they_stand_in_the_training_texts():
    step = fitted(mb.tokens(length=5), ["The cat sat.", "the mat", "THE end"])
    assert step.vocabulary == ("", UNKNOWN, "the", ".", "cat", "end", "mat", "sat")
    assert prepared(step, "The cat sat.", "The dog!") == [[2, 4, 7, 3, 0], [2, 1, 1, 0, 0]]


@pytest.mark.coverage("B4")
def test_chinese_words_are_single_characters_and_characters_keep_everything():
    step = fitted(mb.tokens(), ["猫坐在AI上。", "don't"])
    assert prepared(step, "猫在 ai don't") == [[step.places[p] for p in ("猫", "在", "ai", "don't")]
                                              + [0] * (step.length - 4)]  # fmt: skip
    signs = fitted(mb.tokens(unit="character", length=4), ["Ab 猫"])
    assert set(signs.vocabulary[2:]) == {"A", "b", " ", "猫"}
    assert prepared(signs, "a猫") == [[1, signs.places["猫"], 0, 0]]


def test_a_long_text_keeps_its_beginning_and_an_empty_one_is_one_unknown_token():
    step = fitted(mb.tokens(length=3), ["a b c d e"])
    assert prepared(step, "a b c d e", "", "   ") == [[2, 3, 4], [1, 0, 0], [1, 0, 0]]
    assert step.inputs(np.array([], dtype=object)).shape == (0, 3)


def test_the_length_is_by_default_what_most_training_texts_need():
    texts = ["a b c"] * 95 + ["a " * 400] * 5
    assert fitted(mb.tokens(), texts[:99]).length == 3
    assert fitted(mb.tokens(), ["a " * 5000] * 3).length == 512


def test_the_vocabulary_counts_padding_and_unknown():
    step = fitted(mb.tokens(vocab=4), ["a a a b b c"])
    assert step.vocabulary == ("", UNKNOWN, "a", "b")
    data = mb.data(["a b", "c d"] * 9, [0, 1] * 9, prep=[mb.tokens(vocab=5)])
    assert data.train.inputs.max() < 5
    assert str(data).splitlines()[2] == "  inputs    text, 2 words at once, 5 known"


@pytest.mark.coverage("B4")
def test_byte_pairs_are_those_of_the_tokenizers_library():
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    known = manual_sentences()[0][:400]
    pairs = learn_pairs(known, 600)
    vocabulary = {each: n for n, each in enumerate([*ALPHABET, *map("".join, pairs)])}
    library = Tokenizer(BPE(vocab=vocabulary, merges=list(pairs)))
    ranks = {pair: rank for rank, pair in enumerate(pairs)}
    random = np.random.default_rng(0)
    unseen = manual_sentences()[0][400:700]
    odd = ["猫坐在垫子上", "naïve ☃𝄞", "x" * 90, "\t\n  "]
    pieces = sorted({piece for text in (*unseen, *odd) for piece in pieces_of(text)})
    for piece in random.permutation(pieces)[:1000]:
        assert split_piece(str(piece), ranks) == library.encode(str(piece)).tokens


@given(st.text(max_size=50))
def test_byte_pairs_know_every_text_and_lose_nothing_of_it(text):
    letters = {letter: byte for byte, letter in enumerate(ALPHABET)}
    joined = "".join(pieces_of(text))
    assert bytes(letters[each] for each in joined) == text.encode("utf-8", "surrogatepass")


def test_learning_byte_pairs_is_repeatable_and_the_recipe_is_data():
    texts = ["low lower lowest", "new newer newest"] * 5
    one, same = (fitted(mb.tokens(vocab=270, unit="byte_pair"), texts) for _ in range(2))
    assert one == same
    assert ("l", "o") in one.pairs
    again = Recipe.from_json(json.loads(json.dumps(Recipe((one,)).to_json()))).steps[0]
    assert prepared(again, "lowest 猫") == prepared(one, "lowest 猫")
    assert again.pairs == one.pairs


def test_a_long_word_costs_no_long_time():
    step = fitted(mb.tokens(vocab=300, unit="byte_pair", length=8), ["aaaa bbbb"] * 3)
    assert len(list(pieces_of("a" * 100_000))) == 3125
    assert step.inputs(np.array(["a" * 1_000_000], dtype=object)).shape == (1, 8)


def test_texts_of_nothing_are_refused():
    with pytest.raises(DataError, match="All 2 training texts are empty"):
        mb.data(["", "  "], [0, 1], prep=[mb.tokens()], split=(1, 0, 0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vocab": 0}, "vocab=0 cannot be used; expected a whole number from 3 to"),
        ({"vocab": 200, "unit": "byte_pair"}, "from 258 to"),
        ({"vocab": True}, "vocab=True"),
        ({"length": 0}, "length=0 cannot be used; expected a whole number from 1"),
        ({"length": "long"}, "length='long'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        mb.tokens(**options)


def test_a_unit_that_is_none_is_told_the_known_ones():
    with pytest.raises(UnknownNameError, match="no unit of tokens 'words'. Did you mean 'word'"):
        mb.tokens(unit="words")


@pytest.mark.parametrize(
    "fields",
    [
        {"vocabulary": ["", UNKNOWN]},
        {"vocabulary": [UNKNOWN, "", "a"]},
        {"vocabulary": ["", UNKNOWN, "a", "a"]},
        {"vocabulary": ["", UNKNOWN, 7]},
        {"vocabulary": 7},
        {"length": None},
        {"length": 0},
        {"length": True},
        {"unit": "syllable"},
        {"pairs": [["a", "b"]]},
        {"pairs": "ab"},
        {"unit": "byte_pair"},
        {"code": "x"},
    ],
)
def test_tokens_of_somebody_else_are_checked(fields):
    good = {"length": 4, "unit": "word", "vocabulary": ["", UNKNOWN, "a"], "pairs": []}
    assert Recipe.from_json([{"step": "tokens", **good}]).raw == "text"
    with pytest.raises((ValueError, OptionError, UnknownNameError)):
        Recipe.from_json([{"step": "tokens", **good, **fields}])


def test_pairs_of_somebody_else_must_make_known_tokens():
    words = ["", UNKNOWN, *ALPHABET, "ab"]
    good = {"length": 4, "unit": "byte_pair", "vocabulary": words}
    assert Recipe.from_json([{"step": "tokens", **good, "pairs": [["a", "b"]]}])
    for pairs in ([["a", "c"]], [["a", "b"]] * 2, [["a"]], [["a", 7]], ["ab"], [["zz", "b"]]):
        with pytest.raises(ValueError, match="pair"):
            Recipe.from_json([{"step": "tokens", **good, "pairs": pairs}])


@pytest.mark.coverage("B4", "F1", backends=("torch", "jax"))
def test_padding_changes_no_answer_of_layers_that_know_of_it(backend):
    texts = ["the film was good", "the film was bad indeed"] * 10
    answers = []
    for length in (6, 12):
        step = mb.tokens(vocab=20, length=length)
        data = mb.data(texts, [0, 1] * 10, prep=[step])
        layers = [mb.Embed(20, 8, padding=True), mb.LSTM(8), mb.Dense(2)]
        model = mb.build(layers, backend=backend.name, data=data)
        answers.append(np.asarray(mb.train(model, data, epochs=2).predict([*texts[:2], ""])))
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
