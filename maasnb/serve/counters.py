"""What a server counts: requests, errors, latencies, batch sizes and queues, by model and version.

Counting happens on the event loop alone, so it needs no lock, and costs about a microsecond: a
latency goes into one of fixed buckets, once for all time and once for the present second. The last
minute is the sum of the last 60 seconds' slots.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["BATCH_BOUNDS", "LATENCY_BOUNDS_S", "SHOWN_BOUNDS_S", "Counters", "VersionCounts"]

# Ten steps a decade, the preferred numbers of ISO 3: a quantile is off by a tenth at the most.
STEPS = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
DECADES = range(-5, 2)
LATENCY_BOUNDS_S = tuple(float(f"{step}e{decade}") for decade in DECADES for step in STEPS)
"""The upper bounds of the buckets that latencies are counted in, seconds; above is one more."""

SHOWN_STEPS = (0, 4, 7)
SHOWN_BOUNDS_S = tuple(
    bound for index, bound in enumerate(LATENCY_BOUNDS_S) if index % len(STEPS) in SHOWN_STEPS
)
"""The bounds that are shown: 1, 2.5 and 5 of each decade."""

BATCH_BOUNDS = tuple(1 << power for power in range(11))
"""The upper bounds of the buckets that batch sizes are counted in, examples; above is one more."""

WINDOW_S = 60
QUANTILES = {"p50_s": 0.50, "p95_s": 0.95, "p99_s": 0.99}


class VersionCounts:
    """What happened to one version of a model since the server started.

    Attributes:
        statuses: HTTP status -> answers with it.
        examples: examples that were answered.
        latency_sum_s: the sum of all latencies.
        latencies: answers by latency, one number for each of `LATENCY_BOUNDS_S` and one for above.
        batch_sum: the sum of all batch sizes.
        batches: runs of the program by batch size, for each of `BATCH_BOUNDS` and above.
        queued: requests that wait now.
    """

    __slots__ = (
        "_clock",
        "_ring",
        "_since",
        "batch_sum",
        "batches",
        "examples",
        "latencies",
        "latency_sum_s",
        "queued",
        "statuses",
    )

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin at zero.

        Args:
            clock: returns seconds that only grow.
        """
        self.statuses: dict[int, int] = {}
        self.examples = 0
        self.latency_sum_s = 0.0
        self.latencies = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.batch_sum = 0
        self.batches = [0] * (len(BATCH_BOUNDS) + 1)
        self.queued = 0
        self._clock = clock
        self._since = clock()
        self._ring = [_Second() for _ in range(WINDOW_S)]

    def count(self, latency_s: float, rows: int, status: int) -> None:
        """Count one answered request.

        Args:
            latency_s: from the request's last byte to its answer, seconds.
            rows: the examples that were answered; 0 where it was refused.
            status: the answer's HTTP status.
        """
        bucket = bisect_left(LATENCY_BOUNDS_S, latency_s)
        self.latencies[bucket] += 1
        self.latency_sum_s += latency_s
        self.examples += rows
        self.statuses[status] = self.statuses.get(status, 0) + 1
        second = int(self._clock())
        slot = self._ring[second % WINDOW_S]
        if slot.second != second:
            slot.restart(second)
        slot.latencies[bucket] += 1
        slot.requests += 1
        if status >= 400:
            slot.errors += 1

    def ran(self, rows: int) -> None:
        """Count one run of the program with a batch of so many examples."""
        self.batches[bisect_left(BATCH_BOUNDS, rows)] += 1
        self.batch_sum += rows

    @property
    def requests(self) -> int:
        """Return how many requests were answered."""
        return sum(self.statuses.values())

    @property
    def errors(self) -> int:
        """Return how many answers said that something failed."""
        return sum(count for status, count in self.statuses.items() if status >= 400)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON data, with quantiles."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "examples": self.examples,
            "latency": {
                "sum_s": self.latency_sum_s,
                **_quantiles(self.latencies),
                "bounds_s": list(SHOWN_BOUNDS_S),
                "counts": _shown(self.latencies),
            },
            "last_minute": self._last_minute(),
            "batches": {
                "runs": sum(self.batches),
                "examples": self.batch_sum,
                "bounds": list(BATCH_BOUNDS),
                "counts": list(self.batches),
            },
            "queued": self.queued,
        }

    def _last_minute(self) -> dict[str, Any]:
        now = self._clock()
        seconds = range(int(now) - WINDOW_S + 1, int(now) + 1)
        slots = [self._ring[second % WINDOW_S] for second in seconds]
        slots = [
            slot if slot.second == second else _NOTHING
            for slot, second in zip(slots, seconds, strict=True)
        ]
        requests = sum(slot.requests for slot in slots)
        # A server that is younger than a minute is not slower for it.
        age_s = min(max(now - self._since, 1.0), float(WINDOW_S))
        return {
            "requests": requests,
            "errors": sum(slot.errors for slot in slots),
            "requests_per_s": requests / age_s,
            **_quantiles([sum(each) for each in zip(*(s.latencies for s in slots), strict=True)]),
            "requests_by_second": [slot.requests for slot in slots],
            "errors_by_second": [slot.errors for slot in slots],
        }


