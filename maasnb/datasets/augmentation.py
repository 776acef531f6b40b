"""Augmentation: how training examples are changed anew each time they are seen, as data.

A step of augmentation gets a whole batch and a generator of random numbers that follows from the
run's seed and the number of the training step alone (of a stream: its seed, the epoch and the
batch). So a run that is resumed, forked or repeated sees the same changed examples, without any
stored position. Validation, test and a served model never see any of it.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from maasnb.datasets.images import image_axes
from maasnb.datasets.recipes import Recipe
from maasnb.errors import DataError, OptionError

__all__ = [
    "Augmentation",
    "augmented",
    "drop_words",
    "flip",
    "noise",
    "shift",
]

Array = np.ndarray[Any, np.dtype[Any]]
Random = np.random.Generator

_STREAM = 0xA06  # apart from the generators of the order, which have two numbers alone
_WORD = re.compile(r"\s*(?:[\u3400-\u4dbf\u4e00-\u9fff]|[^\s\u3400-\u4dbf\u4e00-\u9fff]+)")
"""A word with the space before it; each Chinese character is one."""
MOST_PIXELS = 512


@dataclasses.dataclass(frozen=True, slots=True)
class Augmentation:
    """Be the parent of the steps of augmentation."""

    kind: ClassVar[str] = "augmentation"

    def raw(self, x: Array, random: Random, features: Sequence[str]) -> Array:  # noqa: ARG002 - the steps' common form
        """Return changed raw examples [n, ...], before the recipe prepares them."""
        return x

    def prepared(self, inputs: Array, random: Random) -> Array:  # noqa: ARG002 - the steps' common form
        """Return changed inputs [n, ...], as the recipe prepared them."""
        return inputs

    def to_json(self) -> dict[str, Any]:
        """Return the step as JSON data."""
        return {"augment": self.kind, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        """Return the step as it is written."""
        return f"{self.kind}({', '.join(f'{value:g}' for value in dataclasses.astuple(self))})"


@dataclasses.dataclass(frozen=True, slots=True)
class Shift(Augmentation):
    """Move each image by up to so many pixels up, down, left and right; zeros come in.

    Attributes:
        pixels: how far at the most.
    """

    kind: ClassVar[str] = "shift"

    pixels: int

    def __post_init__(self) -> None:
        """Check the field."""
        whole = isinstance(self.pixels, int) and not isinstance(self.pixels, bool)
        if not whole or not 1 <= self.pixels <= MOST_PIXELS:
            message = (
                f"pixels={self.pixels!r} cannot be used; expected a whole number from 1 to "
                f"{MOST_PIXELS}. Type: augment=[mb.shift(2)]"
            )
            raise OptionError(message)

    def raw(self, x: Array, random: Random, features: Sequence[str]) -> Array:
        """Return moved images."""
        images, back = _with_sides_first(self, x, features)
        height, width = images.shape[1:3]
        reach = (min(self.pixels, height - 1), min(self.pixels, width - 1))
        down, right = (random.integers(-each, each + 1, size=(len(x), 1)) for each in reach)
        margins = [(0, 0), *((each, each) for each in reach), *[(0, 0)] * (images.ndim - 3)]
        wide = np.pad(images, margins)
        rows = reach[0] - down + np.arange(height)
        columns = reach[1] - right + np.arange(width)
        moved = wide[np.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None, :]]
        return back(moved)


@dataclasses.dataclass(frozen=True, slots=True)
class Flip(Augmentation):
    """Turn half of the images into their mirror image, left to right."""

    kind: ClassVar[str] = "flip"

    def raw(self, x: Array, random: Random, features: Sequence[str]) -> Array:
        """Return the images, about half of them mirrored."""
        images, back = _with_sides_first(self, x, features)
        chosen = random.random(len(x)) < 0.5
        mirrored = np.where(
            chosen.reshape(-1, *[1] * (images.ndim - 1)), images[:, :, ::-1], images
        )
        return back(mirrored)


@dataclasses.dataclass(frozen=True, slots=True)
class Noise(Augmentation):
    """Add normally distributed noise to each prepared number.

    Attributes:
        deviation: its standard deviation, in the unit of the prepared inputs: of standardised ones
            that of the column itself.
    """

    kind: ClassVar[str] = "noise"

    deviation: float

    def __post_init__(self) -> None:
        """Check the field."""
        _check_between(
            self, "deviation", self.deviation, math.inf, "a positive number", "noise(.1)"
        )

    def prepared(self, inputs: Array, random: Random) -> Array:
        """Return the inputs with noise."""
        if inputs.dtype.kind != "f":
            message = (
                "noise() is for numbers, but the prepared inputs are whole ones, which may be "
                "tokens. Leave it out, or scale them: prep=[mb.standardize()]"
            )
            raise OptionError(message)
        noisy = random.standard_normal(inputs.shape, np.float32) * np.float32(self.deviation)
        return inputs + noisy


@dataclasses.dataclass(frozen=True, slots=True)
class DropWords(Augmentation):
    """Leave out each word of a text with some probability; at least one word stays.

    Attributes:
        share: the probability. Each Chinese character counts as a word.
    """

    kind: ClassVar[str] = "drop_words"

    share: float

    def __post_init__(self) -> None:
        """Check the field."""
        _check_between(self, "share", self.share, 1, "a number between 0 and 1", "drop_words(.1)")

    def raw(self, x: Array, random: Random, features: Sequence[str]) -> Array:  # noqa: ARG002 - the steps' common form
        """Return the texts [n] without the words that were drawn."""
        texts = np.asarray(x, dtype=object)
        if texts.ndim != 1 or not all(isinstance(each, str) for each in texts):
            message = f"drop_words() is for texts, but x is {_outline(x)}. Leave it out."
            raise OptionError(message)
        return np.array([self._shortened(each, random) for each in texts], dtype=object)

    def _shortened(self, text: str, random: Random) -> str:
        words = _WORD.findall(text)
        kept = random.random(len(words)) >= self.share
        if len(words) and not kept.any():
            kept[random.integers(len(words))] = True
        return "".join(word for word, stays in zip(words, kept, strict=True) if stays).strip()


def shift(pixels: int = 2) -> Augmentation:
    """Move each training image by up to so many pixels in both directions.

    Args:
        pixels: how far at the most.
    """
    return Shift(pixels)


def flip() -> Augmentation:
    """Turn half of the training images into their mirror image, left to right."""
    return Flip()


def noise(deviation: float = 0.1) -> Augmentation:
    """Add normally distributed noise to the prepared training inputs.

    Args:
        deviation: its standard deviation, in the unit of the prepared inputs.
    """
    return Noise(deviation)


def drop_words(share: float = 0.1) -> Augmentation:
    """Leave out each word of the training texts with some probability.

    Args:
        share: the probability.
    """
    return DropWords(share)


def augmented(
    steps: Sequence[Augmentation],
    x: Array,
    recipe: Recipe,
    features: Sequence[str],
    key: tuple[int, ...],
) -> Array:
    """Return prepared inputs [n, ...] of raw examples [n, ...], changed by all steps in order.

    Args:
        steps: the steps; what they do to raw examples comes before the recipe, the rest behind it.
        x: raw examples.
        recipe: the fitted recipe.
        features: the columns' names.
        key: what the random numbers follow from: the run's seed and the number of the training
            step; of a stream its seed, the number of the epoch and that of the batch.
    """
    random = np.random.default_rng((*key, _STREAM))
    for step in steps:
        x = step.raw(x, random, features)
    inputs = recipe.inputs(x)
    for step in steps:
        inputs = step.prepared(inputs, random)
    if not np.isfinite(inputs).all():
        message = (
            "Some numbers are too large for float32 after augmentation. Take less noise, or scale "
            "the inputs: prep=[mb.standardize()]"
        )
        raise DataError(message)
    return inputs


def _with_sides_first(step: Augmentation, x: Array, features: Sequence[str]) -> Any:  # noqa: ANN401 - an array and a function
    """Return images [n, height, width, ...] and the way back to the form that they had."""
    found = image_axes(x.shape[1:], features) if x.dtype.kind in "biuf" else None
    if found is None:
        message = (
            f"{step.kind}() is for images, but x is {_outline(x)}; expected [n, height, width], "
            "with channels last or first, or columns named after row and column. Leave it out, or "
            "type: x = x.reshape(len(x), height, width)"
        )
        raise OptionError(message)
    shape, (vertical, _) = found
    images = x.reshape(len(x), *shape)
    if vertical == 1:
        return np.moveaxis(images, 1, -1), lambda moved: np.moveaxis(moved, -1, 1)
    return images, lambda moved: moved.reshape(x.shape)


def _outline(x: Array) -> str:
    sizes = ", ".join(map(str, x.shape[1:]))
    return f"[n{', ' if sizes else ''}{sizes}] of {x.dtype}"


def _check_between(
    step: Augmentation,
    name: str,
    value: Any,  # noqa: ANN401 - whatever was given
    most: float,
    expected: str,
    example: str,
) -> None:
    """Refuse what is no number above 0 and below the most that it may be."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not 0 < value < most:
        message = (
            f"{name}={value!r} cannot be used in {step.kind}(); expected {expected}. "
            f"Type: augment=[mb.{example}]"
        )
        raise OptionError(message)
