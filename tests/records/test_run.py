"""The handle of a run: what it tells, whom it calls, how it is stopped and what it predicts."""

import sys
import threading

import numpy as np
import pytest

from maasnb.building import build
from maasnb.datasets.loading import data
from maasnb.datasets.recipes import standardize, standardize_target
from maasnb.errors import DataError, DivergedError, ModelError, TrainingError
from maasnb.events import Ended, Measured, Started, Stepped, Validated, Warned
from maasnb.layers import Dense
from maasnb.records.record import read_events, read_summary
from maasnb.records.run import Run, observe, observers_told, occupy, release
from maasnb.tasks import make_task
from maasnb.training import train

SOON_S = 60  # how long a test waits for what comes at once; only a mistake takes so long


class Doubling:
    """Stand for a backend whose model doubles the prepared inputs."""

    def predict(self, model, task, inputs):
        return 2 * inputs


@pytest.fixture
def start(begin):
    """Return a function that starts a run of 4 steps, which the test then leads like training."""
    x = np.arange(40.0).reshape(20, 2)
    values = data(x, x, prep=[standardize(), standardize_target()], features=["left", "right"])
    task = make_task(
        kind="regression", labels=(), targets=2, output_shape=(2,), final_activation=None
    )

    def start_run(data=values):
        return Run(
            begin(),
            model=object(),
            backend=Doubling(),
            data=data,
            task=task,
            settings={},
            environment={},
            epochs=2,
            steps_per_epoch=2,
        )

    return start_run


def stepped(step, *losses):
    return Stepped(step=step, time=0.0, losses=losses, lr=0.1, samples=len(losses), seconds=0.1)


def validated(step, **metrics):
    return Validated(step=step, time=0.0, epoch=1, metrics=metrics)


def warnings_of(run):
    return [event.message for event in read_events(run.folder) if isinstance(event, Warned)]


def tiny_training(backend, **options):
    """Train two weights on a line for three epochs of two steps."""
    line = data(np.arange(8.0), np.arange(8.0), split=(1, 0, 0))
    return train(build([Dense(1)], backend=backend.name, data=line), line, batch=4, **options)


# What a run tells of itself.


def test_a_new_run_is_running_and_has_taken_no_step(start):
    run = start()
    assert (run.status, run.steps, run.total_steps, run.metrics) == ("running", 0, 4, {})
    assert str(run) == "Run 'net': running, step 0 of 4"


def test_a_run_tells_its_latest_step_and_metrics(start):
    run = start()
    run.emit(stepped(2, 3.0, 2.0))
    run.emit(validated(2, loss=2.5, mae=1.23456))
    run.emit(validated(2, loss=1.5, mae=0.5))
    assert (run.steps, run.metrics) == (2, {"loss": 1.5, "mae": 0.5})
    assert str(run) == "Run 'net': running, step 2 of 4, validation loss 1.5, validation mae 0.5"


def test_every_event_is_in_the_history_and_in_the_log(start):
    run = start()
    run.emit(stepped(2, 3.0, 2.0))
    run.emit(stepped(3, 1.0))
    assert run.history.losses.tolist() == [3.0, 2.0, 1.0]
    assert list(read_events(run.folder)) == [stepped(2, 3.0, 2.0), stepped(3, 1.0)]


def test_the_end_is_told_logged_and_recorded(start):
    run, told = start(), []
    run.subscribe(lambda event, run: told.append((event.status, run.status)))
    run.close("stopped", "stopped by hand")
    assert told == [("stopped", "stopped")]
    (ended,) = read_events(run.folder)
    assert (ended.status, ended.reason, ended.seconds) == (
        "stopped",
        "stopped by hand",
        run.seconds,
    )
    assert read_summary(run.folder)["status"] == "stopped"


def test_the_time_of_an_ended_run_stands_still(start):
    run = start()
    run.close("finished")
    assert run.seconds == run.seconds > 0


# Whom a run calls.


def test_a_callback_gets_each_event_and_the_run(start):
    run, told = start(), []
    run.subscribe(lambda event, run: told.append((event, run)))
    run.emit(stepped(1, 1.0))
    assert told == [(stepped(1, 1.0), run)]


def test_a_callback_sees_a_history_that_holds_the_event(start):
    run, counts = start(), []
    run.subscribe(lambda event, run: counts.append(len(run.history.losses)))
    run.emit(stepped(2, 3.0, 2.0))
    assert counts == [2]


