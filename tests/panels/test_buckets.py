"""A long row of numbers in few points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maasnb.panels.buckets import MOST_BUCKETS, bucketed, halves, width_for


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=200), st.sampled_from([1, 2, 4, 8, 64]))
def test_a_bucket_holds_low_mean_and_high_of_its_numbers(numbers, width):
    values = np.array(numbers)
    parts = [values[i : i + width] for i in range(0, len(values), width)]
    expected = [[part.min(), part.mean(), part.max()] for part in parts]
    assert bucketed(values, width) == pytest.approx(np.array(expected).reshape(-1, 3), rel=1e-6)


def test_the_buckets_from_one_on_are_the_rest_of_all():
    values = np.random.default_rng(0).normal(size=1000)
    assert (bucketed(values, 8, first=100) == bucketed(values, 8)[100:]).all()


def test_a_million_numbers_are_few_points():
    width = width_for(1_000_000)
    assert len(bucketed(np.zeros(1_000_000), width)) <= MOST_BUCKETS


def test_what_is_not_finite_stays_so():
    assert np.isnan(bucketed(np.array([1.0, np.nan, 2.0]), 2)[0]).all()


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50))
def test_two_bytes_keep_two_digits(numbers):
    values = np.array(numbers, np.float32)
    read = (halves(values).astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        near = np.isclose(read, values, rtol=1 / 256, atol=1e-38) | np.isinf(read)
    assert near.all()
