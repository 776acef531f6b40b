"""Schedules, clipping, early stopping and the rest survive a resume and a replay."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import maasnb as mb
from maasnb.training import replay, train

OPTIONS = {
    "schedule": "cosine",
    "warmup": 20,
    "clip": 0.5,
    "l2": 1e-4,
    "accumulate": 2,
    "batch": 8,
    "freeze": ["dense1.bias"],
    "epochs": 12,
}


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 6)).astype(np.float32)
    return mb.data(x, np.argmax(x[:, :3], axis=1), name="small")


def network(backend, data):
    """Build a small network with dropout, always with the same weights."""
    layers = [mb.Dense(12, "relu"), mb.Dropout(0.2), mb.Dense(3)]
    return mb.build(layers, backend=backend.name, data=data, seed=1)


def stop_at(step):
    """Return a callback that stops a run once so many steps are taken."""
    return lambda event, run: run.stop() if run.steps >= step else None


def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(backend, data):
    whole = train(network(backend, data), data, **OPTIONS)
    halted = train(network(backend, data), data, name="half", on_event=stop_at(40), **OPTIONS)
    assert halted.status == "stopped"
    resumed = train(network(backend, data), data, resume="half")
    assert resumed.steps == whole.steps
    assert_array_equal(resumed.history.losses, whole.history.losses)
    expected = backend.weights(whole.model)
    for name, weight in backend.weights(resumed.model).items():
        assert_array_equal(weight, expected[name])


def test_a_replayed_run_ends_with_the_same_bits(backend, data):
    changed = []

    def change(event, run):
        if run.steps >= 30 and not changed:
            changed.append(run.steps)
            run.set(lr=0.01)

    run = train(network(backend, data), data, on_event=change, **OPTIONS)
    assert len(run.history.interventions) == 1
    again = replay(run)
    expected = backend.weights(run.model)
    for name, weight in backend.weights(again.model).items():
        assert_array_equal(weight, expected[name])


def test_early_stopping_counts_validations_from_before_a_resume(backend, data):
    options = {"stop": mb.EarlyStop(patience=3), "lr": 0.05, "epochs": 60, "batch": 16}
    whole = train(network(backend, data), data, **options)
    assert whole.stop_reason.startswith("early stop")
    halt = stop_at(whole.steps - 2 * whole.steps_per_epoch)
    train(network(backend, data), data, name="cut", on_event=halt, **options)
    resumed = train(network(backend, data), data, resume="cut", stop=mb.EarlyStop(patience=3))
    assert (resumed.steps, resumed.stop_reason) == (whole.steps, whole.stop_reason)
    expected = backend.weights(whole.model)
    for name, weight in backend.weights(resumed.model).items():
        assert_array_equal(weight, expected[name])
