"""What a run has shown so far, in memory: every loss, and the events that people draw from."""

from typing import Any

import numpy as np

from maasnb.events import Event, Measured, Restored, Stepped, Validated

__all__ = ["History"]


class History:
    """Gather a run's events.

    Attributes:
        measured: the statistics of single steps, in order.
        validated: the metrics on the validation split, in order.
        restored: the last return to an earlier state, None without one.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.measured: list[Measured] = []
        self.validated: list[Validated] = []
        self.restored: Restored | None = None
        self._losses = np.empty(1024)
        self._count = 0
        self._timed_steps, self._timed_s = 0, 0.0
        self._compiled: set[bool] = set()

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
        elif isinstance(event, Validated):
            self.validated.append(event)
            self.restored = None
        elif isinstance(event, Restored):
            self.restored = event

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
