"""The verb `train`, on both backends, on real data."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import maasnb as mb
from maasnb.datasets.loading import data as make_data
from maasnb.errors import DataError, ModelError, OptionError, ShapeError, UnknownNameError
from maasnb.events import Ended, Measured, Started, Stepped, Validated
from maasnb.records.record import read_events, read_summary
from maasnb.records.run import observe
from maasnb.training import train


@pytest.fixture(scope="module")
def digits():
    return make_data("digits")


def network(backend, data, *, seed=0, dropout=0.2):
    """Build a small network for data, with dropout."""
    outputs = len(data.labels) or data.target_width
    return mb.build(
        [mb.Dense(32, "relu"), mb.Dropout(dropout), mb.Dense(outputs)],
        backend=backend.name,
        data=data,
        seed=seed,
    )


@pytest.mark.coverage("F3")
def test_digits_are_learnt_in_place(backend, digits):
    model = mb.build([mb.Dense(64, "relu"), mb.Dense(32, "relu"), mb.Dense(10)],
                     backend=backend.name, data=digits)  # fmt: skip
    run = train(model, digits, epochs=15)
    assert run.model is model
    assert run.status == "finished"
    assert mb.evaluate(run)["accuracy"] >= 0.95
    logits = backend.predict(model, run.task, digits.test.inputs)
    assert_array_equal(logits, run.predict(digits.test.x))


def test_the_same_seed_gives_the_same_bits(backend, digits):
    runs = [train(network(backend, digits), digits, epochs=2, seed=3) for _ in range(2)]
    assert_array_equal(runs[0].history.losses, runs[1].history.losses)
    first, second = (backend.weights(run.model) for run in runs)
    for name, weight in first.items():
        assert_array_equal(weight, second[name])


def test_another_seed_gives_another_run(backend, digits):
    one, other = (train(network(backend, digits), digits, epochs=1, seed=s) for s in (1, 2))
    assert not np.array_equal(one.history.losses, other.history.losses)


@pytest.mark.coverage("F4")
def test_a_regression_answers_in_the_targets_own_unit(backend):
    data = make_data("diabetes")
    run = train(network(backend, data, dropout=0.0), data, epochs=20)
    outputs = run.predict(data.train.x)
    assert abs(outputs.mean() - data.train.y.mean()) < 15
    assert mb.evaluate(run, data.train)["r2"] > 0.4


def test_the_record_holds_every_step_once(backend, digits):
    run = train(network(backend, digits), digits, epochs=3)
    events = list(read_events(run.folder))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    losses = [loss for event in events if isinstance(event, Stepped) for loss in event.losses]
    assert losses == run.history.losses.tolist()
    assert len(losses) == run.total_steps == 3 * run.steps_per_epoch
    assert [e.epoch for e in events if isinstance(e, Validated)] == [1, 2, 3]
    measured = [event.step for event in events if isinstance(event, Measured)]
    assert measured[0] == 1
    assert measured[-1] == run.total_steps


def test_the_record_says_what_was_run(backend, digits):
    run = train(network(backend, digits), digits, epochs=1, optimizer="sgd", lr=0.1, seed=5)
    summary = read_summary(run.folder)
    assert summary["backend"] == backend.name
    assert summary["settings"]["optimizer"] == {"name": "sgd"}
    assert summary["settings"]["seed"] == 5
    assert summary["data"]["fingerprint"] == digits.fingerprint
    assert summary["status"] == "finished"
    assert summary["environment"][backend.name] == backend.version()


def test_the_last_checkpoint_holds_the_final_weights(backend, digits):
    from safetensors.numpy import load_file

    run = train(network(backend, digits), digits, epochs=1)
    path = run.folder / "checkpoints" / f"{run.total_steps}.safetensors"
    saved = {array.tobytes() for array in load_file(path).values()}
    assert all(weight.tobytes() in saved for weight in backend.weights(run.model).values())


def test_a_run_in_the_background_can_be_stopped(backend, digits):
    reached = threading.Event()
    end = observe(lambda run: run.subscribe(
        lambda event, run: reached.set() if run.steps >= 100 else None))  # fmt: skip
    try:
        run = train(network(backend, digits), digits, epochs=10_000, wait=False)
    finally:
        end()
    assert reached.wait(60)
    run.stop()
    assert run.wait(60).status == "stopped"
    assert 100 <= run.steps < run.total_steps
    assert len(run.history.losses) == run.steps
    assert run.history.losses[-1] < run.history.losses[0]


def test_a_model_is_trained_by_one_run_at_a_time(backend, digits):
    model = network(backend, digits)
    run = train(model, digits, epochs=10_000, wait=False)
    with pytest.raises(ModelError, match=r"being trained by another run.*run\.stop"):
        train(model, digits)
    run.stop()
    run.wait(60)
    assert train(model, digits, epochs=1).status == "finished"


def test_an_observer_that_raises_is_reported_and_training_goes_on(backend, digits):
    def broken(run):
        raise RuntimeError("no room")

    end = observe(broken)
    run = train(network(backend, digits), digits, epochs=1)
    end()
    assert run.status == "finished"
    log = (run.folder / "events.jsonl").read_text()
    assert "A panel failed to open (RuntimeError('no room'))" in log


def test_a_model_that_raises_while_training_ends_the_run_with_its_error(digits):
    import torch

    class Tired(torch.nn.Linear):
        def forward(self, x):
            if self.training:
                raise RuntimeError("too tired")
            return super().forward(x)

    with pytest.raises(mb.MaasError, match="failed at step 0: .*too tired") as caught:
        train(Tired(64, 10), digits)
    assert caught.value.run.status == "failed"


BAD_OPTIONS = [
    ({"epochs": 0}, OptionError, "epochs=0 cannot be used"),
    ({"batch": -1}, OptionError, "batch=-1 cannot be used"),
    ({"lr": float("nan")}, OptionError, "lr=nan cannot be used; expected a positive number"),
    ({"seed": -1}, OptionError, "seed=-1 cannot be used"),
    ({"optimizer": "adm"}, UnknownNameError, "no optimizer 'adm'. Did you mean 'adam'"),
    ({"loss": "mse"}, OptionError, "is for regression, but the data is classification"),
    ({"name": "../x"}, OptionError, "cannot be the name of a run"),
]


@pytest.mark.parametrize(("options", "error", "words"), BAD_OPTIONS)
def test_a_bad_option_is_refused_before_anything_is_written(
    backend, digits, workspace, options, error, words
):
    with pytest.raises(error, match=words.replace(".", r"\.")):
        train(network(backend, digits), digits, **options)
    assert not list(workspace.glob("runs/*"))


def test_data_that_is_no_data_is_refused(backend, digits):
    with pytest.raises(DataError, match=r"a ndarray; expected what mb\.data returns"):
        train(network(backend, digits), digits.train.x)


def test_a_model_whose_output_does_not_fit_the_classes_is_refused(backend, digits):
    model = mb.build([mb.Dense(7)], backend=backend.name, data=digits)
    with pytest.raises(ShapeError, match=r"returns 7 outputs.*10 classes.*Dense\(10\)"):
        train(model, digits)


def test_a_batch_larger_than_the_data_is_one_step_an_epoch(backend):
    data = make_data("diabetes")
    run = train(network(backend, data), data, epochs=2, batch=4096)
    assert run.steps == 2


def test_a_waiting_cell_can_be_interrupted_and_the_run_stops_gracefully(backend, digits):
    import _thread

    def interrupt(event, run):
        if run.steps >= 50:
            _thread.interrupt_main()
            raise StopIteration  # once is enough: a callback that raises is called no more

    end = observe(lambda run: run.subscribe(interrupt))
    try:
        run = train(network(backend, digits), digits, epochs=10_000)
    finally:
        end()
    assert run.status == "stopped"
    assert run.stop_reason == "interrupted"
