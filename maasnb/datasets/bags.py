"""Texts as bags of terms: how often each word or phrase stands in a text, plain or weighted.

Terms are words of at least two letters in lower case, as scikit-learn takes them; in scripts that
put no spaces between words (Chinese, Japanese, Thai ...) each character is one, and pairs of
neighbours say what words would. scikit-learn learns the vocabulary; Python and NumPy apply it.
"""

import collections
import dataclasses
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from maasnb.datasets.columns import Columns
from maasnb.datasets.scaling import fitting_module
from maasnb.datasets.steps import Array, Step
from maasnb.datasets.text import as_texts
from maasnb.errors import DataError, OptionError, ShapeError

__all__ = ["MOST_TERMS", "SPACELESS", "Bag", "Bow", "TfIdf", "spaceless_share"]

SPACELESS = (
    "\u3005-\u3007\u3041-\u3096\u3099-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U000323af\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff\u1000-\u109f"
    "\u1780-\u17d3"
)
"""The letters of scripts without spaces between words: Han, Kana, Thai, Lao, Burmese, Khmer."""
TERM = re.compile(rf"[{SPACELESS}]|(?:(?![{SPACELESS}])\w){{2,}}")
LETTER = re.compile(r"\w")
MOST_TERMS = 1 << 17
LONGEST_TERM = 1 << 20
LONGEST_PHRASE = 5
MOST_BYTES = 4 << 30
"""More than this is not made of the texts of one split."""


