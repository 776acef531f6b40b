"""Labelled texts as tokens of one length, for models that read words in their order.

Token 0 is the padding behind a short text, and token 1 stands for what the vocabulary does not
have. A text that is longer than the length keeps its beginning. An empty text is one unknown token,
so that there is always something to read.
"""

import collections
import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from maasnb.datasets.bags import MOST_TERMS, SPACELESS
from maasnb.datasets.pairs import ALPHABET, learn_pairs, pieces_of, split_piece
from maasnb.datasets.steps import Array, Step
from maasnb.datasets.text import LONGEST, UNKNOWN, as_texts
from maasnb.errors import DataError, OptionError, unknown_name

__all__ = ["PADDING", "Tokens", "Unit"]

Unit = Literal["word", "character", "byte_pair"]

PADDING = ""
SPECIAL = (PADDING, UNKNOWN)
WORD = re.compile(rf"[{SPACELESS}]|(?:(?![{SPACELESS}])\w)+(?:['\u2019]\w+)*|[^\w\s]")
LONGEST_BY_ITSELF = 512
COVERED = 0.95
FEWEST = {"word": 3, "character": 3, "byte_pair": len(SPECIAL) + len(ALPHABET)}


@dataclasses.dataclass(frozen=True, slots=True)
class Tokens(Step):
    """Give each word, character or byte pair of a text a number.

    Attributes:
        vocab: how many tokens there are at most, padding and unknown among them; those that the
            training texts have most often.
        length: how many tokens the model takes; None for as many as 95 % of the training texts
            have, at most 512.
        unit: what a token is.
        vocabulary: the text of each token.
        pairs: the byte pairs to join, in their order; empty for other units.
    """

    kind: ClassVar[str] = "tokens"
    reads_text: ClassVar[bool] = True

    vocab: int = 2000
    length: int | None = None
    unit: Unit = "word"
    vocabulary: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    places: Mapping[str, int] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    ranks: Mapping[tuple[str, str], int] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Check the fields, and number the tokens and pairs."""
        if self.unit not in get_args(Unit):
            raise unknown_name("unit of tokens", str(self.unit), get_args(Unit))
        fewest = FEWEST[self.unit]
        if not _is_whole(self.vocab, fewest, MOST_TERMS):
            message = (
                f"vocab={self.vocab!r:.40} cannot be used; expected a whole number from {fewest} "
                f"to {MOST_TERMS} for {self.unit}s. Type: mb.tokens(vocab=2000)"
            )
            raise OptionError(message)
        if self.length is not None and not _is_whole(self.length, 1, LONGEST):
            message = (
                f"length={self.length!r:.40} cannot be used; expected a whole number from 1 to "
                f"{LONGEST}. Type: mb.tokens(length=64)"
            )
            raise OptionError(message)
        object.__setattr__(self, "places", {each: n for n, each in enumerate(self.vocabulary)})
        object.__setattr__(self, "ranks", {pair: n for n, pair in enumerate(self.pairs)})

    def fit(self, x: Any, y: Array) -> "Tokens":  # noqa: ANN401, ARG002 - texts [n]
        """Learn the vocabulary and the length of texts [n].

        Raises:
            DataError: no text has a token.
            MissingPackageError: byte pairs need `tokenizers`.
        """
        texts = as_texts(x)
        if not any(text.strip() for text in texts):
            message = f"All {len(texts)} training texts are empty; expected some with words."
            raise DataError(message)
        if self.unit == "byte_pair":
            pairs = learn_pairs(texts, self.vocab - len(SPECIAL))
            joined = dict.fromkeys([*ALPHABET, *("".join(pair) for pair in pairs)])
            ready = dataclasses.replace(self, vocabulary=(*SPECIAL, *joined), pairs=pairs)
        else:
            counts = collections.Counter(part for text in texts for part in self._parts(text))
            counts.pop(UNKNOWN, None)
            common = sorted(counts, key=lambda part: (-counts[part], part))
            kept = tuple(common[: self.vocab - len(SPECIAL)])
            ready = dataclasses.replace(self, vocabulary=(*SPECIAL, *kept))
        if self.length is not None:
            return ready
        lengths = sorted(len(list(ready._parts(text))) for text in texts)
        covered = lengths[min(int(COVERED * len(lengths)), len(lengths) - 1)]
        return dataclasses.replace(ready, length=min(max(covered, 1), LONGEST_BY_ITSELF))

    def inputs(self, x: Any) -> Array:  # noqa: ANN401 - texts [n]
        """Return the tokens [n, length] of texts [n], int32, with padding behind short ones."""
        length = self.length or 1
        tokens = np.zeros((len(x), length), np.int32)
        for row, text in enumerate(as_texts(x) if len(x) else ()):
            parts = itertools.islice(self._parts(text), length)
            found = [self.places.get(part, 1) for part in parts] or [1]
            tokens[row, : len(found)] = found
        return tokens

    def _parts(self, text: str) -> Iterator[str]:
        """Yield the text of each token."""
        if self.unit == "character":
            yield from text
        elif self.unit == "word":
            for found in WORD.finditer(text.lower()):
                yield found[0]
        else:
            for piece in pieces_of(text):
                yield from split_piece(piece, self.ranks)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return {
            "length": self.length,
            "unit": self.unit,
            "vocabulary": list(self.vocabulary),
            "pairs": [list(pair) for pair in self.pairs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody.

        Raises:
            OptionError: the length cannot be used.
            UnknownNameError: there is no such unit.
            ValueError: the vocabulary or the pairs are none of this step's.
        """
        words, unit = data["vocabulary"], data["unit"]
        if (
            set(data) != {"length", "unit", "vocabulary", "pairs"}
            or type(data["length"]) is not int
        ):
            message = "expected length, unit, vocabulary and pairs"
            raise ValueError(message)
        texts = isinstance(words, list) and all(isinstance(word, str) for word in words)
        few = texts and len(SPECIAL) < len(words) <= MOST_TERMS and len(set(words)) == len(words)
        if not few or tuple(words[:2]) != SPECIAL:
            message = "expected a vocabulary that begins with padding and unknown, each token once"
            raise ValueError(message)
        pairs = _read_pairs(data["pairs"], unit, words)
        return cls(max(len(words), FEWEST.get(unit, 0)), data["length"], unit, tuple(words), pairs)


def _read_pairs(data: Any, unit: str, words: Sequence[str]) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 - JSON
    """Return the pairs of JSON data; each joins two tokens to a third."""
    known = set(words)
    fits = isinstance(data, list) and (unit == "byte_pair" or not data)
    fits = fits and (unit != "byte_pair" or known.issuperset(ALPHABET))
    if not fits or not all(_is_pair(each, known) for each in data):
        message = "expected pairs of tokens that make a token, for byte pairs alone"
        raise ValueError(message)
    pairs = tuple((each[0], each[1]) for each in data)
    if len(set(pairs)) < len(pairs):
        message = "expected each pair once"
        raise ValueError(message)
    return pairs


def _is_pair(each: Any, known: set[str]) -> bool:  # noqa: ANN401 - JSON
    return (
        isinstance(each, list)
        and len(each) == 2
        and all(isinstance(one, str) and one in known for one in each)
        and "".join(each) in known
    )


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
