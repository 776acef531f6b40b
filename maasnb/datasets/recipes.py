"""Preprocessing as data: fitted on the training split, the same code in notebook and server.

A `Recipe` holds fitted steps and is stored as JSON. `Recipe.inputs` turns raw examples into what
the model takes; `Recipe.outputs` turns what the model returns into the targets' own unit. Only
fitting needs scikit-learn.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from maasnb.datasets.bags import Bag, Bow, TfIdf
from maasnb.datasets.columns import Columns
from maasnb.datasets.images import ScalePixels
from maasnb.datasets.scaling import Impute, MinMax, Standardize, checked_names, moments
from maasnb.datasets.steps import Raw, Step
from maasnb.datasets.tabular import Clean, OneHot, Table
from maasnb.datasets.text import Chars, TextStep
from maasnb.datasets.tokens import Tokens, Unit
from maasnb.errors import DataError, OptionError, unknown_name
from maasnb.parts import Parts, mapped

__all__ = [
    "STEPS",
    "Bag",
    "Bow",
    "Chars",
    "Clean",
    "Impute",
    "MinMax",
    "OneHot",
    "Recipe",
    "Standardize",
    "StandardizeTarget",
    "Step",
    "Table",
    "TfIdf",
    "Tokens",
    "bow",
    "chars",
    "clean",
    "fit_recipe",
    "impute",
    "minmax",
    "one_hot",
    "standardize",
    "standardize_target",
    "tfidf",
    "tokens",
]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class StandardizeTarget(Step):
    """Train a regression on targets of mean 0 and deviation 1, and answer in their own unit.

    Attributes:
        mean: the mean of each target over the training split.
        scale: the standard deviation of each target, 1 for a constant one.
    """

    kind: ClassVar[str] = "standardize_target"

    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def fit(self, x: Array, y: Array) -> "StandardizeTarget":  # noqa: ARG002 - the steps' common form
        """Learn the mean and the standard deviation of each target."""
        if y.ndim != 2 or y.dtype.kind != "f":
            message = (
                "standardize_target() is for regression, but the targets are classes. Leave it out."
            )
            raise OptionError(message)
        return StandardizeTarget(*moments(y))

    def targets(self, y: Array) -> Array:
        """Subtract the mean and divide by the scale."""
        return (y - np.array(self.mean)) / np.array(self.scale)

    def outputs(self, outputs: Array) -> Array:
        """Multiply by the scale and add the mean, in float64."""
        return outputs * np.array(self.scale) + np.array(self.mean)


_KINDS = (
    Bow, Chars, Impute, MinMax, OneHot, ScalePixels, Standardize, StandardizeTarget, Table, TfIdf,
    Tokens,
)  # fmt: skip
STEPS: dict[str, type[Step]] = {each.kind: each for each in _KINDS}
"""What a fitted recipe can hold, by name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """Hold the fitted steps, in order."""

    steps: tuple[Step, ...] = ()

    @property
    def text(self) -> TextStep | None:
        """Return the step whose tokens can be made text again, so that a model can write."""
        first = self.steps[0] if self.steps else None
        return first if isinstance(first, TextStep) else None

    @property
    def raw(self) -> Raw:
        """Return what raw examples are: numbers, texts, or rows of texts."""
        first = self.steps[0] if self.steps else None
        if isinstance(first, Table):
            return "rows" if first.texts else "numbers"
        return "text" if first is not None and first.reads_text else "numbers"

    @property
    def fills(self) -> bool:
        """Say whether values may be missing in raw examples."""
        return any(step.fills for step in self.steps)

    def check(self, x: Array) -> None:
        """Pass if rows of texts can be read.

        Raises:
            ShapeError: there are more or fewer columns than the recipe was fitted on.
            DataError: a text stands where a number was expected, or a number is missing.
        """
        first = self.steps[0] if self.steps else None
        if not isinstance(first, Table):
            return
        columns = first.inputs(x)
        for name in () if self.fills else columns.numbers:
            gaps = np.flatnonzero(np.isnan(columns.parts[name]))
            if len(gaps):
                message = (
                    f"The column {name!r:.80} has no value in row {gaps[0] + 1}; expected a "
                    "number. The model was trained without gaps; for one that fills them type: "
                    'prep=[mb.impute("median"), ...]'
                )
                raise DataError(message)

    def inputs(self, x: Parts) -> Parts:
        """Return prepared inputs [n, ...] for raw examples [n, ...], of one part or of several.

        Whole numbers stay whole, as int32, because they may be tokens; all else is float32.
        """
        for step in self.steps:
            x = step.inputs(x)
        return mapped(_plain, x.joined() if isinstance(x, Columns) else x)

    def targets(self, y: Parts) -> Parts:
        """Return the targets that the model is trained on; classes pass unchanged."""
        for step in self.steps:
            y = step.targets(y)
        return y

    def outputs(self, outputs: Array) -> Array:
        """Return the model's outputs in the targets' own unit, as float32."""
        for step in reversed(self.steps):
            outputs = step.outputs(outputs)
        return np.asarray(outputs, dtype=np.float32)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the recipe as JSON data.

        >>> Recipe((Standardize((1.0,), (2.0,)),)).to_json()
        [{'step': 'standardize', 'mean': [1.0], 'scale': [2.0]}]
        """
        return [{"step": step.kind, **step.to_json()} for step in self.steps]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> "Recipe":
        """Return the recipe that `to_json` wrote.

        Raises:
            UnknownNameError: a step's kind is not known (a newer version may have written it).
            ValueError: the steps are in an order in which none can work.
        """
        steps: list[Step] = []
        for fields in data:
            if fields["step"] not in STEPS:
                raise unknown_name("recipe step", str(fields["step"]), STEPS)
            rest = {name: value for name, value in fields.items() if name != "step"}
            steps.append(STEPS[fields["step"]].from_json(rest))
        _check_order(steps)
        return cls(tuple(steps))


def _check_order(steps: Sequence[Step]) -> None:
    for place, step in enumerate(steps):
        in_table = bool(place) and isinstance(steps[0], Table)
        wrong = isinstance(step, Table) or (
            step.reads_text and not (in_table and isinstance(step, Bag))
        )
        if place and wrong:
            message = f"expected the step {step.kind!r} as the first"
            raise ValueError(message)


def _plain(part: Array) -> Array:
    # Not abs(): there is no positive number for the smallest of a signed type.
    whole = part.dtype.kind in "iu" and (
        not part.size or (part.min() >= -(2**31) and part.max() < 2**31)
    )
    return np.ascontiguousarray(part, dtype=np.int32 if whole else np.float32)


def bow(vocab: int = 2000, ngrams: Sequence[int] | None = None, column: str = "") -> Step:
    """Count how often each word or phrase stands in a text.

    Args:
        vocab: how many at most; the most frequent of the training texts are taken.
        ngrams: the shortest and the longest phrase, in words; by default single words, and in
            scripts without spaces (as Chinese) single characters and pairs.
        column: the column of a table that holds the texts; by default its only one.
    """
    return Bow(vocab, _pair(ngrams), column)


def chars(length: int = 64) -> Step:
    """Turn text into windows of characters, for a model that says which one comes next.

    Args:
        length: how many characters the model sees at once.
    """
    return Chars(length)


def clean() -> Step:
    """Leave out rows that are there twice and rows without a target, before the split."""
    return Clean()


def impute(value: str | float = "median", columns: Sequence[str] = ()) -> Step:
    """Put a value in the place of each missing number.

    Args:
        value: median, mean or most_frequent of the column's training values, or a number.
        columns: the columns of a table; by default all of numbers.
    """
    return Impute(value, columns=checked_names(columns, "impute"))


def minmax(columns: Sequence[str] = ()) -> Step:
    """Bring each column into 0 to 1 by the training split's smallest and largest value.

    Args:
        columns: the columns of a table; by default all of numbers.
    """
    return MinMax(columns=checked_names(columns, "minmax"))


def one_hot(columns: Sequence[str] = ()) -> Step:
    """Make a column of zeros and ones of each category; an unknown one has only zeros.

    Args:
        columns: the columns of a table; by default all of texts.
    """
    return OneHot(checked_names(columns, "one_hot"))


def standardize(columns: Sequence[str] = ()) -> Step:
    """Give each column mean 0 and standard deviation 1, learnt from the training split.

    Args:
        columns: the columns of a table; by default all of numbers.
    """
    return Standardize(columns=checked_names(columns, "standardize"))


def standardize_target() -> Step:
    """Train a regression on standardised targets; predictions come back in their own unit."""
    return StandardizeTarget()


def tfidf(vocab: int = 2000, ngrams: Sequence[int] | None = None, column: str = "") -> Step:
    """Count words or phrases, a rare one more than a common one, as scikit-learn does.

    Args:
        vocab: how many at most; the most frequent of the training texts are taken.
        ngrams: as in `bow`.
        column: as in `bow`.
    """
    return TfIdf(vocab, _pair(ngrams), column)


def tokens(vocab: int = 2000, length: int | None = None, unit: Unit = "word") -> Step:
    """Turn labelled texts into tokens in their order, padded to one length.

    Args:
        vocab: how many tokens at most, padding (0) and unknown (1) among them: so many an `Embed`
            must have.
        length: how many the model sees; by default as many as 95 % of the training texts have.
        unit: word, character, or byte_pair, which needs the package `tokenizers` to learn.
    """
    return Tokens(vocab, length, unit)


def _pair(ngrams: Sequence[int] | None) -> Any:  # noqa: ANN401 - checked by the step
    return tuple(ngrams) if isinstance(ngrams, list | tuple) else ngrams


def fit_recipe(steps: Sequence[Step], x: Array, y: Array) -> Recipe:
    """Fit each step on the training split, each on what the steps before it made.

    Args:
        steps: the steps, not fitted.
        x: raw inputs of the training split [n, ...].
        y: its targets, class numbers [n] or values [n, outputs].
    """
    fitted = []
    for step in steps:
        if not isinstance(step, Step):
            message = f"Expected steps of a recipe, got {step!r}. Type: prep=[mb.standardize()]"
            raise OptionError(message)
        ready = step.fit(x, y)
        x, y = ready.inputs(x), ready.targets(y)
        fitted.append(ready)
    if isinstance(x, Columns) and x.texts:
        message = (
            f"The column {x.texts[0]!r} holds texts, and no step of the recipe makes numbers of "
            f"them. Type: prep=[..., mb.one_hot()], or mb.tfidf(column={x.texts[0]!r}) for "
            "longer texts"
        )
        raise OptionError(message)
    return Recipe(tuple(fitted))