def test_a_callback_that_raises_is_reported_once_and_called_no_more(start, capsys):
    run, calls = start(), []

    def broken(event, run):
        calls.append(event)
        raise ValueError("no such file")

    run.subscribe(broken)
    for step in (1, 2, 3):
        run.emit(stepped(step, 1.0))
    assert len(calls) == 1
    (words,) = warnings_of(run)
    assert "broken raised ValueError('no such file') and is called no more; training goes" in words
    assert capsys.readouterr().err == f"maasnb: {words}\n"


def test_two_callbacks_that_raise_are_both_reported_and_left_out(start, capsys):
    run, calls = start(), []

    def broken(event, run):
        calls.append(event)
        raise ValueError

    for callback in (broken, lambda event, run: broken(event, run)):
        run.subscribe(callback)
    run.emit(stepped(1, 1.0))
    run.emit(stepped(2, 1.0))
    assert calls == [stepped(1, 1.0)] * 2
    assert len(warnings_of(run)) == len(capsys.readouterr().err.splitlines()) == 2


def test_a_callback_that_raises_does_not_silence_the_others(start, capsys):
    run, told = start(), []
    run.subscribe(lambda event, run: 1 / 0)
    run.subscribe(lambda event, run: told.append(event))
    run.emit(stepped(1, 1.0))
    assert [type(event) for event in told] == [Stepped, Warned]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_training_goes_on_when_a_callback_wants_to_leave(start, capsys):
    run = start()
    run.subscribe(lambda event, run: sys.exit())
    run.emit(stepped(1, 1.0))
    assert "raised SystemExit" in capsys.readouterr().err


def test_a_broken_callback_leaves_the_training_as_it_was(backend, capsys):
    def spoil(run):
        run.subscribe(lambda event, run: 1 / 0)

    plain = tiny_training(backend, epochs=3)
    end = observe(spoil)
    try:
        spoilt = tiny_training(backend, epochs=3)
    finally:
        end()
    assert spoilt.status == "finished"
    assert spoilt.history.losses.tolist() == plain.history.losses.tolist()
    assert capsys.readouterr().err.count("is called no more") == 1


# Who learns of new runs.


def test_an_observer_is_told_of_new_runs_until_it_ends(start):
    told = []
    end = observe(told.append)
    run = start()
    assert list(observers_told(run)) == []
    end()
    assert list(observers_told(start())) == []
    assert told == [run]


def test_ending_twice_does_no_harm():
    end = observe(print)
    end()
    end()


def test_an_observer_that_raises_is_reported_once(start):
    def broken(run):
        raise OSError("no display")

    end = observe(broken)
    (words,) = observers_told(start())
    assert words == "A panel failed to open (OSError('no display')); training goes on without it."
    assert list(observers_told(start())) == []
    end()


def test_an_observer_may_end_itself_and_raise(start):
    def broken(run):
        end()
        raise OSError("no display")

    end = observe(broken)
    assert len(list(observers_told(start()))) == 1


def test_the_log_of_a_training_names_the_panel_that_failed(backend):
    def broken(run):
        raise OSError("no display")

    end = observe(broken)
    try:
        run = tiny_training(backend, epochs=1)
    finally:
        end()
    assert run.status == "finished"
    assert warnings_of(run) == [
        "A panel failed to open (OSError('no display')); training goes on without it."
    ]


# How a run is stopped and waited for.


def test_a_stop_is_a_wish_with_a_reason_and_the_first_one_counts(start):
    run = start()
    assert run.stop_reason is None
    run.stop("good enough")
    run.stop()
    assert (run.stop_reason, run.status) == ("good enough", "running")


def test_a_stopped_training_keeps_what_was_learnt(backend):
    def stop_soon(run):
        run.subscribe(lambda event, run: isinstance(event, Measured) and run.stop("enough"))

    end = observe(stop_soon)
    try:
        run = tiny_training(backend, epochs=1000)
    finally:
        end()
    assert run.status == "stopped"
    assert 0 < run.steps < run.total_steps
    assert len(run.history.losses) == run.steps
    assert list(read_events(run.folder))[-1].reason == "enough"


def test_waiting_ends_with_the_run(start):
    run = start()
    thread = threading.Thread(target=run.close, args=("finished",))
    thread.start()
    assert run.wait(SOON_S).status == "finished"
    thread.join()


def test_waiting_may_have_a_limit(start):
    assert start().wait(0.01).status == "running"


def test_an_interrupt_while_waiting_stops_the_run_gracefully(start, monkeypatch):
    run = start()
    waits = []

    def wait(timeout=None):
        waits.append(timeout)
        if len(waits) == 1:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(run._done, "wait", wait)
    assert run.wait() is run
    assert (run.stop_reason, len(waits)) == ("interrupted", 2)


