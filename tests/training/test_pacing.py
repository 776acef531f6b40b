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


def measurements(clock, *, hours, seconds, counts=0, tick=0.01):
    """Return how many steps of a run are measured, each of which takes so many seconds.

    The other steps take no time, but the clock goes on by `tick` between two questions.
    """
    pacer, found = Pacer(1), 0
    for steps, took in ((1, 0.0), (100, 0.0)):
        pacer.took(steps, took)
    while clock.now < hours * 3600:
        if pacer.wants_statistics():
            clock.now += seconds
            pacer.measured(seconds, counts)
            found += 1
        clock.now += tick
    return found


def test_statistics_take_two_hundredths_of_the_time_at_the_most(clock):
    found = measurements(clock, hours=0.1, seconds=0.05)
    assert found * 0.05 <= 0.02 * 360 * 1.05
    assert found * 0.05 > 0.02 * 360 * 0.9


def test_steps_that_are_measured_anyway_are_paid_out_of_the_same_budget(clock):
    pacer = Pacer(1)
    assert pacer.wants_statistics()
    pacer.measured(60.0)  # compiles
    assert not pacer.wants_statistics()
    for steps in (1, 1):
        pacer.took(steps, 0.01)
    clock.now = 0.49
    assert not pacer.wants_statistics()
    clock.now = 0.51  # 50 steps, of which one more is two hundredths
    assert pacer.wants_statistics()
    pacer.measured(0.02)
    for _ in range(9):  # at the ends of short epochs
        clock.now += 0.02
        pacer.measured(0.02)
    clock.now = 5.4
    assert not pacer.wants_statistics()
    clock.now = 5.6  # 11 such measurements are two hundredths of it
    assert pacer.wants_statistics()


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
    found = measurements(clock, hours=7 * 24, seconds=0.1, counts=counts, tick=1)
    assert 500 < found
    assert found * len(encode(event)) < 100e6
