"""When steps are measured, by a clock of the test's own."""

import pytest

from maasnb.events import HISTOGRAM_BINS, Measured, encode
from maasnb.training import pacing
from maasnb.training.pacing import Pacer


class Clock:
    """Stand still until it is moved."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(pacing, "time", made)
    return made


def measurements(clock, *, hours, seconds, counts=0):
    """Return how many steps of a run are measured, each of which takes so many seconds."""
    pacer, found = Pacer(1), 0
    for steps, took in ((1, 0.0), (100, 0.0)):
        pacer.took(steps, took)
    while clock.now < hours * 3600:
        clock.now = max(clock.now + seconds, (pacer._measured_at or 0.0) + pacer._interval_s + 1e-6)
        assert pacer.wants_statistics()
        pacer.measured(seconds, counts)
        found += 1
    return found


def test_statistics_take_two_hundredths_of_the_time_at_the_most(clock):
    found = measurements(clock, hours=0.1, seconds=0.05)
    assert found * 0.05 <= 0.02 * 360 * 1.05
    assert found * 0.05 > 0.02 * 360 * 0.9


def test_cheap_statistics_are_ten_a_second_at_the_most(clock):
    assert measurements(clock, hours=0.05, seconds=0.0) <= 1801


def test_histograms_of_a_large_model_leave_the_log_of_a_week_below_100_mb(clock):
    parameters = 150
    names = [f"blocks.{number}.attention.weight" for number in range(parameters)]
    full = {f"{of}/{name}": tuple(range(90, 90 + HISTOGRAM_BINS)) for of in ("gradient", "weight")
            for name in names}  # fmt: skip
    norms = dict.fromkeys(names, 0.0123456789)
    event = Measured(step=1, time=0.0, gradient_norm=norms, update_ratio=norms, histograms=full)
    counts = sum(map(len, full.values()))
    found = measurements(clock, hours=7 * 24, seconds=0.1, counts=counts)
    assert 500 < found
    assert found * len(encode(event)) < 100e6
