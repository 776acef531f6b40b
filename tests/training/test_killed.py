"""A training process is killed at random moments, and a new one ends with the same bits."""

from benchmarks.kills import trials


def test_a_run_that_was_killed_twice_ends_with_the_bits_of_one_that_was_not(backend):
    assert trials(backend.name, kills=2, in_a_row=2, longest_s=0.3, seed=1) == [True]
