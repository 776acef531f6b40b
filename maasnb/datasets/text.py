"""Text as tokens: a vocabulary that travels with the model as data, and the way there and back.

Token 0 stands for what the vocabulary does not have, and for the padding behind a text that is
shorter than what the model takes. A text that is longer loses its beginning.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from maasnb.datasets.steps import Array, Step
from maasnb.errors import DataError, OptionError

__all__ = ["LONGEST", "UNKNOWN", "Chars", "TextStep", "as_texts", "checked_text", "visible"]

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
LONGEST = 1 << 16
MOST_TOKENS = 1 << 18


@dataclasses.dataclass(frozen=True, slots=True)
class TextStep(Step):
    """Be the parent of the steps that turn text into tokens.

    Attributes:
        length: how many tokens the model takes.
        vocabulary: the text of each token; that of token 0 stands for all others.
    """

    unit: ClassVar[str] = "token"
    reads_text: ClassVar[bool] = True

    length: int = 64
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields."""
        length: object = self.length
        whole = isinstance(length, int) and not isinstance(length, bool)
        if not whole or not 1 <= self.length <= LONGEST:
            message = (
                f"length={length!r} cannot be used; expected a whole number from 1 to {LONGEST}. "
                f"Type: prep=[mb.{self.kind}(64)]"
            )
            raise OptionError(message)

    def learn(self, text: str) -> "TextStep":
        """Return the step with the vocabulary of a text."""
        raise NotImplementedError

    def encode(self, text: str) -> Array:
        """Return the tokens [n] of a text, int64."""
        raise NotImplementedError

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        raise NotImplementedError

    def cut(self, text: str) -> tuple[Array, Array]:
        """Cut a text into windows of `length` tokens.

        Returns:
            The windows [n], text, one behind the other, and the windows [n] of the tokens that
            follow each of theirs. What is left at the end is no whole window and is not in them.
        """
        raise NotImplementedError

    def fit(self, x: Array, y: Array) -> "TextStep":  # noqa: ARG002 - the steps' common form
        """Learn the vocabulary of texts [n]."""
        return self.learn("".join(as_texts(x)))

    def inputs(self, x: Array) -> Array:
        """Return the tokens [n, length] of texts [n], int32, with padding behind short ones."""
        tokens = np.zeros((len(x), self.length), np.int32)
        for row, text in enumerate(as_texts(x) if len(x) else ()):
            found = self.encode(text)[-self.length :]
            tokens[row, : len(found)] = found
        return tokens

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return {"length": self.length, "vocabulary": list(self.vocabulary)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody.

        Raises:
            OptionError: the length cannot be used.
            ValueError: the vocabulary is none.
        """
        words = data["vocabulary"]
        some = isinstance(words, list) and 2 <= len(words) <= MOST_TOKENS
        if data.keys() != {"length", "vocabulary"} or not some or words[0] != UNKNOWN:
            message = f"expected a length and a vocabulary that begins with {UNKNOWN!r}"
            raise ValueError(message)
        texts = all(isinstance(word, str) for word in words)
        if not texts or len(set(words)) < len(words) or not cls.accepts(words[1:]):
            message = f"expected a vocabulary of the step {cls.kind!r}, each token once"
            raise ValueError(message)
        return cls(data["length"], tuple(words))

    @classmethod
    def accepts(cls, words: Sequence[str]) -> bool:
        """Say whether texts, each once, can be a vocabulary of this step."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, slots=True)
class Chars(TextStep):
    """Give each character of the training text a number, in the order of Unicode."""

    kind: ClassVar[str] = "chars"
    unit: ClassVar[str] = "character"

    def learn(self, text: str) -> "Chars":
        """Return the step with the characters of a text."""
        known = sorted(set(text) - {UNKNOWN})
        if not known:
            message = (
                f"The training text has no character beside {UNKNOWN!r}, which stands for what "
                "could not be read; it was read in a wrong encoding. Type: "
                'open(path, encoding="utf-8").read()'
            )
            raise DataError(message)
        return Chars(self.length, (UNKNOWN, *known))

    def encode(self, text: str) -> Array:
        """Return the number of each character [n], int64; 0 for one that is not known."""
        known = _codes(self.vocabulary)
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where(known[places] == codes, places + 1, 0)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the characters of numbers."""
        return "".join([self.vocabulary[token] for token in tokens])

    def cut(self, text: str) -> tuple[Array, Array]:
        """Cut a text into windows of characters, each with the window one character on."""
        starts = range(0, max(len(text) - self.length, 0), self.length)
        x, y = (
            [text[start + shift : start + shift + self.length] for start in starts]
            for shift in (0, 1)
        )
        return np.array(x, dtype=object), np.array(y, dtype=object)

    @classmethod
    def accepts(cls, words: Sequence[str]) -> bool:
        """Say whether texts are single characters in the order of Unicode."""
        return all(len(word) == 1 for word in words) and list(words) == sorted(words)


@functools.lru_cache(maxsize=64)
def _codes(vocabulary: tuple[str, ...]) -> Array:
    return np.array([ord(each) for each in vocabulary[1:]], np.uint32)


def as_texts(x: Any) -> list[str]:  # noqa: ANN401 - whatever was given
    """Return texts [n] as a list; one text counts as a list of one.

    Raises:
        DataError: they are no texts.
    """
    texts = [x] if isinstance(x, str) else list(np.asarray(x, dtype=object).reshape(-1))
    wrong = [each for each in texts if not isinstance(each, str)][:1]
    if wrong or not texts or np.ndim(x) > 1:
        found = f"{wrong[0]!r:.60}" if wrong else f"an array of shape {np.shape(x)}"
        message = f"x holds {found}; expected texts [n], with an empty text where one is missing."
        raise DataError(message)
    return [str(each) for each in texts]


def checked_text(text: str, what: str = "The text") -> str:
    """Return a text that has whole characters alone.

    Raises:
        DataError: it was read in a wrong encoding; says where.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = (
            f"{what} has no character at position {error.start}, but half of one "
            f"({text[error.start]!r}); it was read in a wrong encoding. Type: "
            'open(path, encoding="utf-8").read()'
        )
        raise DataError(message) from error
    return text


def visible(token: str) -> str:
    r"""Return a token as it is shown in a table: quoted where it could not be seen.

    >>> visible("a"), visible(" "), visible("\n")
    ('a', "' '", "'\\n'")
    """
    return token if token.isprintable() and token.strip() == token else repr(token)
