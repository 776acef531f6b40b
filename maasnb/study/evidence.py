"""The numbers that a diagnosis is made from, taken from what a run has shown so far.

Of a run that has ended, and was short, only steps are looked at that are measured whatever the
clock says, so that a repeated run is diagnosed in the same words.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from maasnb.events import Measured
from maasnb.records.history import MEASURED_EPOCHS
from maasnb.records.run import Run
from maasnb.tasks import LOSSES

__all__ = ["Evidence", "counted", "layer_of", "listed", "shown"]

Array = np.ndarray[Any, np.dtype[Any]]

_WINDOWS = 20  # of the losses, when their course is looked at


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """Hold what a run has shown, as numbers; the medians are over the later half of it.

    Attributes:
        run: the run.
        losses: the loss of each step [steps].
        measured: all measured steps that are looked at.
        weights: the trained parameters of two or more axes, in the model's order.
        rate: the learning rate now; None where the optimiser brings its own.
    """

    run: Run
    losses: Array
    measured: tuple[Measured, ...]
    weights: tuple[str, ...]
    rate: float | None

    @classmethod
    def of(cls, run: Run) -> "Evidence":
        """Gather what a run has shown so far; it may be training meanwhile."""
        measured = _comparable(run)
        known = measured[-1].gradient_norm if measured else {}
        parameters = run.backend.parameters(run.model)
        return cls(
            run=run,
            losses=np.array(run.history.losses),
            measured=measured,
            weights=tuple(
                info.name for info in parameters if len(info.shape) > 1 and info.name in known
            ),
            rate=_rate(run),
        )

    @functools.cached_property
    def recent(self) -> tuple[Measured, ...]:
        """Return the measured steps of the later half of the run."""
        if not self.measured:
            return ()
        half = self.measured[-1].step / 2
        return tuple(event for event in self.measured if event.step > half)

    @property
    def steps(self) -> str:
        """Return the recent steps in words."""
        steps = [event.step for event in self.recent]
        return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"

    @functools.cached_property
    def norms(self) -> dict[str, float]:
        """Return the median norm of each parameter's gradient."""
        return _medians([event.gradient_norm for event in self.recent])

    @functools.cached_property
    def ratios(self) -> dict[str, float]:
        """Return the median update of each weight of two or more axes, over the weight."""
        found = _medians([event.update_ratio for event in self.recent])
        return {name: found[name] for name in self.weights}

    @functools.cached_property
    def _all_ratios(self) -> list[float]:
        """Return the median update over weight of each measured step."""
        found = []
        for event in self.measured:
            usual = [event.update_ratio[name] for name in self.weights]
            usual = [ratio for ratio in usual if 0 < ratio < math.inf]
            found += [float(np.median(usual))] if usual else []
        return found

    @property
    def typical_ratio(self) -> float | None:
        """Return the median update over weight of the whole run; None without one."""
        return float(np.median(self._all_ratios)) if self._all_ratios else None

    @property
    def largest_ratio(self) -> float | None:
        """Return the largest update over weight that a step showed; None without one."""
        return max(self._all_ratios, default=None)

    @functools.cached_property
    def activations(self) -> dict[str, dict[str, float]]:
        """Return the medians of what is told of each activation function."""
        if not self.recent:
            return {}
        return {
            name: _medians([event.activations.get(name, {}) for event in self.recent])
            for name in self.recent[-1].activations
        }

    @property
    def last_layer(self) -> str:
        """Return the layer of the model's last weight."""
        return layer_of(self.weights[-1]) if self.weights else ""

    @functools.cached_property
    def course(self) -> Array:
        """Return the mean loss of successive equal parts of the run, about twenty of them."""
        parts = np.array_split(self.losses, min(_WINDOWS, max(len(self.losses) // 5, 1)))
        return np.array([part.mean() for part in parts]) if len(self.losses) else np.zeros(0)

    @property
    def first_loss(self) -> float:
        """Return the mean loss of the first part of the run; NaN before a step."""
        return float(self.course[0]) if len(self.course) else math.nan

    @functools.cached_property
    def last_loss(self) -> float:
        """Return the mean loss of the last epoch, or of the last half of a shorter run."""
        count = min(self.run.steps_per_epoch or 1, max(len(self.losses) // 2, 1))
        return float(self.losses[-count:].mean()) if len(self.losses) else math.nan

    @functools.cached_property
    def chance(self) -> float | None:
        """Return the loss of always giving the same best answer; None where it is not known."""
        run, targets = self.run, self.run.data.train.targets
        settings = run.settings
        known = settings.get("loss") in LOSSES and settings.get("loss") != "model"
        if not known or settings.get("class_weights") or not isinstance(targets, np.ndarray):
            return None
        if run.data.stream is not None:  # of whose targets only the first batch is known
            return math.log(len(run.task.labels)) if len(run.task.labels) > 1 else None
        if run.task.kind == "classification":
            counts = np.bincount(targets[targets >= 0].ravel())
            share = counts[counts > 0] / counts.sum()
            return float(-(share * np.log(share)).sum())
        if run.task.kind == "multilabel":
            share = np.clip(targets.mean(axis=0), 1e-12, 1 - 1e-12)
            return float(-(share * np.log(share) + (1 - share) * np.log1p(-share)).mean())
        if run.task.loss == "mae":
            return float(np.abs(targets - np.median(targets, axis=0)).mean())
        return float(targets.var(axis=0).mean())

    @functools.cached_property
    def classes(self) -> Array | None:
        """Return how many training examples each class has; None where they have no one class."""
        run = self.run
        y = run.data.train.y
        if run.task.kind != "classification" or run.data.stream is not None:
            return None
        if not isinstance(y, np.ndarray) or y.ndim != 1 or len(run.task.labels) < 2:
            return None
        return np.bincount(y, minlength=len(run.task.labels))


def layer_of(parameter: str) -> str:
    """Return the layer of a parameter or of an activation: its name up to the last point.

    >>> layer_of("encoder.dense1.weight"), layer_of("relu")
    ('encoder.dense1', 'relu')
    """
    return parameter.rpartition(".")[0] or parameter


def shown(value: float) -> str:
    """Return a number with two significant digits, as sentences have it.

    >>> shown(0.01234), shown(1234.5), shown(3e-9)
    ('0.012', '1200', '3e-09')
    """
    if not math.isfinite(value) or value == 0 or not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2g}"
    rounded = float(f"{value:.1e}")
    return f"{rounded:.{max(0, 1 - math.floor(math.log10(abs(rounded))))}f}"


def listed(names: Any) -> str:  # noqa: ANN401 - any iterable of names
    """Return names as a sentence has them, at most four.

    >>> listed(["a", "b", "a", "c"]), listed("abcdef")
    ('a, b and c', 'a, b, c and 3 more')
    """
    every = list(dict.fromkeys(names))
    if len(every) > 4:
        return f"{', '.join(every[:3])} and {len(every) - 3} more"
    return " and ".join([", ".join(every[:-1]), every[-1]] if len(every) > 1 else every)


def counted(count: int, what: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "layer"), counted(3, "layer")
    ('1 layer', '3 layers')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"


def _comparable(run: Run) -> tuple[Measured, ...]:
    events = tuple(run.history.measured)
    per_epoch = run.steps_per_epoch
    if run.status in ("running", "paused") or run.steps > MEASURED_EPOCHS * per_epoch:
        return events
    return (
        tuple(
            event
            for event in events
            if event.step in (1, run.total_steps) or (per_epoch and event.step % per_epoch == 0)
        )
        or events[-1:]
    )


def _medians(numbers: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for each in numbers:
        for name, value in each.items():
            found.setdefault(name, []).append(value)
    return {name: float(np.median(values)) for name, values in found.items()}


def _rate(run: Run) -> float | None:
    set_by_hand = [each.value for each in run.history.interventions if each.action == "lr"]
    if set_by_hand and isinstance(set_by_hand[-1], float | int):
        return float(set_by_hand[-1])
    optimizer: Any = run.settings.get("optimizer", {})
    own = isinstance(optimizer, Mapping) and optimizer.get("own")
    rate = run.settings.get("lr")
    return None if own and rate == 1.0 else rate
