"""A training process is killed at random moments, and a new one ends with the same bits."""

import sys

from benchmarks.kills import trials


def test_a_run_that_was_killed_twice_ends_with_the_bits_of_one_that_was_not(backend, monkeypatch):
    # A new process asks where the main program came from; in a worker of the tests, or where a
    # notebook's namespace took its place, that is nowhere.
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)
    assert trials(backend.name, kills=2, in_a_row=2, longest_s=0.3, seed=1) == [True]
