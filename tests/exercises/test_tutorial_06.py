"""The checks of tutorial 06 tell a right answer from the slips that people make."""

import functools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import maasnb as mb
from maasnb.exercises.exercise import Wrong
from maasnb.exercises.tutorial_06 import EXERCISES


@functools.cache
def toy():
    return mb.data("sentiment_en")


@functools.cache
def linear():
    data = toy()
    return LogisticRegression(max_iter=1000).fit(data.train.inputs, data.train.targets)


def words(places):
    vocabulary = toy().recipe.steps[0].vocabulary
    return [vocabulary[place] for place in places]


def check(number, **names):
    EXERCISES[number].check({"toy": toy(), "linear": linear(), **names})


def order():
    return np.argsort(linear().coef_[0])


@pytest.mark.coverage("F1")
def test_the_five_words_with_the_largest_weights_are_right_in_any_order():
    check("06.1", answer=words(order()[-5:]))
    check("06.1", answer=np.array(words(order()[-5:][::-1])))


def test_slips_with_the_words_are_told():
    for answer, said in (
        (words(order()[:5]), "Those speak for 'negative'"),
        (words(order()[-4:]), "has 4 words; expected 5"),
        (words(order()[-9:-4]), "not among the 5 with the largest weights"),
        ("great", "expected a list of 5 words"),
        (3, "expected a list of 5 words"),
    ):
        with pytest.raises(Wrong, match=said):
            check("06.1", answer=answer)


def test_phrases_are_right_where_they_help():
    check("06.2", phrases=mb.data("sentiment_en", prep=[mb.tfidf(vocab=10000, ngrams=(1, 3))]))


def test_slips_with_the_phrases_are_told():
    for phrases, said in (
        (toy(), "still single words"),
        (mb.data("sentiment_zh"), "should be the toy"),
        (mb.data("sentiment_en", prep=[mb.tokens()]), "should be the toy"),
        (mb.tfidf(), "expected what mb.data returns"),
        (
            mb.data("sentiment_en", prep=[mb.tfidf(vocab=5, ngrams=(1, 2))]),
            "with single words for",
        ),
    ):
        with pytest.raises(Wrong, match=said):
            check("06.2", phrases=phrases)
