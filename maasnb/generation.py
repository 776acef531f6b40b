"""Writing text with a model that says which token comes next: the same in notebook and server.

A model gives the probabilities of the next token; `Sampling` says how one is drawn. They are
sharpened by the temperature, cut to the `top_k` most probable and to the fewest that hold `top_p`
of the probability, and one is drawn by the inverse of their cumulative sum, with numbers of NumPy's
PCG64. So the tokens are a function of model, prompt and seed, wherever they are drawn.
"""

import dataclasses
import math
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from maasnb.datasets.text import TextStep
from maasnb.errors import DataError, OptionError

__all__ = [
    "MOST_STOPS",
    "MOST_TOKENS",
    "NextToken",
    "Piece",
    "Sampling",
    "Stream",
    "Text",
    "draw",
    "generate_text",
    "next_token_of",
    "sharpened",
]

Array = np.ndarray[Any, np.dtype[Any]]

NextToken = Callable[[Sequence[int]], Array]
"""Tokens so far, at least one -> the probabilities [vocabulary] of the next one."""

MOST_TOKENS = 1 << 16
MOST_STOPS = 16
LONGEST_STOP = 1000
HIGHEST_TEMPERATURE = 100.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Say how tokens are drawn.

    Attributes:
        max_tokens: how many are drawn at the most.
        temperature: 1 takes the probabilities as they are, less makes the probable ones more
            probable; 0 always takes the most probable.
        top_k: only so many of the most probable are drawn from; None for all.
        top_p: only the fewest that hold this part of the probability are drawn from.
        seed: fixes what is drawn; None draws anew each time.
        stop: texts at whose first occurrence the writing ends; they are not part of what is
            written.
    """

    max_tokens: int = 256
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            OptionError: a value cannot be used.
        """
        _check_whole("max_tokens", self.max_tokens, 1, MOST_TOKENS, "max_tokens=256")
        if self.top_k is not None:
            _check_whole("top_k", self.top_k, 1, 1 << 31, "top_k=40")
        if self.seed is not None:
            _check_whole("seed", self.seed, 0, (1 << 64) - 1, "seed=0")
        _check_number("temperature", self.temperature, 0, HIGHEST_TEMPERATURE)
        _check_number("top_p", self.top_p, 0, 1)
        stops: object = self.stop
        if isinstance(stops, str):
            stops = (stops,)
        listed = tuple(stops) if isinstance(stops, list | tuple) else (None,)
        texts = [each for each in listed if isinstance(each, str) and 0 < len(each) <= LONGEST_STOP]
        if len(texts) < len(listed) or len(texts) > MOST_STOPS:
            message = (
                f"stop={self.stop!r:.80} cannot be used; expected up to {MOST_STOPS} texts of 1 to "
                f'{LONGEST_STOP} characters. Type: stop=["\\n\\n"]'
            )
            raise OptionError(message)
        object.__setattr__(self, "stop", tuple(texts))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Hold what one more token brought.

    Attributes:
        text: the text that is certain now; empty while it may still be the beginning of a stop.
        tokens: how many tokens were drawn so far.
        finish: `"stop"` or `"length"` for the last piece, else None.
    """

    text: str
    tokens: int
    finish: Literal["stop", "length"] | None = None


class Text(str):
    """Be the text that a model wrote; a cell shows it as it is read.

    Attributes:
        tokens: how many tokens were drawn.
        finish: why it ends: `"stop"` or `"length"`; None where it was left before its end.
    """

    __slots__ = ("finish", "tokens")

    def __new__(cls, text: str, tokens: int = 0, finish: str | None = None) -> "Text":
        """Keep what is known of the text beside it."""
        made = super().__new__(cls, text)
        made.tokens = tokens
        made.finish = finish
        return made

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, FBT001, ARG002 - as IPython calls it
        printer.text(str(self))


class Stream:
    """Yield the pieces of a text while a model writes it; a cell shows them as they come.

    Attributes:
        text: what was written so far.
    """

    def __init__(self, pieces: Iterator[Piece]) -> None:
        """Take what writes."""
        self._pieces = pieces
        self.text = Text("")

    def __iter__(self) -> Iterator[str]:
        """Yield each piece of text that is not empty."""
        for piece in self._pieces:
            self.text = Text(self.text + piece.text, piece.tokens, piece.finish)
            if piece.text:
                yield piece.text

    def read(self) -> Text:
        """Return the whole text when it is written."""
        for _ in self:
            pass
        return self.text

    def close(self) -> None:
        """End the writing."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()

    def _ipython_display_(self) -> None:
        for piece in self:
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")


