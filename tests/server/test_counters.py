import random

import numpy as np
import pytest

from maasnb.serve.counters import LATENCY_BOUNDS_S, SHOWN_BOUNDS_S, Counters, VersionCounts


class Clock:
    """Seconds that only pass when a test says so."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def test_answers_are_counted_by_status_and_errors_are_those_from_400_on():
    counts = VersionCounts()
    for status, rows in [(200, 3), (200, 1), (400, 0), (503, 0)]:
        counts.count(0.001, rows, status)
    found = counts.to_json()
    assert (found["requests"], found["errors"], found["examples"]) == (4, 2, 4)
    assert found["statuses"] == {"200": 2, "400": 1, "503": 1}
    assert found["latency"]["sum_s"] == pytest.approx(0.004)


@pytest.mark.coverage("E6")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_quantiles_are_those_of_the_latencies_to_a_tenth(seed):
    generator = random.Random(seed)
    latencies = [generator.lognormvariate(-6.0, 1.0) for _ in range(5000)]
    counts = VersionCounts()
    for latency in latencies:
        counts.count(latency, 1, 200)
    found = counts.to_json()["latency"]
    for name, share in [("p50_s", 0.50), ("p95_s", 0.95), ("p99_s", 0.99)]:
        assert found[name] == pytest.approx(np.quantile(latencies, share), rel=0.1)


def test_a_quantile_of_nothing_is_none_and_an_endless_latency_counts_as_the_last_bound():
    counts = VersionCounts()
    assert counts.to_json()["latency"]["p50_s"] is None
    counts.count(1e6, 1, 200)
    assert counts.to_json()["latency"]["p99_s"] == LATENCY_BOUNDS_S[-1]
    assert counts.to_json()["latency"]["counts"] == [0] * len(SHOWN_BOUNDS_S) + [1]


def test_the_shown_buckets_hold_what_is_at_most_their_bound():
    counts = VersionCounts()
    for latency in (0.001, 0.0011, 0.0025, 0.0026):
        counts.count(latency, 1, 200)
    found = counts.to_json()["latency"]
    told = dict(zip(found["bounds_s"], found["counts"], strict=False))
    assert {bound: count for bound, count in told.items() if count} == {
        0.001: 1,
        0.0025: 2,
        0.005: 1,
    }


def test_the_last_minute_forgets_what_is_older():
    clock = Clock()
    counts = VersionCounts(clock)
    for _ in range(30):
        counts.count(0.5, 1, 500)
    clock.now += 59.0
    counts.count(0.001, 1, 200)
    both = counts.to_json()["last_minute"]
    assert (both["requests"], both["errors"]) == (31, 30)
    assert (both["requests_by_second"][0], both["requests_by_second"][-1]) == (30, 1)
    clock.now += 1.0
    one = counts.to_json()["last_minute"]
    assert (one["requests"], one["errors"]) == (1, 0)
    assert one["p99_s"] <= 0.001
    assert one["requests_per_s"] == pytest.approx(1 / 60)
    clock.now += 3600.0
    assert counts.to_json()["last_minute"]["requests"] == 0
    assert counts.to_json()["requests"] == 31


def test_the_rate_of_a_young_server_is_over_its_own_age():
    clock = Clock()
    counts = VersionCounts(clock)
    clock.now += 10.0
    for _ in range(50):
        counts.count(0.001, 1, 200)
    assert counts.to_json()["last_minute"]["requests_per_s"] == pytest.approx(5.0)


def test_batches_are_counted_by_size():
    counts = VersionCounts()
    for rows in (1, 1, 2, 3, 4, 5000):
        counts.ran(rows)
    found = counts.to_json()["batches"]
    assert (found["runs"], found["examples"]) == (6, 5011)
    assert found["counts"][:4] == [2, 1, 2, 0]
    assert found["counts"][-1] == 1
    assert len(found["counts"]) == len(found["bounds"]) + 1


def test_versions_are_counted_apart_and_told_in_order():
    counters = Counters()
    counters.of("b", 1).count(0.001, 1, 200)
    counters.of("a", 10).count(0.001, 1, 200)
    counters.of("a", 9).count(0.001, 1, 200)
    counters.of("a", 9).count(0.001, 1, 200)
    told = [(name, version, counts.requests) for name, version, counts in counters.known()]
    assert told == [("a", 9, 2), ("a", 10, 1), ("b", 1, 1)]
    assert [version for _, version, _ in counters.known("a")] == [9, 10]
