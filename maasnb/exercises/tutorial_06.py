"""The exercises of tutorial 06: words that speak, phrases, and a model that reads in order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.datasets.bags import Bag
from maasnb.datasets.splits import Data
from maasnb.exercises.exercise import Exercise, Wrong
from maasnb.records.run import Run

__all__ = ["EXERCISES"]

_WORDS = 5


def _check_words(names: Mapping[str, Any]) -> None:
    answer, weights = names["answer"], np.ravel(names["linear"].coef_)
    vocabulary = names["toy"].recipe.steps[0].vocabulary
    if isinstance(answer, str) or not isinstance(answer, Sequence | np.ndarray):
        message = f"`answer` is {answer!r:.60}; expected a list of {_WORDS} words."
        raise Wrong(message)
    found = [str(word) for word in answer]
    order = np.argsort(weights)
    most, least = ({vocabulary[n] for n in part} for part in (order[-_WORDS:], order[:_WORDS]))
    if set(found) == most:
        return
    if set(found) == least:
        message = "Those speak for 'negative', class 0. Take the other end of the order."
        raise Wrong(message)
    if len(set(found)) != _WORDS:
        message = f"`answer` has {len(set(found))} words; expected {_WORDS}."
        raise Wrong(message)
    size = np.argsort(-abs(weights))[:_WORDS]
    if set(found) == {vocabulary[n] for n in size}:
        message = "Those have the largest weights of either sign. Take the largest positive ones."
        raise Wrong(message)
    message = (
        f"{', '.join(sorted(set(found) - most))}: not among the {_WORDS} with the largest weights. "
        "Sort with `np.argsort(linear.coef_[0])`, take the last five places, and look each up in "
        "`toy.recipe.steps[0].vocabulary`."
    )
    raise Wrong(message)


def _check_phrases(names: Mapping[str, Any]) -> None:
    phrases = names["phrases"]
    if not isinstance(phrases, Data):
        message = f"`phrases` is {phrases!r:.60}; expected what mb.data returns."
        raise Wrong(message)
    step = phrases.recipe.steps[0] if phrases.recipe.steps else None
    if phrases.name != "sentiment_en" or not isinstance(step, Bag):
        message = (
            "`phrases` should be the toy with a bag of words as its recipe: "
            '`mb.data("sentiment_en", prep=[mb.tfidf(...)])`.'
        )
        raise Wrong(message)
    longest = (step.ngrams or (1, 1))[1]
    if longest < 2:
        message = "Its terms are still single words. Look at the option ngrams= of `mb.tfidf`."
        raise Wrong(message)
    plain, better = (_baseline(data) for data in (names["toy"], phrases))
    if better <= plain:
        message = (
            f"The logistic regression is right for {better:.0%} of the test sentences, with single "
            f"words for {plain:.0%}. Let the terms be single words, pairs and threes, and allow "
            "enough of them with vocab=."
        )
        raise Wrong(message)


def _baseline(data: Data) -> float:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only this check needs it

    model = LogisticRegression(max_iter=1000).fit(data.train.inputs, data.train.targets)
    return float(model.score(data.test.inputs, data.test.targets))


def _check_order(names: Mapping[str, Any]) -> None:
    swapped, reader = names["swapped"], names["reader"]
    if not isinstance(reader, Run):
        message = f"`reader` is {reader!r:.60}; expected the run. Run its cell again."
        raise Wrong(message)
    texts = list(swapped) if isinstance(swapped, list | tuple) else []
    if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
        message = f"`swapped` is {swapped!r:.60}; expected a list of two sentences."
        raise Wrong(message)
    words = [sorted(text.lower().replace(",", " ").replace(".", " ").split()) for text in texts]
    if words[0] != words[1]:
        odd = sorted(set(words[0]).symmetric_difference(words[1])) or ["how often they stand there"]
        message = f"The sentences differ in more than the order of their words: {', '.join(odd)}."
        raise Wrong(message)
    if texts[0] == texts[1]:
        raise Wrong("That is the same sentence twice. Put the words of one in another order.")
    classes = [reader.data.labels[n] for n in reader.predict(texts).argmax(axis=1)]
    if classes[0] == classes[1]:
        message = (
            f"The model calls both sentences {classes[0]}. Build the sentence as the toy does: "
            "'The price was ..., but all in all the film was ...', and exchange the two adjectives."
        )
        raise Wrong(message)


EXERCISES = {
    "06.1": Exercise(
        task="Bind the five words with the largest weights for 'positive' to `answer`.",
        needs={
            "toy": 'toy = mb.data("sentiment_en")',
            "linear": "linear, toy_score = baseline(toy)",
            "answer": "answer = ...",
        },
        check=_check_words,
        praise="A linear model can be read: each word has a say, and you see how much.",
    ),
    "06.2": Exercise(
        task="Make `phrases`: the toy's sentences as TF-IDF of words and phrases.",
        needs={"toy": 'toy = mb.data("sentiment_en")', "phrases": "phrases = ..."},
        check=_check_phrases,
        praise="Phrases bring a little of the order back, at the price of many more columns.",
    ),
    "06.3": Exercise(
        task="Find two sentences of the same words that the LSTM puts into different classes.",
        needs={
            "reader": "%maas train network ordered --epochs 12 --lr 0.005 --as reader",
            "swapped": "swapped = ...",
        },
        check=_check_order,
        praise="No bag of words could do that: to it, the two are one and the same.",
    ),
}
