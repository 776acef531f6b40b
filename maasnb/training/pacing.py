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
_FIRST_INTERVAL_S = 2.0  # at the most, while it is not known what a measurement costs


class Pacer:
    """Watch the time that chunks and measured steps take, and choose the next one."""

    def __init__(self, longest: int) -> None:
        """Take the number of steps that a chunk may have at the most."""
        self._longest = longest
        self._length = min(_FIRST_CHUNK, longest)
        self._step_s: float | None = None
        self._interval_s = _LEAST_INTERVAL_S
        self._measured_at: float | None = None
        self._measurements = 0
        self._began = time.perf_counter()
        self._chunks = 0

    def length(self, left: int) -> int:
        """Return how many steps the next chunk takes, of the `left` ones."""
        return min(self._length, left)

    def wants_statistics(self) -> bool:
        """Say whether the next step is to be measured."""
        if self._measured_at is None:
            return True
        return time.perf_counter() - self._measured_at >= self._interval_s

    def measuring(self) -> None:
        """Take note that a step is being measured, so that the next one is not."""
        self._measured_at = time.perf_counter()

    def measured(self, seconds: float, counts: int = 0) -> None:
        """Take note of how long a measured step took, and space them so that they stay cheap.

        Args:
            seconds: how long it took.
            counts: how many counts of histograms it brought.
        """
        self._measured_at = time.perf_counter()
        self._measurements += 1
        if self._measurements == 1:  # it may compile
            self._interval_s = min(max(_LEAST_INTERVAL_S, seconds / _SHARE), _FIRST_INTERVAL_S)
        else:
            extra = max(seconds - (self._step_s or 0.0), 0.0)
            most = min(_MOST_AT_A_PACE, _MOST_COUNTS_AT_A_PACE / max(counts, 1))
            sparse = (self._measured_at - self._began) / most
            self._interval_s = max(_LEAST_INTERVAL_S, extra / _SHARE, sparse)

    def took(self, steps: int, seconds: float) -> None:
        """Take note of how long a chunk took; chunks grow at most fourfold at a time."""
        self._chunks += 1
        if self._chunks == 1:  # it compiles
            return
        self._step_s = seconds / steps
        fitting = int(_CHUNK_S / max(self._step_s, 1e-6))
        self._length = max(1, min(fitting, 4 * self._length, self._longest))
