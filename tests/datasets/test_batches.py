"""Batches: an order that only the seed and the step's number decide."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maasnb.datasets.batches import Batches

SIZES = {"size": st.integers(1, 60), "batch": st.integers(1, 25), "seed": st.integers(0, 9)}


def real_rows(rows):
    return [line[:count].tolist() for line, count in zip(rows.indices, rows.counts, strict=True)]


@given(**SIZES, epoch=st.integers(0, 5))
def test_an_epoch_sees_every_row_once(size, batch, seed, epoch):
    batches = Batches(size=size, batch=batch, seed=seed)
    rows = batches.rows(epoch * batches.steps_per_epoch, batches.steps_per_epoch)
    assert sorted(chain(*real_rows(rows))) == list(range(size))


@given(**SIZES, first=st.integers(0, 40), count=st.integers(0, 40), cut=st.integers(0, 40))
def test_steps_taken_in_two_chunks_are_the_steps_taken_in_one(size, batch, seed, first, count, cut):
    batches = Batches(size=size, batch=batch, seed=seed)
    cut = min(cut, count)
    whole = real_rows(batches.rows(first, count))
    parts = batches.rows(first, cut), batches.rows(first + cut, count - cut)
    assert [len(part) for part in parts] == [cut, count - cut]
    assert [*chain(*map(real_rows, parts))] == whole


def test_the_same_seed_gives_the_same_order_and_another_seed_another():
    orders = [Batches(size=50, batch=8, seed=seed).order(3).tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_each_epoch_has_an_order_of_its_own():
    batches = Batches(size=50, batch=8, seed=0)
    assert batches.order(0).tolist() != batches.order(1).tolist()


def test_the_last_batch_of_an_epoch_may_be_smaller():
    batches = Batches(size=10, batch=4, seed=0)
    assert (batches.steps_per_epoch, batches.ragged) == (3, True)
    assert batches.rows(0, 4).counts.tolist() == [4, 4, 2, 4]


def test_a_split_that_divides_evenly_is_not_ragged():
    batches = Batches(size=12, batch=4, seed=0)
    assert (batches.steps_per_epoch, batches.ragged) == (3, False)
    assert batches.rows(2, 2).counts.tolist() == [4, 4]


def test_a_batch_larger_than_the_split_is_the_whole_split():
    rows = Batches(size=3, batch=8, seed=0).rows(0, 1)
    assert rows.indices.shape == (1, 8)
    assert rows.counts.tolist() == [3]


def test_padding_repeats_the_first_row():
    rows = Batches(size=3, batch=8, seed=0).rows(0, 1)
    assert rows.indices[0, 3:].tolist() == [0] * 5


@pytest.mark.parametrize("first", [0, 3, 4])
def test_no_steps_have_no_rows(first):
    rows = Batches(size=10, batch=4, seed=0).rows(first, 0)
    assert rows.indices.shape == (0, 4)
    assert len(rows) == 0


def test_rows_are_32_bit_numbers_that_every_device_takes():
    rows = Batches(size=10, batch=4, seed=0).rows(0, 5)
    assert (rows.indices.dtype, rows.counts.dtype) == (np.int32, np.int32)
    assert (rows.first, rows.seed, len(rows)) == (0, 0, 5)
