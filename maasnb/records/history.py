"""What a run has shown so far, in memory: every loss, and the events that people draw from.

The statistics of single steps are thinned when there are many: every other one is left out, the
first and the newest ones stay.
"""

from typing import Any

import numpy as np

from maasnb.events import Event, Intervened, Measured, Restored, Stepped, Validated
from maasnb.records.examples import ExampleLosses

__all__ = ["MEASURED_EPOCHS", "History"]

MEASURED_EPOCHS = 20
"""So many epochs have their last step measured, whatever the clock says."""

_MOST_NUMBERS = 100_000  # of statistics: about 100 bytes each as Python's floats in a dict
_FEWEST = 64  # statistics that stay, however many numbers each has
_COUNTS = 4  # so many counts of a histogram take the memory of one number


class History:
    """Gather a run's events.

    Attributes:
        measured: the statistics of single steps, in order; thinned in a long run.
        validated: the metrics on the validation split, in order.
        restored: the last return to an earlier state, None without one.
        interventions: what was changed by hand or by a callback, in order.
        examples: the loss of each training example over the epochs; None where examples have no
            numbers (streams) or no losses of their own.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.measured: list[Measured] = []
        self.validated: list[Validated] = []
        self.restored: Restored | None = None
        self.interventions: list[Intervened] = []
        self.examples: ExampleLosses | None = None
        self._losses = np.empty(1024)
        self._count = 0
        self._timed_steps, self._timed_s = 0, 0.0
        self._compiled: set[bool] = set()

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics and the loss of the state that the model holds; empty before any."""
        if self.restored is not None:
            return dict(self.restored.metrics)
        return dict(self.validated[-1].metrics) if self.validated else {}

    @property
    def losses(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the loss of each step so far, [steps]; a view that must not be written."""
        return self._losses[: self._count]

    @property
    def steps_per_s(self) -> float:
        """Return how many steps a second of training took, without compilation and validation.

        NaN until enough steps are done.
        """
        return self._timed_steps / self._timed_s if self._timed_s else float("nan")

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if isinstance(event, Stepped):
            self._append(event.losses)
            self._time(event)
        elif isinstance(event, Measured):
            self.measured.append(event)
            self._thin(_numbers_in(event))
        elif isinstance(event, Validated):
            self.validated.append(event)
            self.restored = None
        elif isinstance(event, Restored):
            self.restored = event
        elif isinstance(event, Intervened):
            self.interventions.append(event)
            if event.action == "rollback":
                self._go_back(int(event.value or 0))

    def _time(self, event: Stepped) -> None:
        # The first single step and the first longer chunk compile what they run.
        kind = len(event.losses) > 1
        if kind in self._compiled:
            self._timed_steps += len(event.losses)
            self._timed_s += event.seconds
        self._compiled.add(kind)

    def _append(self, losses: tuple[float, ...]) -> None:
        end = self._count + len(losses)
        if end > len(self._losses):
            grown = np.empty(max(end, 2 * len(self._losses)))
            grown[: self._count] = self.losses
            self._losses = grown
        self._losses[self._count : end] = losses
        self._count = end

    def _go_back(self, step: int) -> None:
        """Forget what came after a step; what was done by hand stays."""
        self._count = min(self._count, step)
        self._losses = self._losses.copy()  # for whoever still looks at the old ones
        self.measured = [event for event in self.measured if event.step <= step]
        self.validated = [event for event in self.validated if event.step <= step]

    def _thin(self, numbers: int) -> None:
        most = max(_MOST_NUMBERS // max(numbers, 1), _FEWEST)
        if len(self.measured) > most:
            newest = most // 4
            self.measured = [*self.measured[:-newest:2], *self.measured[-newest:]]


def _numbers_in(event: Measured) -> int:
    norms = 2 * len(event.gradient_norm) + sum(map(len, event.activations.values()))
    return norms + sum(map(len, event.histograms.values())) // _COUNTS
