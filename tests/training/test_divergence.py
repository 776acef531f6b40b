"""A loss that becomes NaN ends the run; the model keeps its last good state."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import maasnb as mb
from maasnb.backends.protocol import Losses, Statistics
from maasnb.datasets.batches import Batches
from maasnb.errors import DivergedError
from maasnb.records.checkpoints import Mark
from maasnb.tasks import make_optimizer
from maasnb.training import train
from maasnb.training.feeding import Feed
from maasnb.training.recovery import KeptStates


@pytest.fixture(scope="module")
def digits():
    return mb.data("digits")


def network(backend, data):
    """Build a network that a huge learning rate drives to infinity."""
    layers = [mb.Dense(32, "relu"), mb.Dense(32, "relu"), mb.Dense(10)]
    return mb.build(layers, backend=backend.name, data=data)


def diverge(backend, data, lr):
    """Train until the loss is not finite; return the error."""
    with pytest.raises(DivergedError) as caught:
        train(network(backend, data), data, optimizer="sgd", lr=lr, epochs=20)
    return caught.value


def test_the_error_names_the_step_the_parameter_and_the_way_out(backend, digits):
    error = diverge(backend, digits, 1e12)
    words = r"became (nan|inf) at step \d+, .* not finite is 'dense\d\.\w+'\. .* lr=1e\+11"
    assert re.search(words, str(error))
    assert error.run.status == "diverged"


def test_the_model_holds_the_state_of_the_last_good_step(backend, digits):
    error = diverge(backend, digits, 1e12)
    good = int(str(error).split("after step ")[1].split(".")[0])
    weights = backend.weights(error.run.model)
    assert all(np.isfinite(weight).all() for weight in weights.values())
    again = network(backend, digits)
    if good:
        program = backend.compile(
            again,
            error.run.task,
            make_optimizer("sgd"),
            inputs=digits.train.inputs[:2],
            targets=digits.train.targets[:2],
            batch=32,
            ragged=True,
            device="cpu",
        )
        rows = Batches(size=len(digits.train), batch=32, seed=0).rows(0, good)
        placed = program.place(digits.train.inputs, digits.train.targets)
        state, _ = program.chunk(program.init(0), placed, rows, 1e12)
        program.update(state)
    for name, weight in backend.weights(again).items():
        assert_array_equal(weight, weights[name])


def test_the_run_counts_the_steps_of_the_state_that_it_holds(backend, digits):
    error = diverge(backend, digits, 1e12)
    assert f"after step {error.run.steps}." in str(error)


def test_every_recorded_loss_is_finite(backend, digits):
    error = diverge(backend, digits, 1e12)
    assert np.isfinite(error.run.history.losses).all()


def test_the_model_can_be_trained_again_with_a_smaller_learning_rate(backend, digits):
    error = diverge(backend, digits, 1e12)
    run = train(error.run.model, digits, epochs=2)
    assert run.status == "finished"


def mark(step):
    return Mark(step=step, log_bytes=0, knobs={}, seconds=0.0)


def test_a_bad_copy_is_passed_over_for_the_one_before():
    class Counter:
        """A program whose state is a number, and which goes bad after three steps."""

        def keep(self, state, over=None):
            return state

        def revert(self, kept):
            return kept

        def statistics(self, state, placed, rows, lr, clip, **_):
            loss = np.nan if state >= 3 else 0.0
            return state + 1, np.array([loss]), {"w": np.nan if state >= 2 else 1.0}

        def host(self, losses):
            return Losses(means=losses, examples=None)

        def host_statistics(self, found):
            return Statistics(gradient_norm=found, update_ratio={"w": 0.0})

    class Rewound(Feed):
        """A feed that can be gone through again."""

        def take(self, step, steps):
            return None, Batches(size=8, batch=2, seed=0).rows(step, steps)

        def close(self):
            pass

    kept = KeptStates(Counter(), mark(0), 0)
    kept.renew(mark(3), 3, lambda kept: False)  # taken after the step that went bad
    found = kept.replay(3, Rewound(), lambda step: (0.1, None))
    assert found == (2, 2, "w")
