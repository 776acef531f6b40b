"""Bags of terms: scikit-learn's numbers, Chinese without a word segmenter, and texts in tables."""

import json
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

import maasnb as mb
from maasnb.datasets import bags
from maasnb.datasets.bags import SPACELESS, spaceless_share, terms_of
from maasnb.datasets.recipes import Recipe, fit_recipe
from maasnb.datasets.sentences import made_sentences, manual_sentences
from maasnb.errors import DataError, OptionError

ALL = {"split": (1, 0, 0)}
CHINESE = ["这部电影很好看", "这顿饭很难吃", "电影不好看", "饭很好吃"] * 5


def manual():
    texts, _ = manual_sentences()
    return texts[:300], texts[300:600]


def fitted(step, texts):
    return fit_recipe([step], np.array(texts, dtype=object), np.zeros(len(texts)))


@pytest.mark.coverage("B4")
@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2), (2, 3)])
def test_tfidf_of_english_is_scikit_learns(ngrams):
    known, unseen = manual()
    vectorizer = TfidfVectorizer(max_features=500, ngram_range=ngrams).fit(known)
    recipe = fitted(mb.tfidf(vocab=500, ngrams=ngrams), known)
    assert recipe.steps[0].vocabulary == tuple(vectorizer.get_feature_names_out())
    expected = vectorizer.transform(unseen).toarray()
    np.testing.assert_allclose(recipe.inputs(np.array(unseen, dtype=object)), expected, atol=1e-7)


@pytest.mark.coverage("B4")
def test_bow_of_english_is_scikit_learns():
    known, unseen = manual()
    vectorizer = CountVectorizer(max_features=400).fit(known)
    prepared = fitted(mb.bow(vocab=400), known).inputs(np.array(unseen, dtype=object))
    np.testing.assert_array_equal(prepared, vectorizer.transform(unseen).toarray())
    assert prepared.dtype == np.float32  # counts are no tokens


@given(st.text(max_size=60))
def test_words_are_scikit_learns_in_any_text_without_scripts_that_have_no_spaces(text):
    assume(not re.search(f"[{SPACELESS}]", text))
    analyze = CountVectorizer(ngram_range=(1, 3)).build_analyzer()
    assert list(terms_of(text, (1, 3))) == analyze(text)


@pytest.mark.coverage("B4")
def test_chinese_needs_no_word_segmenter():
    data = mb.data(CHINESE, ["+", "-"] * 10, **ALL)
    step = data.recipe.steps[0]
    assert step.ngrams == (1, 2)
    assert {"电 影", "好 看", "好", "不 好"} <= set(step.vocabulary)
    vectorizer = TfidfVectorizer(tokenizer=list, token_pattern=None, ngram_range=(1, 2))
    expected = vectorizer.fit(CHINESE).transform(CHINESE).toarray()
    np.testing.assert_allclose(data.train.inputs, expected, atol=1e-7)


def test_japanese_and_thai_are_read_the_same_way_and_mixed_text_keeps_its_words():
    assert list(terms_of("私はAI好き", (1, 1))) == ["私", "は", "ai", "好", "き"]
    assert spaceless_share(["ฉันรักคุณ"]) == 1.0
    assert spaceless_share(["Αθήνα Москва Wien"]) == 0.0
    assert fitted(mb.bow(), ["Das Wetter 好", "schlecht"]).steps[0].ngrams == (1, 1)
    assert fitted(mb.bow(ngrams=(2, 2)), CHINESE).steps[0].ngrams == (2, 2)


def test_what_the_vocabulary_lacks_is_not_counted_and_an_empty_text_has_only_zeros():
    recipe = fitted(mb.tfidf(), ["good film", "bad film"])
    prepared = recipe.inputs(np.array(["unseen words", "", "!!!", "GOOD good"], dtype=object))
    assert prepared.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("step", [mb.bow, mb.tfidf])
def test_the_most_frequent_terms_are_kept_and_the_recipe_is_data(step):
    recipe = fitted(step(vocab=2), ["aa bb cc", "bb cc", "cc"])
    assert recipe.steps[0].vocabulary == ("bb", "cc")
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    texts = np.array(["cc cc bb", "aa"], dtype=object)
    np.testing.assert_array_equal(again.inputs(texts), recipe.inputs(texts))


@pytest.mark.coverage("B4")
def test_a_column_of_texts_is_counted_beside_numbers():
    table = {"age": [1.0, 3.0] * 5, "note": ["very ill", "well"] * 5, "y": [1, 0] * 5}
    steps = [mb.standardize(), mb.bow(column="note")]
    data = mb.data(table, "y", prep=steps, **ALL)
    assert data.train.inputs[:2].tolist() == [[-1, 1, 1, 0], [1, 0, 0, 1]]  # ill, very, well
    assert mb.data(table, "y", prep=[mb.bow()], **ALL).recipe.steps[1].column == "note"
    two = {**table, "more": ["aa", "bb"] * 5}
    with pytest.raises(OptionError, match=r"text columns note, more; say which one"):
        mb.data(two, "y", prep=[mb.bow()], **ALL)


def test_texts_without_a_recipe_get_tfidf():
    data = mb.data(["good film", "bad film"] * 5, ["p", "n"] * 5, **ALL)
    assert [step.kind for step in data.recipe.steps] == ["tfidf"]
    assert str(data).splitlines()[2] == "  inputs    text, 3 terms counted"