@dataclasses.dataclass(frozen=True, slots=True)
class Bag(Step):
    """Be the parent of the steps that count terms.

    Attributes:
        vocab: how many terms at most; those that the training texts have most often.
        ngrams: the shortest and the longest phrase that is a term, in words; None to choose: single
            words, or single characters and pairs where most of the text has no spaces.
        column: the column of a table that holds the texts; empty where the inputs are texts.
        vocabulary: the terms, sorted.
    """

    kind: ClassVar[str] = "bag"
    reads_text: ClassVar[bool] = True

    vocab: int = 2000
    ngrams: tuple[int, int] | None = None
    column: str = ""
    vocabulary: tuple[str, ...] = ()
    places: Mapping[str, int] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Check the fields, and number the terms."""
        _check_count(self.vocab, self.kind)
        object.__setattr__(self, "ngrams", _as_ngrams(self.ngrams, self.kind))
        if not isinstance(self.column, str):
            message = f"column={self.column!r:.60} is no name of a column. Type: column='review'"
            raise OptionError(message)
        object.__setattr__(self, "places", {term: n for n, term in enumerate(self.vocabulary)})

    def fit(self, x: Any, y: Array) -> Self:  # noqa: ANN401, ARG002 - texts or columns
        """Learn the terms of texts [n], or of the texts in a table's column.

        Raises:
            DataError: no text has a term.
        """
        column = self._column(x)
        texts = self._texts(x)
        ngrams = self.ngrams or ((1, 2) if spaceless_share(texts) > 0.5 else (1, 1))
        vectorizer = fitting_module("feature_extraction.text").CountVectorizer(
            analyzer=lambda text: list(terms_of(text, ngrams)), max_features=self.vocab
        )
        try:
            counts = vectorizer.fit_transform(texts)
        except ValueError as error:
            message = (
                f"None of the {len(texts)} training texts has a term for mb.{self.kind}() (words "
                f"of two letters or more, ngrams={ngrams}); the first is {texts[0]!r:.60}. For "
                'texts of signs type: mb.tokens(unit="character")'
            )
            raise DataError(message) from error
        vocabulary = tuple(str(term) for term in vectorizer.get_feature_names_out())
        more = self.learn(counts)
        return dataclasses.replace(
            self, ngrams=ngrams, column=column, vocabulary=vocabulary, **more
        )

    def learn(self, counts: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - a sparse matrix
        """Return more fields, learnt from the counts [n, terms] of the training texts."""
        return {}

    def weigh(self, places: Array, counts: Array) -> Array:
        """Return the numbers of one text's terms.

        Args:
            places: the terms' places in the vocabulary [m].
            counts: how often the text has them [m], float64.
        """
        raise NotImplementedError

    def inputs(self, x: Any) -> Any:  # noqa: ANN401 - texts or columns
        """Return a number for each term [n, terms], float32; in a table in the column's place."""
        texts = self._texts(x) if len(x) else []
        _check_size(len(texts), len(self.vocabulary), self.kind)
        found = np.zeros((len(texts), len(self.vocabulary)), np.float32)
        known = self.places
        for row, text in enumerate(texts):
            terms = terms_of(text, self.ngrams or (1, 1))
            counted = collections.Counter(known[term] for term in terms if term in known)
            if counted:
                places = np.fromiter(counted, np.int64, len(counted))
                counts = np.fromiter(counted.values(), np.float64, len(counted))
                found[row, places] = self.weigh(places, counts)
        if isinstance(x, Columns):
            return x.put({self.column: found.astype(np.float64)})
        return found

    def _column(self, x: Any) -> str:  # noqa: ANN401 - texts or columns
        """Return the name of the column that holds the texts; empty where there are no columns."""
        if not isinstance(x, Columns):
            return ""
        name = self.column or (x.texts[0] if len(x.texts) == 1 else "")
        if not name:
            message = (
                f"The table has the text columns {', '.join(x.texts) or 'none'}; say which one. "
                f"Type: mb.{self.kind}(column='review')"
            )
            raise OptionError(message)
        return name

    def _texts(self, x: Any) -> list[str]:  # noqa: ANN401 - texts or columns
        if not isinstance(x, Columns):
            return as_texts(x)
        name = self._column(x)
        part = x.part(name)
        if part.dtype.kind != "O":
            message = f"The column {name!r:.80} holds no texts; expected some for mb.{self.kind}()."
            raise ShapeError(message)
        return part.tolist()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return {
            "ngrams": list(self.ngrams or ()),
            "column": self.column,
            "vocabulary": list(self.vocabulary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody.

        Raises:
            OptionError: the ngrams or the column cannot be used.
            ValueError: the vocabulary is none.
        """
        words = data["vocabulary"]
        if set(data) != {"ngrams", "column", "vocabulary", *cls.more_fields()}:
            message = f"expected the fields of the step {cls.kind!r}"
            raise ValueError(message)
        if (
            not isinstance(words, list)
            or not 1 <= len(words) <= MOST_TERMS
            or not _are_terms(words)
        ):
            message = f"expected a vocabulary of the step {cls.kind!r}, sorted, each term once"
            raise ValueError(message)
        return cls(
            vocab=len(words),
            ngrams=data["ngrams"],
            column=data["column"],
            vocabulary=tuple(words),
            **cls.read_more(data, len(words)),
        )

    @classmethod
    def more_fields(cls) -> tuple[str, ...]:
        """Return the names of what `learn` adds."""
        return ()

    @classmethod
    def read_more(cls, data: Mapping[str, Any], terms: int) -> dict[str, Any]:
        """Return what `learn` added, from JSON data that may come from anybody."""
        return {}


@dataclasses.dataclass(frozen=True, slots=True)
class Bow(Bag):
    """Count how often each term stands in a text."""

    kind: ClassVar[str] = "bow"

    def weigh(self, places: Array, counts: Array) -> Array:  # noqa: ARG002 - the common form
        """Return the counts."""
        return counts


@dataclasses.dataclass(frozen=True, slots=True)
class TfIdf(Bag):
    """Count terms, a rare one more than a common one, and give each text the length 1.

    The weight of a term is `ln((1 + texts) / (1 + texts that have it)) + 1`, scikit-learn's.

    Attributes:
        weights: the weight of each term.
    """

    kind: ClassVar[str] = "tfidf"

    weights: tuple[float, ...] = ()
    scale: Array = dataclasses.field(
        default_factory=lambda: np.zeros(0), init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Check the fields, and keep the weights as an array."""
        Bag.__post_init__(self)
        object.__setattr__(self, "scale", np.array(self.weights))

    def learn(self, counts: Any) -> dict[str, Any]:  # noqa: ANN401 - a sparse matrix
        """Return the weights."""
        transformer = fitting_module("feature_extraction.text").TfidfTransformer().fit(counts)
        return {"weights": tuple(np.asarray(transformer.idf_, np.float64).tolist())}

    def weigh(self, places: Array, counts: Array) -> Array:
        """Return the weighted counts, at a length of 1."""
        weighted = counts * self.scale[places]
        return weighted / math.sqrt(float(weighted @ weighted))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return {**Bag.to_json(self), "weights": list(self.weights)}

    @classmethod
    def more_fields(cls) -> tuple[str, ...]:
        """Return the names of what `learn` adds."""
        return ("weights",)

    @classmethod
    def read_more(cls, data: Mapping[str, Any], terms: int) -> dict[str, Any]:
        """Return the weights, from JSON data that may come from anybody."""
        weights = tuple(float(each) for each in data["weights"])
        if len(weights) != terms or not all(0 < each < 1e6 for each in weights):
            message = "expected a weight above 0 for each term"
            raise ValueError(message)
        return {"weights": weights}


def terms_of(text: str, ngrams: tuple[int, int]) -> Iterable[str]:
    """Yield the terms of a text: its words, and phrases of so many.

    >>> list(terms_of("Red wine, red meat", (1, 2)))
    ['red', 'wine', 'red', 'meat', 'red wine', 'wine red', 'red meat']
    >>> list(terms_of("好喝的 tea", (2, 2)))
    ['好 喝', '喝 的', '的 tea']
    """
    words = TERM.findall(text.lower())
    for length in range(ngrams[0], ngrams[1] + 1):
        if length == 1:
            yield from words
        else:
            yield from map(" ".join, zip(*(words[n:] for n in range(length)), strict=False))


def spaceless_share(texts: Sequence[str]) -> float:
    """Return the share of letters that are of scripts without spaces between words.

    >>> spaceless_share(["吃饭 ok"])
    0.5
    """
    letters = sum(len(LETTER.findall(text)) for text in texts)
    found = sum(len(re.findall(rf"(?=\w)[{SPACELESS}]", text)) for text in texts)
    return found / letters if letters else 0.0


def _check_size(texts: int, terms: int, step: str) -> None:
    if texts * terms * 4 > MOST_BYTES:
        message = (
            f"{texts:,} texts of {terms:,} terms need {texts * terms * 4 / 2**30:.1f} GiB of "
            f"memory; expected at most {MOST_BYTES >> 30}. Take fewer terms, mb.{step}("
            f"vocab={max(MOST_BYTES // 4 // texts, 1)}), or tokens: prep=[mb.tokens()]"
        )
        raise DataError(message)


def _check_count(vocab: Any, step: str) -> None:  # noqa: ANN401 - whatever was given
    whole = isinstance(vocab, int) and not isinstance(vocab, bool)
    if not whole or not 1 <= vocab <= MOST_TERMS:
        message = (
            f"vocab={vocab!r:.40} cannot be used; expected a whole number from 1 to {MOST_TERMS}. "
            f"Type: mb.{step}(vocab=2000)"
        )
        raise OptionError(message)


def _as_ngrams(ngrams: Any, step: str) -> tuple[int, int] | None:  # noqa: ANN401 - whatever was given
    if ngrams is None or (isinstance(ngrams, list | tuple) and not ngrams):
        return None
    pair: tuple[Any, ...] = tuple(ngrams) if isinstance(ngrams, list | tuple) else ()
    whole = len(pair) == 2 and all(type(each) is int for each in pair)
    if not whole or not 1 <= pair[0] <= pair[1] <= LONGEST_PHRASE:
        message = (
            f"ngrams={ngrams!r:.40} cannot be used; expected the shortest and the longest phrase "
            f"in words, from 1 to {LONGEST_PHRASE}. Type: mb.{step}(ngrams=(1, 2))"
        )
        raise OptionError(message)
    return pair[0], pair[1]


def _are_terms(words: Sequence[object]) -> bool:
    texts = [word for word in words if isinstance(word, str) and 0 < len(word) <= LONGEST_TERM]
    return len(texts) == len(words) and all(a < b for a, b in itertools.pairwise(texts))
