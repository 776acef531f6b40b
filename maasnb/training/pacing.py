"""How long a chunk is and when a step is measured: by time, changing no bit of the result."""

import time

__all__ = ["Pacer"]

_CHUNK_S = 0.05  # a pause, a stop or a changed learning rate waits for a chunk at the most
_SHARE = 0.02  # the part of the time that statistics may take
_LEAST_INTERVAL_S = 0.1  # a chart needs no more than ten points a second
_MOST_AT_A_PACE = (
    2000  # measurements; a longer run has them less often, so that its log stays small
)
_MOST_COUNTS_AT_A_PACE = 2_000_000  # likewise counts of histograms, of 2 to 6 bytes each in the log
_FIRST_CHUNK = 4


class Pacer:
    """Watch the time that chunks and measured steps take, and choose the next one."""

    def __init__(self, longest: int) -> None:
        """Take the number of steps that a chunk may have at the most."""
        self._longest = longest
        self._length = min(_FIRST_CHUNK, longest)
        self._step_s: float | None = None
        self._cost_s: float | None = None  # of one measurement, beside that of its step
        self._spent_s = 0.0  # on all measurements but the first
        self._sparse_s = 0.0
        self._measured_at: float | None = None
        self._measurements = 0
        self._began = time.perf_counter()
        self._chunks = 0

    def length(self, left: int) -> int:
        """Return how many steps the next chunk takes, of the `left` ones."""
        return min(self._length, left)

    def wants_statistics(self) -> bool:
        """Say whether the next step is to be measured.

        The first one is. Later ones share a budget, a part of the time since the run began, out of
        which those are paid too that are measured whatever the clock says.
        """
        if self._measured_at is None:
            return True
        # While no cost is known, a measurement is taken to cost another step.
        cost_s = self._step_s if self._cost_s is None else self._cost_s
        if cost_s is None:
            return False
        now = time.perf_counter()
        interval_s = max(_LEAST_INTERVAL_S, cost_s / _SHARE, self._sparse_s)
        paid = self._spent_s + cost_s <= _SHARE * (now - self._began)
        return paid and now - self._measured_at >= interval_s

    def measuring(self) -> None:
        """Take note that a step is being measured, so that the next one is not."""
        self._measured_at = time.perf_counter()

    def measured(self, seconds: float, counts: int = 0) -> None:
        """Take note of how long a measured step took.

        Args:
            seconds: how long it took, with what ran beside it.
            counts: how many counts of histograms it brought.
        """
        self._measured_at = time.perf_counter()
        self._measurements += 1
        most = min(_MOST_AT_A_PACE, _MOST_COUNTS_AT_A_PACE / max(counts, 1))
        self._sparse_s = (self._measured_at - self._began) / most
        if self._measurements > 1:  # the first one may compile
            self._cost_s = max(seconds - (self._step_s or 0.0), 0.0)
            self._spent_s += self._cost_s

    def took(self, steps: int, seconds: float) -> None:
        """Take note of how long a chunk took; chunks grow at most fourfold at a time."""
        self._chunks += 1
        if self._chunks == 1:  # it compiles
            return
        self._step_s = seconds / steps
        fitting = int(_CHUNK_S / max(self._step_s, 1e-6))
        self._length = max(1, min(fitting, 4 * self._length, self._longest))