def test_the_result_of_a_good_run_is_the_run(start):
    run = start()
    run.close("finished")
    assert run.result() is run


def test_the_result_of_a_diverged_run_is_its_error(start):
    run = start()
    run.close("diverged", "NaN", DivergedError("The loss became nan", run=run))
    with pytest.raises(DivergedError, match="The loss became nan"):
        run.result()


def test_the_result_of_a_failed_run_names_the_run_the_step_and_the_cause(start):
    run = start()
    run.emit(stepped(3, 1.0, 1.0, 1.0))
    run.close("failed", "boom", MemoryError("boom"))
    with pytest.raises(
        TrainingError, match=r"'net' failed at step 3: MemoryError\('boom'\)"
    ) as got:
        run.result()
    assert got.value.run is run
    assert run.error is got.value.__cause__


def test_the_events_of_a_training_begin_with_its_plan_and_end_with_its_status(backend):
    run = tiny_training(backend, epochs=3)
    events = list(read_events(run.folder))
    assert (events[0].steps, events[0].steps_per_epoch) == (6, 2)
    assert isinstance(events[0], Started)
    assert events[-1] == Ended(step=6, time=events[-1].time, status="finished", seconds=run.seconds)
    assert sum(len(event.losses) for event in events if isinstance(event, Stepped)) == 6


# A model belongs to one run at a time.


def test_a_model_in_training_is_refused_to_another_run():
    model = object()
    occupy(model)
    with pytest.raises(ModelError, match=r"being trained by another run. Wait for it \(run.wait"):
        occupy(model)
    release(model)


def test_a_run_that_ends_gives_its_model_free(start):
    run = start()
    occupy(run.model)
    run.close("failed", "boom", ValueError("boom"))
    occupy(run.model)
    release(run.model)


# What a run predicts.


def test_a_prediction_takes_raw_examples_and_answers_in_the_targets_own_unit(start):
    run = start()
    x = run.data.test.x
    mean, deviation = run.data.train.x.mean(axis=0), run.data.train.x.std(axis=0)
    expected = 2 * (x - mean) / deviation * deviation + mean  # x and y have the same moments
    np.testing.assert_allclose(run.predict(x), expected, rtol=1e-5)
    assert run.predict(x.tolist()).dtype == np.float32


@pytest.mark.parametrize(
    ("x", "way_out"),
    [
        (np.zeros(2), r"For one example type: x\[None\]"),
        (np.zeros((4, 2, 1)), r"Type: x.reshape\(-1, 2\)"),
        (np.zeros((4, 3)), r"Look at x.shape"),
        (np.zeros((2, 4)), r"Look at x.shape"),
        (3.0, "Look at x.shape"),
        ("text", "Look at x.shape"),
    ],
)
def test_examples_of_another_shape_are_refused(start, x, way_out):
    with pytest.raises(DataError, match=rf"expected \[n, 2\]\. {way_out}"):
        start().predict(x)


def test_pixels_that_were_scaled_before_are_refused(start):
    x = np.arange(256, dtype=np.uint8).reshape(128, 2)
    run = start(data(x, x.astype(float), split=(1, 0, 0)))
    with pytest.raises(DataError, match=r"uint8, 0 to 255; .*\(x \* 255\).round\(\).astype"):
        run.predict(x / 255)
    np.testing.assert_array_equal(run.predict(x.astype(float)), run.predict(x))
    assert run.predict(np.zeros((1, 2))).shape == (1, 2)


def test_examples_that_are_not_finite_are_refused_with_the_columns_name(start):
    x = np.array([[1.0, np.nan], [1.0, 2.0]])
    words = r"1 of 2 examples; .* right \(1\).* x = x\[np.isfinite\(x\).all\(axis=1\)\]"
    with pytest.raises(DataError, match=words):
        start().predict(x)


@pytest.mark.parametrize(
    ("x", "words"),
    [(np.zeros((0, 2)), "The inputs are empty"), ([["a", "b"]], "expected numbers")],
)
def test_examples_that_are_none_or_no_numbers_are_refused(start, x, words):
    with pytest.raises(DataError, match=words):
        start().predict(x)


def test_a_single_column_is_predicted_as_it_was_given(start):
    run = start(data=data(np.arange(20.0), np.arange(20.0)))
    np.testing.assert_array_equal(run.predict([1.0, 2.0]), [[2.0], [4.0]])
