"""When a run ends before its last step, and which of its states it keeps: judged by validations."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from maasnb.errors import OptionError, unknown_name
from maasnb.events import Validated
from maasnb.tasks import Task

__all__ = ["EarlyStop", "Watch", "check_metric", "make_target"]

HIGHER_IS_BETTER = {"accuracy", "f1", "f1_micro", "r2"}


@dataclasses.dataclass(frozen=True, slots=True)
class EarlyStop:
    """Stop a run when a metric on the validation split no longer improves.

    Attributes:
        metric: `"loss"`, or one of the task's metrics: accuracy, mae or r2.
        patience: how many validations in a row may pass without an improvement.
        min_change: by how much more than this a metric must improve to count.

    >>> EarlyStop("accuracy", patience=5)
    EarlyStop(metric='accuracy', patience=5, min_change=0.0)
    """

    metric: str = "loss"
    patience: int = 3
    min_change: float = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers that would never stop, or at once."""
        if isinstance(self.patience, bool) or not isinstance(self.patience, int):
            message = f"patience={self.patience!r} cannot be used; expected a whole number."
            raise OptionError(message)
        if self.patience < 1:
            message = f"patience={self.patience} cannot be used; expected at least 1 validation."
            raise OptionError(message)
        if not isinstance(self.min_change, int | float) or not 0 <= self.min_change < math.inf:
            message = f"min_change={self.min_change!r} cannot be used; expected 0 or more."
            raise OptionError(message)


class Watch:
    """Follow a run's validations: the best one, and a reason to stop.

    Its state is a function of the validations seen so far, in their order.

    Attributes:
        restores: whether the run is to end with its best state.
        best: the best validation so far; None before the first.
        is_newest_best: whether the newest validation is the best one.
        reason: why the run should stop, in words; empty while it should not.
    """

    def __init__(
        self, stop: EarlyStop | None, target: tuple[str, float] | None, *, restores: bool
    ) -> None:
        """Take what to watch for; nothing is seen yet."""
        self._stop = stop
        self._target = target
        self.restores = restores
        self.best: Validated | None = None
        self.is_newest_best = False
        self.reason = ""
        self._without = 0

    def saw(self, event: Validated) -> None:
        """Take a validation into account."""
        metric = self._stop.metric if self._stop else "loss"
        change = self._stop.min_change if self._stop else 0.0
        value = event.metrics[metric]
        before = self.best.metrics[metric] if self.best else math.nan
        gain = (value - before) * (1 if metric in HIGHER_IS_BETTER else -1)
        self.is_newest_best = self.best is None or gain > change
        if self.is_newest_best:
            self.best, self._without = event, 0
        else:
            self._without += 1
        if self._stop and self._without >= self._stop.patience:
            self.reason = (
                f"early stop: validation {metric} has not improved on {before:.4g} "
                f"for {self._without} validations"
            )
        if self._target and self._reached(event):
            name, wanted = self._target
            self.reason = (
                f"target reached: validation {name} {event.metrics[name]:.4g}, wanted {wanted:g}"
            )

    def _reached(self, event: Validated) -> bool:
        assert self._target is not None
        name, wanted = self._target
        value = event.metrics[name]
        return value >= wanted if name in HIGHER_IS_BETTER else value <= wanted


def make_target(given: float | Mapping[str, float] | None, task: Task) -> tuple[str, float] | None:
    """Return the metric and the value that a run stops at.

    Args:
        given: a value of the task's first metric, or one metric's name and value.
        task: what the model is trained for.

    Raises:
        OptionError: it is none of both.
        UnknownNameError: the task has no such metric.
    """
    if given is None:
        return None
    pairs = dict(given) if isinstance(given, Mapping) else {task.metrics[0]: given}
    good = len(pairs) == 1 and all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        for value in pairs.values()
    )
    if not good:
        message = (
            f"target={given!r} cannot be used; expected one metric and its value. "
            f'Type: target={{"{task.metrics[0]}": 0.9}}'
        )
        raise OptionError(message)
    ((name, value),) = pairs.items()
    check_metric(name, task.metrics)
    return name, float(value)


def check_metric(name: str, metrics: Sequence[str]) -> None:
    """Refuse a metric that the task does not have.

    Raises:
        UnknownNameError: with those that it has.
    """
    if name not in ("loss", *metrics):
        raise unknown_name("metric", str(name), ["loss", *metrics])