class Counters:
    """What a server counts.

    Attributes:
        failures: HTTP status -> answers that said that something failed, of any route.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin at zero.

        Args:
            clock: returns seconds that only grow.
        """
        self.failures: dict[int, int] = {}
        self._clock = clock
        self._since = clock()
        self._versions: dict[tuple[str, int], VersionCounts] = {}

    @property
    def uptime_s(self) -> float:
        """Return since when is counted."""
        return self._clock() - self._since

    def of(self, name: str, version: int) -> VersionCounts:
        """Return what is counted for a version, which must be one that there is.

        Args:
            name: the model's name.
            version: its version.
        """
        counts = self._versions.get((name, version))
        if counts is None:
            counts = self._versions[name, version] = VersionCounts(self._clock)
        return counts

    def fail(self, status: int) -> None:
        """Count an answer, of any route, that says that something failed."""
        self.failures[status] = self.failures.get(status, 0) + 1

    def known(self, name: str | None = None) -> Iterator[tuple[str, int, VersionCounts]]:
        """Yield name, version and counts of all that was asked, in order; of one model if named."""
        for (model, version), counts in sorted(self._versions.items(), key=lambda item: item[0]):
            if name is None or model == name:
                yield model, version, counts


class _Second:
    """What happened in one second."""

    __slots__ = ("errors", "latencies", "requests", "second")

    def __init__(self) -> None:
        self.restart(-1)

    def restart(self, second: int) -> None:
        self.second = second
        self.requests = self.errors = 0
        self.latencies = [0] * (len(LATENCY_BOUNDS_S) + 1)


_NOTHING = _Second()


def _shown(latencies: Sequence[int]) -> list[int]:
    """Return the counts of all latency buckets summed up to those of `SHOWN_BOUNDS_S` and above."""
    sums = [0] * (len(SHOWN_BOUNDS_S) + 1)
    for index, count in enumerate(latencies):
        above = index == len(LATENCY_BOUNDS_S)
        sums[-1 if above else bisect_left(SHOWN_BOUNDS_S, LATENCY_BOUNDS_S[index])] += count
    return sums


def _quantiles(latencies: Sequence[int]) -> dict[str, float | None]:
    """Return the quantiles of a histogram, each between the bounds of its bucket by proportion."""
    return {name: _quantile(latencies, share) for name, share in QUANTILES.items()}


def _quantile(latencies: Sequence[int], share: float) -> float | None:
    wanted = share * sum(latencies)
    if not wanted:
        return None
    before = 0
    for index, count in enumerate(latencies[:-1]):
        if before + count >= wanted:
            low = LATENCY_BOUNDS_S[index - 1] if index else 0.0
            return low + (LATENCY_BOUNDS_S[index] - low) * (wanted - before) / count
        before += count
    return LATENCY_BOUNDS_S[-1]
