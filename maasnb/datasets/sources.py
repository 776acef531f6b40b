"""Data sets by name: what scikit-learn and Python bring with themselves, and larger public ones.

Sources and licences stand in `README.md` beside this file.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from maasnb.datasets.images import scale_pixels
from maasnb.datasets.public import FASHION_MNIST, MNIST, PublicSet
from maasnb.datasets.recipes import Step, chars, standardize, standardize_target, tfidf
from maasnb.datasets.sentences import made_sentences, manual_sentences
from maasnb.errors import missing_package, unknown_name
from maasnb.tasks import Kind

__all__ = ["DATASETS", "Source", "load_source"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Hold a named data set as it is, and the recipe that suits it; a text has no targets."""

    x: Array | list[str] | str
    y: Array | list[str] | None
    kind: Kind
    labels: tuple[str, ...]
    features: tuple[str, ...]
    prep: tuple[Step, ...]


def _digits() -> Source:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - only this data set needs it

    bunch: Any = load_digits()
    return Source(
        x=bunch.data.astype(np.float32),
        y=bunch.target,
        kind="classification",
        labels=tuple(str(name) for name in bunch.target_names),
        features=tuple(bunch.feature_names),
        prep=(standardize(),),
    )


def _breast_cancer() -> Source:
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - only this data set needs it

    bunch: Any = load_breast_cancer()
    return Source(
        x=bunch.data,
        y=bunch.target,
        kind="classification",
        labels=tuple(str(name) for name in bunch.target_names),
        features=tuple(str(name) for name in bunch.feature_names),
        prep=(standardize(),),
    )


def _diabetes() -> Source:
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - only this data set needs it

    bunch: Any = load_diabetes(scaled=False)
    return Source(
        x=bunch.data,
        y=bunch.target,
        kind="regression",
        labels=(),
        features=tuple(bunch.feature_names),
        prep=(standardize(), standardize_target()),
    )


def _topics() -> Source:
    from pydoc_data.topics import topics  # noqa: PLC0415 - only this data set needs it

    return Source(
        x="\n".join(topics[name] for name in sorted(topics)),
        y=None,
        kind="classification",
        labels=(),
        features=(),
        prep=(chars(),),
    )


def _labelled(sentences: tuple[list[str], list[str]]) -> Source:
    texts, labels = sentences
    return Source(
        x=texts,
        y=labels,
        kind="classification",
        labels=tuple(sorted(set(labels))),
        features=("text",),
        prep=(tfidf(),),
    )


def _public(found: PublicSet) -> Source:
    images, classes = found.read()
    return Source(
        x=images,
        y=classes,
        kind="classification",
        labels=found.labels,
        features=(),
        prep=(scale_pixels(),),
    )


_SOURCES: dict[str, tuple[str, Callable[[], Source]]] = {
    "breast_cancer": ("569 tumours, 30 measures each; malignant or benign", _breast_cancer),
    "diabetes": ("442 patients, 10 measures each; disease progression after a year", _diabetes),
    "digits": ("1,797 handwritten digits, 8 x 8 pixels; 10 classes", _digits),
    "fashion_mnist": (
        "70,000 pieces of clothing, 28 x 28 pixels; 10 classes; fetched once, 31 MB",
        lambda: _public(FASHION_MNIST),
    ),
    "manual": (
        "sentences of Python's manual; on containers, objects, statements or strings",
        lambda: _labelled(manual_sentences()),
    ),
    "mnist": (
        "70,000 handwritten digits, 28 x 28 pixels; 10 classes; fetched once, 12 MB",
        lambda: _public(MNIST),
    ),
    "sentiment_en": (
        "2,000 made sentences in English, a toy; negative or positive",
        lambda: _labelled(made_sentences("en")),
    ),
    "sentiment_zh": (
        "2,000 made sentences in Chinese, a toy; negative or positive",
        lambda: _labelled(made_sentences("zh")),
    ),
    "topics": ("Python's own help, about 465,000 characters of English, to write more of", _topics),
}

DATASETS: dict[str, str] = {name: words for name, (words, _) in _SOURCES.items()}
"""The names that `mb.data` knows, with a line on each."""


def load_source(name: str) -> Source:
    """Return the data set of that name.

    Raises:
        UnknownNameError: there is no such data set.
        MissingPackageError: scikit-learn is not installed.
        DataError: a public set cannot be fetched.
    """
    if name not in _SOURCES:
        raise unknown_name("dataset", name, _SOURCES, "Arrays work too: mb.data(x, y)")
    try:
        return _SOURCES[name][1]()
    except ImportError as error:
        raise missing_package(f"The dataset {name!r}", "sklearn", "notebook") from error
