"""The examples of five articles on models as services: data with a seed, layers, how to train.

They are the models of `notebooks/articles/`, with enough examples to compare accuracies by.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import maasnb as mb
from maasnb.datasets.loading import Data
from maasnb.layers import Layer

__all__ = ["ARTICLES", "Article"]

TOPICS = {
    "weather": "rain wind cloud storm sun snow fog warm cold sky",
    "sport": "team goal match coach ball win race score player run",
    "kitchen": "salt bread oven soup knife taste butter sugar pan boil",
}
SUBJECTS = {"food": "soup bread salad fish cake tea", "room": "bed window bath lamp door view"}
MOODS = {"praise": "good great lovely", "complaint": "bad awful poor"}
FILLER = "the a of and in on with we they it was is very today again"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """Hold one example.

    Attributes:
        title: what it is, in a few words.
        data: makes the data from a seed and a number of examples.
        examples: how many a comparison takes.
        layers: makes the layers.
        options: what `mb.train` is given.
    """

    title: str
    data: Callable[[int, int], Data]
    examples: int
    layers: Callable[[], list[Layer]]
    options: Mapping[str, Any]


def topics(seed: int, examples: int) -> Data:
    """Return sentences of ten words about one of three subjects, as word numbers."""
    random = np.random.default_rng(seed)
    number = _numbers(FILLER, *TOPICS.values())
    labels = random.choice(list(TOPICS), examples)
    rows = []
    for label in labels:
        words = random.choice(FILLER.split(), 10).astype(object)
        words[random.choice(10, 3, replace=False)] = random.choice(TOPICS[label].split(), 3)
        other = random.choice([name for name in TOPICS if name != label])
        words[random.integers(10)] = random.choice(TOPICS[other].split())
        rows.append([number[word] for word in words])
    return mb.data(np.array(rows), labels, split=(0.4, 0.1, 0.5), seed=seed, name="topics-of-talk")


def patients(seed: int, examples: int) -> Data:
    """Return eight measures of patients, and whether they fell ill."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(examples, 8))
    risk = x[:, 0] + x[:, 1] * x[:, 2] + np.abs(x[:, 3]) - x[:, 4] / 2 - 0.8
    ill = risk + random.normal(scale=0.3, size=examples) > 0
    labels = ["well", "ill"]
    return mb.data(
        x, ill.astype(int), labels=labels, split=(0.4, 0.1, 0.5), seed=seed, name="eight"
    )


def tumours(seed: int, examples: int) -> Data:
    """Return scikit-learn's tumours, half of them to learn from, half to judge by."""
    from sklearn.datasets import load_breast_cancer

    bunch: Any = load_breast_cancer()
    prep = [mb.standardize()]
    return mb.data(
        bunch.data, bunch.target, prep=prep, split=(0.45, 0.05, 0.5), seed=seed, name="tumours"
    )


def reviews(seed: int, examples: int) -> Data:
    """Return sentences of twelve words that praise or blame food or a room, and may say "not"."""
    random = np.random.default_rng(seed)
    number = _numbers(FILLER, "not", *SUBJECTS.values(), *MOODS.values())
    rows, labels = [], []
    for _ in range(examples):
        subject, mood = random.choice(list(SUBJECTS)), random.choice(list(MOODS))
        words = random.choice(FILLER.split(), 12).astype(object)
        words[random.integers(4)] = random.choice(SUBJECTS[subject].split())
        place = random.integers(6, 12)
        words[place] = random.choice(MOODS[mood].split())
        if random.random() < 0.3:  # a negation turns praise into complaint
            words[place - 1] = "not"
            mood = next(name for name in MOODS if name != mood)
        rows.append([number[word] for word in words])
        labels.append(f"{subject}: {mood}")
    return mb.data(np.array(rows), labels, split=(0.4, 0.1, 0.5), seed=seed, name="reviews")


def hundred(seed: int, examples: int) -> Data:
    """Return examples of ten classes with a hundred features, most of which mean nothing."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        n_samples=examples,
        n_features=100,
        n_informative=20,
        n_redundant=0,
        n_classes=10,
        n_clusters_per_class=1,
        class_sep=2.0,
        random_state=seed,
    )
    return mb.data(x, y, prep=[mb.standardize()], split=(0.4, 0.1, 0.5), seed=seed, name="hundred")


def _numbers(*texts: str) -> dict[str, int]:
    """Return a number for each word, in the order of the alphabet."""
    return {word: number for number, word in enumerate(sorted({*" ".join(texts).split()}))}


WORDS_S0 = len(_numbers(FILLER, *TOPICS.values()))
WORDS_S3 = len(_numbers(FILLER, "not", *SUBJECTS.values(), *MOODS.values()))

ADAM = {"epochs": 10, "batch": 32, "optimizer": "adam"}

ARTICLES = {
    "S0": Article(
        title="article 1: embedding, LSTM, dropout, softmax",
        data=topics,
        examples=6000,
        layers=lambda: [
            mb.Embed(WORDS_S0, 32),
            mb.LSTM(64),
            mb.Dropout(0.5),
            mb.Dense(3, "softmax"),
        ],
        options={**ADAM, "lr": 0.003},
    ),
    "S1": Article(
        title="article 2: two dense layers on eight inputs",
        data=patients,
        examples=20_000,
        layers=lambda: [mb.Dense(10, "relu"), mb.Dense(1, "sigmoid")],
        options={**ADAM, "lr": 0.01},
    ),
    "S2": Article(
        title="article 3: momentum with L1 and L2",
        data=tumours,
        examples=569,
        layers=lambda: [mb.Dense(16, "relu"), mb.Dense(1, "sigmoid")],
        options={
            "epochs": 40,
            "batch": 32,
            "optimizer": "momentum",
            "lr": 0.01,
            "l1": 1e-4,
            "l2": 1e-3,
        },
    ),
    "S3": Article(
        title="article 4: embedding, two LSTMs, softmax",
        data=reviews,
        examples=6000,
        layers=lambda: [
            mb.Embed(WORDS_S3, 32),
            mb.LSTM(128, sequences=True),
            mb.LSTM(128),
            mb.Dense(4, "softmax"),
        ],
        options={**ADAM, "lr": 0.004},
    ),
    "S4": Article(
        title="article 5: three dense layers on a hundred inputs",
        data=hundred,
        examples=20_000,
        layers=lambda: [mb.Dense(64, "relu"), mb.Dense(32, "relu"), mb.Dense(10, "softmax")],
        options={**ADAM, "lr": 0.001},
    ),
}
"""The examples, by their rows of docs/coverage.md."""
