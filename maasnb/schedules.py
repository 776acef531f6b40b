"""How the learning rate changes over a run: a factor for each step, as plain data.

The factors are computed on the host from the step's number alone, so every backend, every length of
chunk and every resumed run gets the same ones.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from maasnb.errors import OptionError, unknown_name

__all__ = ["CONSTANT", "SCHEDULES", "Schedule", "make_schedule"]

Array = np.ndarray[Any, np.dtype[np.float64]]

# The one-cycle policy (Smith & Topin 2018) with the numbers of torch's OneCycleLR.
_RISE, _START, _END = 0.3, 1 / 25, 1 / 25 / 1e4


def _constant(steps: Array, total: int) -> Array:
    return np.ones(len(steps))


def _cosine(steps: Array, total: int) -> Array:
    """Fall along half a cosine, as Loshchilov & Hutter (2017)."""
    return 0.5 * (1 + np.cos(np.pi * steps / total))


def _linear(steps: Array, total: int) -> Array:
    return 1 - steps / total


def _onecycle(steps: Array, total: int) -> Array:
    top, last = _RISE * total - 1, max(total - 1, 1)
    rising = _between(_START, 1.0, np.clip(steps / max(top, 1e-9), 0, 1))
    falling = _between(1.0, _END, np.clip((steps - top) / max(last - top, 1e-9), 0, 1))
    return np.where(steps <= top, rising, falling)


def _between(start: float, end: float, part: Array) -> Array:
    return end + (start - end) / 2 * (1 + np.cos(np.pi * part))


SCHEDULES: dict[str, Callable[[Array, int], Array]] = {
    "constant": _constant,
    "cosine": _cosine,
    "linear": _linear,
    "onecycle": _onecycle,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Give the factor on the learning rate of each step.

    Attributes:
        kind: one of `SCHEDULES`, or the name of the user's own function.
        warmup: how many steps the factor rises in, from 1 / warmup up to 1.
        total: how many steps the run takes; the schedule ends there.
        own: the user's own function, step (from 0) -> factor; None for a named schedule.
    """

    kind: str = "constant"
    warmup: int = 0
    total: int = 1
    own: Callable[[int], float] | None = None

    def factors(self, first: int, count: int) -> Array:
        """Return the factors of the steps `first` up to `first + count`, counted from 0.

        Raises:
            OptionError: the user's own function returned no finite number of at least 0.

        >>> Schedule(kind="linear", warmup=2, total=6).factors(0, 6).tolist()
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
        """
        steps = np.arange(first, first + count, dtype=np.float64)
        after = np.maximum(steps - self.warmup, 0)
        left = max(self.total - self.warmup, 1)
        if self.own is None:
            found = SCHEDULES[self.kind](after, left)
        else:
            found = np.array([self._asked(int(step)) for step in after])
        rising = (steps + 1) / max(self.warmup, 1)
        return np.where(steps < self.warmup, rising, found)

    def rates(self, lr: float, first: int, count: int) -> Array:
        """Return the learning rate of each step, for a learning rate before the schedule."""
        return lr * self.factors(first, count)

    def _asked(self, step: int) -> float:
        assert self.own is not None
        factor = self.own(step)
        try:
            number = float(factor)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number < math.inf:
            message = (
                f"The schedule {self.kind} returned {factor!r} for step {step}; expected a factor "
                "on the learning rate, 0 or more. Type: schedule=lambda step: 0.99 ** step"
            )
            raise OptionError(message)
        return number

    def to_json(self) -> dict[str, Any]:
        """Return the schedule as JSON data."""
        return {"kind": self.kind, "own": self.own is not None, "warmup": self.warmup}


CONSTANT = Schedule()


def make_schedule(given: str | Callable[[int], float], warmup: float, total: int) -> Schedule:
    """Return the schedule of a run of `total` steps.

    Args:
        given: one of `SCHEDULES`, or a function step -> factor, whose steps count from the end of
            the warm-up.
        warmup: steps as a whole number, or a fraction of all steps below 1.
        total: how many steps the run takes.

    Raises:
        UnknownNameError: there is no such schedule.
        OptionError: the warm-up is no number of steps or fraction, or does not fit the schedule.
    """
    good = isinstance(warmup, int | float) and not isinstance(warmup, bool)
    if not good or not 0 <= warmup < math.inf or (warmup >= 1 and warmup != int(warmup)):
        message = (
            f"warmup={warmup!r} cannot be used; expected a whole number of steps or a fraction of "
            "all steps. Type: warmup=100 or warmup=0.1"
        )
        raise OptionError(message)
    steps = round(warmup * total) if warmup < 1 else int(warmup)
    if steps and steps >= total:
        message = f"warmup={warmup!r} is {steps} steps, but the run has only {total} in all."
        raise OptionError(message)
    if callable(given):
        kind = getattr(given, "__name__", type(given).__name__)
        schedule = Schedule(kind=kind, warmup=steps, total=total, own=given)
        schedule.factors(steps, 1)
        return schedule
    if not isinstance(given, str) or given not in SCHEDULES:
        raise unknown_name("schedule", str(given), SCHEDULES)
    if given == "onecycle" and steps:
        message = "The schedule onecycle has a warm-up of its own; leave warmup= out."
        raise OptionError(message)
    return Schedule(kind=given, warmup=steps, total=total)