def test_texts_without_a_word_are_refused():
    with pytest.raises(DataError, match=r"None of the 4 training texts has a term for mb.bow"):
        mb.data(["!", "a", "", "?"], [0, 1, 0, 1], prep=[mb.bow()], **ALL)


@pytest.mark.parametrize("vocab", [0, -1, 2.5, True, "many", 1 << 30])
def test_a_vocabulary_of_none_is_refused(vocab):
    with pytest.raises(OptionError, match=r"vocab=.* expected a whole number from 1 to"):
        mb.bow(vocab=vocab)


@pytest.mark.parametrize("ngrams", [2, (0, 1), (2, 1), (1, 9), (1, 2, 3), "12", (1.0, 2)])
def test_phrases_that_cannot_be_are_refused(ngrams):
    with pytest.raises(OptionError, match=r"ngrams=.*Type: mb.tfidf\(ngrams=\(1, 2\)\)"):
        mb.tfidf(ngrams=ngrams)


@pytest.mark.parametrize(
    ("x", "prep", "words"),
    [
        (["a b"] * 4, [mb.standardize()], r"begins with mb.standardize\(\); expected a step that"),
        (["a b"] * 4, [], r"begins with no step; .*prep=\[mb.tfidf\(\)\]"),
        ([[1.0]] * 4, [mb.bow()], r"mb.bow\(\) is for texts, but the inputs are numbers"),
        ([[1.0]] * 4, [mb.one_hot()], r"expected .* table|no table|one_hot"),
    ],
)
def test_a_recipe_for_other_inputs_is_refused(x, prep, words):
    if prep and prep[0].kind == "one_hot":  # a matrix has columns, none of texts: nothing to do
        assert mb.data(x, [0, 1, 0, 1], prep=prep, **ALL).train.inputs.tolist() == [[1]] * 4
    else:
        with pytest.raises(OptionError, match=words):
            mb.data(x, [0, 1, 0, 1], prep=prep, **ALL)


def test_texts_with_a_gap_or_in_a_wrong_encoding_are_refused():
    with pytest.raises(DataError, match="x holds None; expected texts"):
        mb.data(["good", None], [0, 1], prep=[mb.bow()], **ALL)
    broken = b"na\xefve".decode("utf-8", "surrogateescape")
    with pytest.raises(DataError, match="half of one .*wrong encoding"):
        mb.data(["good", broken], [0, 1], prep=[mb.bow()], **ALL)


def test_a_label_that_only_the_test_split_has_is_told():
    texts = [f"word{n} text" for n in range(40)]
    labels = ["a", "b"] * 19 + ["a", "rare"]
    seeds = [mb.data(texts, labels, seed=seed) for seed in range(12)]
    unseen = [data for data in seeds if data.notes]
    assert unseen, "one of twelve splits should have the rare class outside of train"
    assert unseen[0].notes[0].startswith("no training example of rare (1): no model can learn it")
    assert "rare" in unseen[0].labels
    assert all(2 in data.train.y for data in seeds if not data.notes)


@pytest.mark.parametrize(
    "fields",
    [
        {"vocabulary": ["b", "a"]},
        {"vocabulary": ["a", "a"]},
        {"vocabulary": []},
        {"vocabulary": ["a", 7]},
        {"vocabulary": "ab"},
        {"vocabulary": [""]},
        {"ngrams": [0, 9]},
        {"column": 7},
        {"weights": [1.0]},
        {"weights": [1.0, float("inf")]},
        {"weights": [1.0, -1.0]},
        {"code": "x"},
    ],
)
def test_a_vocabulary_of_somebody_else_is_checked(fields):
    good = {"ngrams": [1, 1], "column": "", "vocabulary": ["a", "b"], "weights": [1.0, 2.0]}
    assert Recipe.from_json([{"step": "tfidf", **good}]).raw == "text"
    with pytest.raises((ValueError, OptionError)):
        Recipe.from_json([{"step": "tfidf", **good, **fields}])


def test_made_sentences_are_the_same_everywhere_and_balanced():
    for language in ("en", "zh"):
        texts, labels = made_sentences(language)
        assert len(set(texts)) == len(texts) == 2000
        assert labels.count("positive") == 1000
        assert (texts, labels) == made_sentences(language)
    assert texts[:2] == ["这次旅行一点也不美好。", "这门课一点也不令人讨厌。"]
    data = mb.data("sentiment_zh")
    assert (data.name, data.labels) == ("sentiment_zh", ("negative", "positive"))


def test_sentences_of_the_manual_are_prose_of_four_subjects():
    data = mb.data("manual")
    assert data.labels == ("containers", "objects", "statements", "strings")
    assert np.bincount(data.train.y).min() > 100
    assert all(text[0].isupper() and text[-1] in ".:" for text in data.train.x)


def test_a_table_of_terms_that_no_memory_holds_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(bags, "MOST_BYTES", 4 * 100)
    with pytest.raises(DataError, match=r"60 texts of 2 terms need .*mb.bow\(vocab=1\).*tokens"):
        mb.data(["good film", "film"] * 30, [1, 0] * 30, prep=[mb.bow()], split=(1, 0, 0))
