"""`mb.replay` repeats a steered run to the same bits."""

import threading

import numpy as np
import pytest

from maasnb.errors import OptionError, UnknownNameError
from maasnb.events import Validated
from maasnb.training import replay, train
from tests.training.steered import SOON_S, background, end, network, same_weights, small_data

pytestmark = pytest.mark.usefixtures("optimised")


def until(run, step):
    reached = threading.Event()
    run.subscribe(lambda event, run: reached.set() if event.step >= step else None)
    assert reached.wait(SOON_S)


def test_a_steered_run_is_repeated_to_the_same_bits(backend):
    run = background(backend)
    run.set(lr=0.02)
    until(run, run.steps + 30)
    kept = run.checkpoint()
    run.pause()
    run.set(lr=0.005)
    run.resume()
    until(run, kept + 40)
    run.rollback(kept)
    run.set(lr=0.001)
    until(run, kept + 50)
    run.rollback(kept + 3)
    until(run, kept + 70)
    end(run)
    again = replay(run)
    assert again.status == "stopped"
    assert again.steps == run.steps
    np.testing.assert_array_equal(again.history.losses, run.history.losses)
    assert same_weights(backend, again.model, run.model)
    assert {event.source for event in again.history.interventions} == {"replay"}


def test_a_run_that_a_policy_steered_is_repeated(backend):
    def policy(event, run):
        if isinstance(event, Validated):
            run.set(lr=0.01 / event.epoch)

    data = small_data()
    run = train(network(backend, data), data, epochs=5, batch=8, on_event=policy)
    again = replay(run.name, name="again")
    assert again.name == "again"
    assert same_weights(backend, again.model, run.model)


def test_a_fork_is_repeated_from_where_it_began(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=3, batch=8)
    other = run.fork(lr=0.05, epochs=5)
    again = replay(other)
    np.testing.assert_array_equal(again.history.losses, other.history.losses)
    assert same_weights(backend, again.model, other.model)


def test_a_run_that_goes_on_is_not_repeated(backend):
    run = background(backend)
    with pytest.raises(OptionError, match=r"still going on. Type: run.stop\(\)"):
        replay(run)
    end(run)


def test_an_unknown_run_gets_its_nearest_match(backend):
    run = background(backend, name="spirals")
    with pytest.raises(UnknownNameError, match="no run in this kernel 'spiral'. .*'spirals'"):
        replay("spiral")
    end(run)
