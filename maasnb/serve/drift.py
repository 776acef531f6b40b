"""Drift: whether what a model is asked, and what it answers, is still like its training data.

Requests are sampled: some hundred rows are kept, then counted at once in the bins of the summary
that travels with the model; the next ones are kept, and what comes then is left out until that work
is below half a percent of the time. Counts are of the last `WINDOW_ROWS` to twice as many sampled
rows, so that they forget.

Two numbers per feature, both from the same bins. The population stability index sums
(p - q) ln(p / q) over about ten bins; credit scoring calls more than 0.1 a shift, more than 0.25 a
large one. The Kolmogorov-Smirnov distance is the largest difference of the cumulative shares at the
up to hundred fine bins' edges; with its critical value it says whether so few rows can tell.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.artifacts.distributions import Distribution, Summary, measured
from maasnb.metrics import classes_of

__all__ = ["WINDOW_ROWS", "Drift", "coarse", "ks_distance", "ks_limit", "psi"]

Array = np.ndarray[Any, np.dtype[Any]]
Named = Mapping[str, Array]

BUFFER_ROWS = 256
BUFFER_NUMBERS = 1 << 18
SHARE_OF_TIME = 0.005
WINDOW_ROWS = 5000
COARSE_BINS = 10
UNSEEN = 0.5
"""Counted in every bin of both sides, so that an empty one has a logarithm."""
SIGNIFICANCE = 0.001
MOST_SHOWN = 12
"""Of so many features, those that drifted most, the bins are told too."""


def coarse(reference: Sequence[int]) -> Array:
    """Return the number of the coarse bin of each fine one, by their share of the reference.

    >>> coarse([5, 5, 5, 5, 0]).tolist()
    [0, 2, 5, 7, 7]
    """
    counts = np.asarray(reference, dtype=np.float64)
    before = np.concatenate([[0.0], np.cumsum(counts)[:-1]]) / counts.sum()
    groups = np.floor(before * COARSE_BINS).astype(int)
    last = int(np.flatnonzero(counts)[-1])
    groups[last:] = groups[last]  # what lies above the largest goes with the largest
    return groups


def psi(reference: Array, live: Array) -> float:
    """Return the population stability index of counts in the same bins.

    Args:
        reference: how many were in each bin once.
        live: how many are now.
    """
    share, now = (
        (np.asarray(counts, dtype=np.float64) + UNSEEN) / (np.sum(counts) + UNSEEN * len(counts))
        for counts in (reference, live)
    )
    return float(np.sum((now - share) * np.log(now / share)))


def ks_distance(reference: Array, live: Array) -> float:
    """Return the largest difference between the cumulative shares of counts in the same bins."""
    shares = [np.cumsum(counts) / max(1, np.sum(counts)) for counts in (reference, live)]
    return float(np.max(np.abs(shares[0] - shares[1])))


def ks_limit(rows: int, live_rows: int, tests: int = 1) -> float:
    """Return the distance that chance exceeds once in a thousand times, for so many tests at once.

    The asymptotic critical value of the two-sample test (N. Smirnov, 1948), with Bonferroni's
    correction.
    """
    if not rows or not live_rows:
        return math.inf
    factor = math.sqrt(-0.5 * math.log(SIGNIFICANCE / tests / 2))
    return factor * math.sqrt((rows + live_rows) / (rows * live_rows))


class Drift:
    """What models are asked and answer, against what they were trained on."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin with nothing counted.

        Args:
            clock: returns seconds that only grow.
        """
        self._clock = clock
        self._watches: dict[tuple[str, int], _Watch | None] = {}

    def observe(
        self, name: str, version: int, inputs: Named, outputs: Named, summary: Summary | None
    ) -> None:
        """Perhaps count a request; costs less than a microsecond where it is not taken.

        Args:
            name: the model's name.
            version: its version.
            inputs: the raw inputs [n, ...], by name.
            outputs: the answers [n, outputs], by name.
            summary: the training data's, which is taken at the version's first request.
        """
        try:
            watch = self._watches[name, version]
        except KeyError:
            watch = None if summary is None else _Watch(summary, self._clock)
            self._watches[name, version] = watch
        if watch is not None:
            watch.observe(inputs, outputs)

    def to_json(self, name: str, version: int) -> dict[str, Any] | None:
        """Return what drifted, as JSON data; None where there is nothing to compare with."""
        watch = self._watches.get((name, version))
        return None if watch is None else watch.to_json()

    def forget(self, name: str) -> None:
        """Begin anew for a model, because its versions are others now."""
        for key in [key for key in self._watches if key[0] == name]:
            del self._watches[key]


class _Watch:
    """The counts of one version."""

    __slots__ = (
        "_buffer", "_clock", "_current", "_numbers", "_previous", "_resumes", "_rows", "_summary",
        "seen",
    )  # fmt: skip

    def __init__(self, summary: Summary, clock: Callable[[], float]) -> None:
        self._summary = summary
        self._clock = clock
        self._buffer: list[tuple[Array, Array]] = []
        self._rows = self._numbers = 0
        self._resumes = 0.0
        self.seen = 0
        self._current = _Counts(summary)
        self._previous = _Counts(summary)

    def observe(self, inputs: Named, outputs: Named) -> None:
        self.seen += 1
        if self._rows >= BUFFER_ROWS or self._numbers >= BUFFER_NUMBERS:
            if self._clock() < self._resumes:
                return
            self._resumes = self._fold() / SHARE_OF_TIME + self._clock()
        (x,), (answers,) = inputs.values(), outputs.values()
        if len(x) > BUFFER_ROWS:
            step = -(-len(x) // BUFFER_ROWS)
            x, answers = x[::step], answers[::step]
        self._buffer.append((x, answers))
        self._rows += len(x)
        self._numbers += x.size + answers.size

    def _fold(self) -> float:
        """Count what is kept; return how long that took, seconds."""
        began = self._clock()
        buffer, self._buffer, self._rows, self._numbers = self._buffer, [], 0, 0
        if not buffer:
            return 0.0
        if self._current.rows >= WINDOW_ROWS:
            self._previous, self._current = self._current, _Counts(self._summary)
        x = np.concatenate([each for each, _ in buffer])
        self._current.add(self._summary, x, np.concatenate([each for _, each in buffer]))
        return self._clock() - began

    def to_json(self) -> dict[str, Any]:
        self._fold()
        summary, current, previous = self._summary, self._current, self._previous
        rows = current.rows + previous.rows
        pairs = list(zip(current.inputs, previous.inputs, strict=True))
        inputs = [
            _compared(each, now + before, len(summary.inputs), outside)
            for each, (now, before), outside in zip(
                summary.inputs, pairs, current.outside + previous.outside, strict=True
            )
        ]
        answers = list(zip(current.outputs, previous.outputs, strict=True))
        outputs = [
            _compared(each, now + before, len(summary.outputs), 0)
            for each, (now, before) in zip(summary.outputs, answers, strict=True)
        ]
        found: dict[str, Any] = {
            "requests": self.seen,
            "rows": rows,
            "training_rows": summary.rows,
            "of": summary.of,
            "inputs": _shown(inputs),
            "outputs": _shown(outputs),
        }
        if summary.labels:
            live = current.labels + previous.labels
            found["labels"] = {
                "reference": list(summary.labels),
                "live": live.tolist(),
                "psi": round(psi(np.asarray(summary.labels), live), 6) if rows else None,
            }
        return found


class _Counts:
    """Counts in the bins of a summary."""

    __slots__ = ("inputs", "labels", "outputs", "outside", "rows")

    def __init__(self, summary: Summary) -> None:
        self.rows = 0
        self.inputs = [np.zeros(len(each.counts), np.int64) for each in summary.inputs]
        self.outputs = [np.zeros(len(each.counts), np.int64) for each in summary.outputs]
        self.outside = np.zeros(len(summary.inputs), np.int64)
        self.labels = np.zeros(len(summary.labels), np.int64)

    def add(self, summary: Summary, x: Array, outputs: Array) -> None:
        self.rows += len(x)
        for number, (each, values) in enumerate(
            zip(summary.inputs, measured(x, summary.of), strict=True)
        ):
            self.inputs[number] += each.count(values)
            self.outside[number] += np.count_nonzero((values < each.low) | (values > each.high))
        for counts, each, values in zip(self.outputs, summary.outputs, outputs.T, strict=False):
            counts += each.count(values)
        if summary.labels:
            named = np.bincount(classes_of(outputs).ravel(), minlength=len(self.labels))
            self.labels += named[: len(self.labels)]


def _compared(each: Distribution, live: Array, tests: int, outside: int) -> dict[str, Any]:
    """Return how one number is distributed now, beside how it was."""
    groups, count = coarse(each.counts), int(live.sum())
    reference = np.asarray(each.counts)
    bins = sorted(set(groups.tolist()))
    then, now = (
        np.array([counts[groups == number].sum() for number in bins])
        for counts in (reference, live)
    )
    edges = np.asarray(each.edges)
    ends = [float(edges[min(np.flatnonzero(groups == n)[-1], len(edges) - 1)]) for n in bins]
    return {
        "name": each.name,
        "psi": round(psi(then, now), 6) if count else None,
        "ks": round(ks_distance(reference, live), 6) if count else None,
        "ks_limit": round(ks_limit(int(reference.sum()), count, tests), 6) if count else None,
        "outside": outside / count if count else 0.0,
        "low": each.low,
        "high": each.high,
        "edges": ends,
        "reference": then.tolist(),
        "live": now.tolist(),
    }


def _shown(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the features, the one that drifted most first; of the rest without their bins."""
    ordered = sorted(features, key=lambda each: -(each["psi"] or 0.0))
    brief = ("edges", "reference", "live")
    return [
        each if place < MOST_SHOWN else {key: each[key] for key in each if key not in brief}
        for place, each in enumerate(ordered)
    ]