def next_token_of(predict: Callable[[Array], Array], length: int) -> NextToken:
    """Return the probabilities of the next token by a model of fixed windows.

    A window that is not full is padded behind. A model that looks back only, as a language model
    does, says the same at the last token whatever stands behind it.

    Args:
        predict: tokens [1, length], int32 -> probabilities [1, length, vocabulary].
        length: how many tokens the model takes.
    """

    def probabilities(tokens: Sequence[int]) -> Array:
        seen = tokens[-length:]
        window = np.zeros((1, length), np.int32)
        window[0, : len(seen)] = seen
        return predict(window)[0, len(seen) - 1]

    return probabilities


def sharpened(probabilities: Array, sampling: Sampling) -> Array:
    """Return the probabilities that a token is drawn with.

    Args:
        probabilities: what the model says [vocabulary].
        sampling: how to draw; of equally probable tokens the one with the lower number counts as
            the more probable.

    Returns:
        Probabilities [vocabulary], float64, that add up to 1.

    Raises:
        DataError: the model returned no probabilities.
    """
    given = np.asarray(probabilities, np.float64)
    if not np.isfinite(given).all() or given.min() < 0 or not given.sum() > 0:
        message = (
            "The model returned NaN or no probabilities for the next token; expected numbers of at "
            "least 0. Train it again with a smaller learning rate: mb.train(model, data, lr=1e-4)"
        )
        raise DataError(message)
    order = np.argsort(-given, kind="stable")
    if sampling.temperature == 0:
        return _one(order[0], len(given))
    with np.errstate(divide="ignore"):
        logs = np.log(given[order])
    # The difference first: divided by a tiny temperature, a logarithm alone would be infinite.
    with np.errstate(over="ignore"):
        weights = np.exp((logs - logs[0]) / sampling.temperature)
    if sampling.top_k is not None:
        weights[sampling.top_k :] = 0
    weights /= weights.sum()
    if sampling.top_p < 1:
        # The token that crosses the line is still in, so that there is always one.
        before = np.cumsum(weights) - weights
        weights[1:][before[1:] >= sampling.top_p] = 0
    result = np.zeros_like(given)
    result[order] = weights / weights.sum()
    return result


def draw(probabilities: Array, uniform: float) -> int:
    """Return the token at which the cumulative probability first exceeds a number of [0, 1)."""
    cumulative = np.cumsum(probabilities)
    place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    # Rounding may leave the last step of the sum below the number; that token has probability.
    return min(place, int(np.flatnonzero(probabilities)[-1]))


def generate_text(
    next_token: NextToken, text: TextStep, prompt: str, sampling: Sampling
) -> Iterator[Piece]:
    """Write on behind a prompt, one token at a time.

    Args:
        next_token: the model.
        text: its vocabulary.
        prompt: the text to write on from; where it is empty, a line begins.
        sampling: how to draw.

    Yields:
        A piece for each token, the last one with the reason of the end. The token that stands for
        unknown ones is never drawn.
    """
    tokens = [int(each) for each in text.encode(prompt or "\n")]
    seed = secrets.randbits(64) if sampling.seed is None else sampling.seed
    generator = np.random.Generator(np.random.PCG64(seed))
    held = ""
    for count in range(1, sampling.max_tokens + 1):
        probabilities = np.array(next_token(tokens), np.float64)
        probabilities[0] = 0
        uniform = generator.random()
        tokens.append(draw(sharpened(probabilities, sampling), uniform))
        held += text.decode(tokens[-1:])
        ends = [place for place in (held.find(stop) for stop in sampling.stop) if place >= 0]
        if ends:
            yield Piece(text=held[: min(ends)], tokens=count, finish="stop")
            return
        if count == sampling.max_tokens:
            break
        certain = len(held) - _pending(held, sampling.stop)
        yield Piece(text=held[:certain], tokens=count)
        held = held[certain:]
    yield Piece(text=held, tokens=sampling.max_tokens, finish="length")


def _pending(held: str, stops: Sequence[str]) -> int:
    """Return how many characters at the end may be the beginning of a stop."""
    longest = max((len(stop) for stop in stops), default=1) - 1
    return next(
        (
            size
            for size in range(min(longest, len(held)), 0, -1)
            if any(stop.startswith(held[-size:]) for stop in stops)
        ),
        0,
    )


def _one(place: int, size: int) -> Array:
    result = np.zeros(size)
    result[place] = 1
    return result


def _check_whole(name: str, value: Any, least: int, most: int, example: str) -> None:  # noqa: ANN401 - whatever was given
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        message = (
            f"{name}={value!r:.40} cannot be used; expected a whole number from {least} to {most}. "
            f"Type: {example}"
        )
        raise OptionError(message)


def _check_number(name: str, value: Any, least: float, most: float) -> None:  # noqa: ANN401 - whatever was given
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:
        message = (
            f"{name}={value!r:.40} cannot be used; expected a number from {least:g} to {most:g}. "
            f"Type: {name}=0.8"
        )
        raise OptionError(message)
