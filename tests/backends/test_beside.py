"""Measuring beside the training: what is computed, what is raised, and what is left."""

import threading

import jax.numpy as jnp
import pytest

from maasnb.backends import backend_named
from maasnb.backends.jax.beside import made_before, made_beside
from maasnb.backends.jax.measuring import Measurement
from maasnb.datasets.batches import Batches
from maasnb.errors import ShapeError
from tests.backends.models import SPEC, examples, train


def measure():
    assert threading.current_thread().name in ("maasnb statistics", "MainThread")
    return Measurement(jnp.ones(2), jnp.zeros(2))


@pytest.mark.parametrize("make", [made_before, made_beside])
def test_a_measurement_is_there_when_it_is_waited_for(make):
    made = make(measure).result()
    assert made.measurement.on_host(["a", "b"]).gradient_norm == {"a": 1.0, "b": 1.0}
    assert (made.seconds > 0) == (make is made_beside)


def broken():
    message = "no such layer"
    raise ShapeError(message)


def test_what_measuring_raises_is_raised_where_it_is_waited_for():
    found = made_beside(broken)
    with pytest.raises(ShapeError, match="no such layer"):
        found.result()


def test_a_step_that_fails_leaves_no_measurement_going_on(monkeypatch):
    backend = backend_named("jax")
    model = backend.build(SPEC, 0)
    program = train(backend, model, steps=1, chunk=1)[0]

    def fail(*_):
        message = "no step"
        raise RuntimeError(message)

    monkeypatch.setattr(program, "_dispatch", fail)
    rows = Batches(size=30, batch=10, seed=0).rows(0, 1)
    with pytest.raises(RuntimeError, match="no step"):
        program.statistics(program.init(0), program.place(*examples()), rows, 0.1)
    assert [each for each in threading.enumerate() if each.name == "maasnb statistics"] == []
