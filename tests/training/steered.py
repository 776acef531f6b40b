"""Runs in the background that a test steers, and what their tests compare."""

import threading

import numpy as np

import maasnb as mb
from maasnb.datasets.loading import data as make_data
from maasnb.events import Intervened, Stepped
from maasnb.records.record import read_events
from maasnb.training import train

SOON_S = 60  # how long a test waits for what comes at once; only a mistake takes so long


def small_data():
    """Return 90 examples of three classes, which make an epoch of 9 steps of 10."""
    inputs = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    return make_data(inputs, np.argmax(inputs[:, :3], axis=1), split=(0.8, 0.2, 0), name="small")


def network(backend, data, seed=0):
    """Build a small network with dropout."""
    layers = [mb.Dense(8, "tanh"), mb.Dropout(0.3), mb.Dense(3)]
    return mb.build(layers, backend=backend.name, data=data, seed=seed)


def background(backend, *, at=20, **options):
    """Start a long run of a small network; return it when it has taken `at` steps."""
    reached = threading.Event()
    data = small_data()

    def watch(event, run):
        if event.step >= at:
            reached.set()

    options = {"epochs": 100_000, "batch": 8, "on_event": watch, **options}
    run = train(network(backend, data), data, wait=False, **options)
    assert reached.wait(SOON_S)
    return run


def end(run):
    """Stop a run and wait for it."""
    run.stop()
    assert run.wait(SOON_S).status == "stopped"


def interventions(run):
    """Return what the log says was done to a run."""
    found = [event for event in read_events(run.folder) if isinstance(event, Intervened)]
    return [(event.action, event.value, event.source) for event in found]


def logged_losses(run):
    """Return each step's loss by the log; a step that is there twice or missing is a mistake."""
    losses = []
    for event in read_events(run.folder):
        if isinstance(event, Stepped):
            assert event.step == len(losses) + len(event.losses)
            losses.extend(event.losses)
    return losses


def same_weights(backend, one, other):
    """Say whether two models are equal bit for bit."""
    first, second = backend.weights(one), backend.weights(other)
    assert first.keys() == second.keys()
    return all(first[name].tobytes() == second[name].tobytes() for name in first)
