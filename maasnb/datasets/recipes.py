"""Preprocessing as data: fitted on the training split, the same code in notebook and server.

A `Recipe` holds fitted steps and is stored as JSON. `Recipe.inputs` turns raw examples into what
the model takes; `Recipe.outputs` turns what the model returns into the targets' own unit. Only
fitting needs scikit-learn.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from maasnb.datasets.steps import Step
from maasnb.datasets.text import Chars, TextStep
from maasnb.errors import OptionError, ShapeError, missing_package, unknown_name
from maasnb.parts import Parts, mapped

__all__ = [
    "STEPS",
    "Chars",
    "Recipe",
    "Standardize",
    "StandardizeTarget",
    "Step",
    "chars",
    "fit_recipe",
    "standardize",
    "standardize_target",
]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Standardize(Step):
    """Give each column mean 0 and standard deviation 1; a constant column becomes 0.

    Attributes:
        mean: the mean of each column of the training split.
        scale: the standard deviation of each column, 1 for a constant one.
    """

    kind: ClassVar[str] = "standardize"

    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def fit(self, x: Array, y: Array) -> "Standardize":  # noqa: ARG002 - the steps' common form
        """Learn the mean and the standard deviation of each column."""
        return Standardize(*_moments(x.reshape(len(x), -1)))

    def inputs(self, x: Array) -> Array:
        """Subtract the mean and divide by the scale, in float64."""
        # Not reshape(len(x), -1): no examples at all must pass too.
        flat = np.asarray(x, dtype=np.float64).reshape(len(x), math.prod(x.shape[1:]))
        if flat.shape[1] != len(self.mean):
            message = (
                f"Each example has {flat.shape[1]} values, but the recipe was fitted on "
                f"{len(self.mean)}. Give examples of the shape that the model was trained on."
            )
            raise ShapeError(message)
        return ((flat - np.array(self.mean)) / np.array(self.scale)).reshape(x.shape)


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
        if y.ndim != 2:
            message = (
                "standardize_target() is for regression, but the targets are classes. Leave it out."
            )
            raise OptionError(message)
        return StandardizeTarget(*_moments(y))

    def targets(self, y: Array) -> Array:
        """Subtract the mean and divide by the scale."""
        return (y - np.array(self.mean)) / np.array(self.scale)

    def outputs(self, outputs: Array) -> Array:
        """Multiply by the scale and add the mean, in float64."""
        return outputs * np.array(self.scale) + np.array(self.mean)


STEPS: dict[str, type[Step]] = {each.kind: each for each in (Chars, Standardize, StandardizeTarget)}


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """Hold the fitted steps, in order."""

    steps: tuple[Step, ...] = ()

    @property
    def text(self) -> TextStep | None:
        """Return the step that turns text into tokens; None where examples are numbers."""
        first = self.steps[0] if self.steps else None
        return first if isinstance(first, TextStep) else None

    def inputs(self, x: Parts) -> Parts:
        """Return prepared inputs [n, ...] for raw examples [n, ...], of one part or of several.

        Whole numbers stay whole, as int32, because they may be tokens; all else is float32.
        """
        for step in self.steps:
            x = step.inputs(x)
        return mapped(_plain, x)

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
        """
        steps = []
        for fields in data:
            if fields["step"] not in STEPS:
                raise unknown_name("recipe step", str(fields["step"]), STEPS)
            rest = {name: value for name, value in fields.items() if name != "step"}
            steps.append(STEPS[fields["step"]].from_json(rest))
        return cls(tuple(steps))


def _plain(part: Array) -> Array:
    whole = part.dtype.kind in "iu" and (not part.size or np.abs(part).max() < 2**31)
    return np.ascontiguousarray(part, dtype=np.int32 if whole else np.float32)


def standardize() -> Step:
    """Give each column mean 0 and standard deviation 1, learnt from the training split."""
    return Standardize()


def standardize_target() -> Step:
    """Train a regression on standardised targets; predictions come back in their own unit."""
    return StandardizeTarget()


def chars(length: int = 64) -> Step:
    """Turn text into windows of characters, for a model that says which one comes next.

    Args:
        length: how many characters the model sees at once.
    """
    return Chars(length)


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
    return Recipe(tuple(fitted))


def _moments(columns: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - only fitting needs it
    except ImportError as error:
        raise missing_package("Fitting a recipe", "sklearn", "notebook") from error
    scaler = StandardScaler().fit(columns.astype(np.float64))
    mean, scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
    return tuple(mean.tolist()), tuple(scale.tolist())
