"""Drift is counted in bins: checked against scipy, a closed form, and distributions by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from maasnb.artifacts.distributions import summarise
from maasnb.serve.drift import WINDOW_ROWS, Drift, coarse, ks_distance, ks_limit, psi


class Clock:
    """Seconds that pass only when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def summary(x, classes=(10, 10)):
    outputs = np.zeros((len(x), 2), np.float32)
    features = [f"f{number}" for number in range(x.shape[1])]
    counted = np.array(classes)
    return summarise(x, outputs, of="features", features=features, classes=counted)


def asked(drift, known, x, answers=None):
    """Ask one request a row."""
    answers = np.tile([[0.9, 0.1]], (len(x), 1)) if answers is None else answers
    for row, answer in zip(x, answers, strict=True):
        drift.observe("m", 1, {"x": row[None]}, {"p": answer[None]}, known)
    return drift.to_json("m", 1)


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_the_distance_of_whole_numbers_is_that_of_scipy(shift):
    chance = np.random.default_rng(0)
    then, now = chance.poisson(4, 3000), chance.poisson(4 + shift, 900)
    known = summary(then[:, None].astype(float))
    live = known.inputs[0].count(now.astype(float))
    expected = stats.ks_2samp(then, now).statistic
    assert ks_distance(np.array(known.inputs[0].counts), live) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_the_distance_of_real_numbers_is_that_of_scipy_to_a_bins_share(shift):
    chance = np.random.default_rng(0)
    then, now = chance.normal(size=3000), chance.normal(shift, size=900)
    known = summary(then[:, None])
    live = known.inputs[0].count(now)
    expected = stats.ks_2samp(then, now).statistic
    found = ks_distance(np.array(known.inputs[0].counts), live)
    assert expected - 0.011 <= found <= expected + 1e-12


@pytest.mark.parametrize(("rows", "live"), [(1000, 1000), (3000, 900)])
def test_the_limit_is_the_distance_that_chance_exceeds_once_in_a_thousand_times(rows, live):
    effective = rows * live / (rows + live)
    p = stats.kstwobign.sf(ks_limit(rows, live) * math.sqrt(effective))
    assert p == pytest.approx(0.001, rel=0.01)
    p = stats.kstwobign.sf(ks_limit(rows, live, tests=20) * math.sqrt(effective))
    assert p == pytest.approx(0.001 / 20, rel=0.01)
    assert ks_limit(rows, 0) == math.inf


def test_the_index_is_the_sum_over_bins_by_hand():
    # (.25 - .5) ln(.25 / .5) + (.75 - .5) ln(.75 / .5)
    by_hand = -0.25 * math.log(0.5) + 0.25 * math.log(1.5)
    assert psi(np.array([50_000, 50_000]), np.array([25_000, 75_000])) == pytest.approx(
        by_hand, abs=1e-4
    )
    assert psi(np.array([5, 5]), np.array([50, 50])) == pytest.approx(0, abs=1e-12)


def test_an_empty_bin_has_an_index_that_is_large_but_finite():
    assert 1 < psi(np.array([500, 500]), np.array([0, 1000])) < 10


def test_fine_bins_are_joined_to_about_ten_of_equal_share():
    groups = coarse([1] * 100 + [0])
    assert [int(np.sum(groups == number)) for number in range(10)] == [10] * 9 + [11]


def test_requests_like_the_training_data_have_not_drifted():
    chance = np.random.default_rng(0)
    x = np.stack([chance.normal(size=2000), chance.integers(0, 5, 2000)], axis=1)
    found = asked(Drift(Clock()), summary(x), x[chance.permutation(2000)[:1000]])
    assert found["rows"] == found["requests"] == 1000
    for each in found["inputs"]:
        assert each["psi"] < 0.1
        assert each["ks"] < each["ks_limit"]
        assert each["outside"] == 0


def test_a_feature_that_moved_is_told_from_one_that_did_not():
    chance = np.random.default_rng(0)
    x = chance.normal(size=(2000, 3))
    moved = chance.normal([0.0, 3.0, 0.0], size=(1000, 3))
    found = asked(Drift(Clock()), summary(x), moved)
    first, *others = found["inputs"]
    assert first["name"] == "f1"
    assert first["psi"] > 0.25
    assert first["ks"] > first["ks_limit"]
    assert first["outside"] == pytest.approx(np.mean(moved[:, 1] > x[:, 1].max()), abs=1e-9)
    assert sum(first["live"]) == 1000
    assert sum(first["reference"]) == 2000
    assert all(each["psi"] < 0.1 for each in others)


def test_the_labels_that_are_answered_are_counted():
    x = np.random.default_rng(0).normal(size=(100, 1))
    answers = np.array([[0.9, 0.1]] * 20 + [[0.2, 0.8]] * 80)
    found = asked(Drift(Clock()), summary(x, classes=(50, 50)), x, answers)
    assert found["labels"]["live"] == [20, 80]
    assert found["labels"]["reference"] == [50, 50]
    assert found["labels"]["psi"] > 0.25


def test_while_counting_costs_too_much_of_the_time_nothing_is_taken():
    class Slow(Clock):
        """Half a second passes at each look."""

        def __call__(self):
            self.now += 0.5
            return self.now

    x = np.random.default_rng(0).normal(size=(650, 1))
    found = asked(Drift(Slow()), summary(x), x)
    assert found["requests"] == 650
    assert found["rows"] == 2 * 256  # counted, and kept until there is time again


def test_old_requests_are_forgotten():
    chance = np.random.default_rng(0)
    x = chance.normal(size=(1000, 1))
    drift, known = Drift(Clock()), summary(x)
    outputs = {"p": np.tile([[0.9, 0.1]], (250, 1))}
    for shift in (5.0, 0.0):
        for _ in range(3 * WINDOW_ROWS // 250):
            drift.observe("m", 1, {"x": chance.normal(shift, size=(250, 1))}, outputs, known)
    found = drift.to_json("m", 1)
    assert WINDOW_ROWS <= found["rows"] <= 2 * WINDOW_ROWS + 256
    assert found["inputs"][0]["psi"] < 0.1


def test_a_large_request_is_thinned():
    x = np.random.default_rng(0).normal(size=(10_000, 1))
    drift = Drift(Clock())
    drift.observe("m", 1, {"x": x}, {"p": np.tile([[0.9, 0.1]], (10_000, 1))}, summary(x))
    assert drift.to_json("m", 1)["rows"] == 250


def test_a_model_without_a_summary_has_no_drift():
    drift = Drift(Clock())
    drift.observe("m", 1, {"x": np.zeros((1, 1))}, {"p": np.zeros((1, 2))}, None)
    assert drift.to_json("m", 1) is None
    assert drift.to_json("other", 1) is None


def test_only_the_features_that_drifted_most_tell_their_bins():
    x = np.random.default_rng(0).normal(size=(500, 30))
    found = asked(Drift(Clock()), summary(x), x[:300])
    assert len(found["inputs"]) == 30
    assert [("live" in each) for each in found["inputs"]] == [True] * 12 + [False] * 18


def test_a_model_that_was_changed_begins_anew():
    x = np.random.default_rng(0).normal(size=(50, 1))
    drift = Drift(Clock())
    asked(drift, summary(x), x)
    drift.forget("m")
    assert drift.to_json("m", 1) is None
