"""A run is steered while it trains: paused, set, rolled back, forked, stopped."""

import threading
import time

import numpy as np
import pytest

from maasnb.errors import OptionError, TrainingError, UnknownNameError
from maasnb.events import Intervened, Measured, Stepped, Validated, Warned
from maasnb.records.control import steering_from
from maasnb.records.record import read_events
from maasnb.training import train
from tests.training.steered import (
    SOON_S,
    background,
    end,
    interventions,
    network,
    same_weights,
    small_data,
)


@pytest.mark.coverage("C8")
def test_a_paused_run_stands_still_and_goes_on(backend):
    run = background(backend)
    run.pause()
    step = run.steps
    assert run.status == "paused"
    went_on = threading.Event()
    run.subscribe(lambda event, run: went_on.set() if event.step > step else None)
    assert not went_on.wait(0.2)
    assert (run.steps, len(run.history.losses)) == (step, step)
    run.resume()
    assert run.status == "running"
    assert went_on.wait(SOON_S)
    end(run)
    assert interventions(run)[:2] == [("pause", None, "python"), ("resume", None, "python")]


def test_a_paused_run_costs_no_computation(backend):
    run = background(backend)
    run.pause()
    thread = time.pthread_getcpuclockid(run.training_thread.ident)
    before = time.clock_gettime(thread)
    threading.Event().wait(0.3)
    assert time.clock_gettime(thread) - before < 0.003
    end(run)


def test_a_paused_run_has_its_weights_in_the_users_model(backend):
    run = background(backend)
    run.pause()
    before = backend.weights(run.model)
    predicted = run.predict(run.data.train.x)
    run.checkpoint()
    end(run)
    assert same_weights(backend, run.model, run.model)
    assert all(np.array_equal(before[name], w) for name, w in backend.weights(run.model).items())
    np.testing.assert_array_equal(run.predict(run.data.train.x), predicted)


def test_pausing_twice_and_resuming_a_running_run_is_nothing(backend):
    run = background(backend)
    run.resume()
    run.pause()
    run.pause()
    end(run)
    assert [action for action, _, _ in interventions(run)] == ["pause", "stop"]


@pytest.mark.coverage("C3")
def test_a_learning_rate_takes_effect_at_the_step_that_is_told(backend):
    run = background(backend, lr=0.001)
    run.set(lr=0.5)
    end(run)
    (told,) = [event for event in run.history.interventions if event.action == "lr"]
    for event in read_events(run.folder):
        if isinstance(event, Stepped):
            assert event.lr == (0.5 if event.step > told.step else 0.001)


def test_a_hundred_learning_rates_compile_nothing(caplog):
    import jax

    from maasnb.backends import backend_named

    def compiled():
        seen = [record.getMessage() for record in caplog.records]
        names = ("_take_steps", "_take_one_step", "_statistics")
        return [line for line in seen if "ompiling" in line and any(n in line for n in names)]

    run = background(backend_named("jax"), at=30)
    jax.config.update("jax_log_compiles", True)  # in every thread, unlike jax.log_compiles()
    try:
        with caplog.at_level("WARNING"):
            for number in range(1, 101):
                run.set(lr=number / 1e4)
            by_rates = compiled()
            run.set(clip=1.0)  # a step that clips is another one
            at, clipped = run.steps, threading.Event()
            run.subscribe(lambda event, run: clipped.set() if event.step > at else None)
            assert clipped.wait(SOON_S)
            end(run)
    finally:
        jax.config.update("jax_log_compiles", False)
    assert len([1 for action, _, _ in interventions(run) if action == "lr"]) == 100
    assert (by_rates, compiled() != []) == ([], True)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "fast", True, None])
def test_a_learning_rate_that_is_no_positive_number_is_refused(backend, value):
    run = background(backend)
    with pytest.raises(OptionError, match=r"expected a positive number. Type: run.set\(lr=0.001"):
        run.set(lr=value)
    end(run)


def test_clipping_is_set_changed_and_ended(backend):
    run = background(backend, lr=1e-3)
    for clip in (1e-9, 2e-9, None):
        run.set(clip=clip)
        assert run.knobs == {"lr": 1e-3, "clip": clip}
    end(run)
    assert interventions(run)[:3] == [
        ("clip", 1e-9, "python"),
        ("clip", 2e-9, "python"),
        ("clip", None, "python"),
    ]


@pytest.mark.parametrize("value", [0, -1, float("nan"), "tight", True])
def test_a_norm_that_is_no_positive_number_is_refused(backend, value):
    run = background(backend)
    with pytest.raises(OptionError, match=r"clip=.* cannot be used; expected a positive number"):
        run.set(clip=value)
    end(run)


def test_an_unknown_knob_gets_its_nearest_match(backend):
    run = background(backend)
    with pytest.raises(UnknownNameError, match="no knob 'rl'. Did you mean 'lr'"):
        run.set(rl=0.1)
    with pytest.raises(OptionError, match="Nothing is set"):
        run.set()
    end(run)


def test_what_is_asked_of_a_run_that_has_ended_comes_too_late(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=1)
    run.stop()
    for ask in (
        run.pause,
        run.resume,
        run.checkpoint,
        lambda: run.set(lr=1),
        lambda: run.rollback(0),
    ):
        with pytest.raises(TrainingError, match=r"has ended \(finished\), .* too late.*run.fork"):
            ask()


@pytest.mark.coverage("C8")
def test_a_rollback_goes_on_from_a_kept_state(backend):
    run = background(backend)
    step = run.checkpoint()
    run.pause()
    seen = run.history.losses.copy()
    later = run.steps
    back = run.rollback(step)
    assert (back, run.steps, len(run.history.losses)) == (step, step, step)
    reached = threading.Event()
    run.subscribe(lambda event, run: reached.set() if len(run.history.losses) > later else None)
    run.resume()
    assert reached.wait(SOON_S)
    end(run)
    np.testing.assert_array_equal(run.history.losses[:later], seen[:later])


def test_a_rollback_to_a_step_that_is_not_kept_takes_the_one_before(backend):
    run = background(backend)
    step = run.checkpoint()
    run.pause()
    assert step <= run.rollback(step + 1) <= step + 1  # the best validation is kept too
    assert run.rollback(step - 1) < step
    end(run)


@pytest.mark.parametrize("step", [-1, 1.5, "2", True])
def test_a_rollback_to_what_is_no_step_is_refused(backend, step):
    run = background(backend)
    with pytest.raises(OptionError, match="expected a whole number"):
        run.rollback(step)
    end(run)


def test_after_a_rollback_later_checkpoints_are_gone(backend):
    run = background(backend)
    early = run.checkpoint()
    reached = threading.Event()
    run.subscribe(lambda event, run: reached.set() if event.step > early + 5 else None)
    assert reached.wait(SOON_S)
    late = run.checkpoint()
    run.pause()
    run.rollback(early)
    names = {path.stem for path in (run.folder / "checkpoints").glob("*.safetensors")}
    assert str(early) in names
    assert str(late) not in names
    end(run)


@pytest.mark.coverage("C8")
def test_a_fork_goes_on_with_the_same_bits_on_a_model_of_its_own(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=6, batch=8, name="first")
    other = run.fork(0, name="second")
    assert other.model is not run.model
    assert other.origin == {"run": "first", "step": 0}
    assert same_weights(backend, run.model, other.model)
    np.testing.assert_array_equal(run.history.losses, other.history.losses)


def test_a_fork_of_a_run_in_training_takes_its_present_state(backend):
    run = background(backend)
    other = run.fork(lr=0.02, wait=False)
    step = other.origin["step"]
    reached = threading.Event()
    other.subscribe(lambda event, run: reached.set() if event.step > step + 5 else None)
    assert reached.wait(SOON_S)
    end(other)
    assert run.status == "running"
    end(run)
    assert step >= 20
    assert ("fork", step, "python") in interventions(run)
    np.testing.assert_array_equal(run.history.losses[:step], other.history.losses[:step])
    assert other.settings["lr"] == 0.02


def test_a_fork_may_have_another_optimiser_and_takes_over_the_weights_only(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=4, batch=8)
    other = run.fork(optimizer="sgd", epochs=5)
    assert other.steps == 5 * run.steps_per_epoch
    assert other.history.losses[run.steps] < run.history.losses[0]


def test_a_fork_of_a_finished_run_needs_more_epochs(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=2)
    with pytest.raises(OptionError, match=r"no step left to take. Type: run.fork\(epochs=4\)"):
        run.fork()
    with pytest.raises(UnknownNameError, match="no option 'epoch'. Did you mean 'epochs'"):
        run.fork(epoch=3)


def test_a_fork_says_which_state_it_begins_with(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=2, batch=8)
    other = run.fork(4)
    assert other.origin["step"] == 0
    words = [event.message for event in read_events(other.folder) if isinstance(event, Warned)]
    assert words == [
        "It begins with the state after step 0, the newest one kept of at most 4 steps."
    ]


@pytest.mark.coverage("C8")
def test_a_policy_of_a_few_lines_steers_by_the_handle(backend):
    def halve(event, run):
        if isinstance(event, Validated):
            run.set(lr=0.01 / 2**event.epoch)

    data = small_data()
    run = train(network(backend, data), data, epochs=4, batch=8, lr=0.01, on_event=halve)
    rates = {event.lr for event in read_events(run.folder) if isinstance(event, Stepped)}
    assert {0.01, 0.005, 0.0025, 0.00125} <= rates | {0.00125}
    assert ("lr", 0.005, "callback") in interventions(run)
    assert run.status == "finished"


def test_what_a_callback_asks_in_vain_is_a_warning(backend):
    def back(event, run):
        if isinstance(event, Measured) and not run.history.interventions:
            run.rollback(-3)
            run.set(lr=0.1)

    data = small_data()
    run = train(network(backend, data), data, epochs=2, on_event=back)
    words = [event.message for event in read_events(run.folder) if isinstance(event, Warned)]
    assert any("rollback was refused: step=-3 cannot be used" in each for each in words)


def test_a_callback_can_fork_its_run(backend):
    forks = []

    def fork_once(event, run):
        if isinstance(event, Validated) and not forks:
            forks.append(run.fork(lr=0.5, epochs=1))

    data = small_data()
    train(network(backend, data), data, epochs=2, batch=8, on_event=fork_once)
    assert forks[0].wait(SOON_S).status == "finished"


def test_a_callback_of_the_user_that_raises_is_reported_once(backend, capsys):
    data = small_data()
    run = train(network(backend, data), data, epochs=2, on_event=lambda event, run: 1 / 0)
    assert run.status == "finished"
    assert capsys.readouterr().err.count("is called no more") == 1


def test_a_button_never_waits(backend):
    run = background(backend)
    with steering_from("button"):
        assert run.checkpoint() is None
    end(run)
    assert ("checkpoint", None, "button") in interventions(run)


def test_two_runs_at_once_are_steered_each_by_itself(backend):
    one, other = background(backend), background(backend)
    one.pause()
    assert (one.status, other.status) == ("paused", "running")
    end(other)
    end(one)


def test_a_paused_run_can_be_stopped(backend):
    run = background(backend)
    run.pause()
    end(run)
    assert len(run.history.losses) == run.steps


def test_a_second_interrupt_no_longer_waits(backend):
    import _thread

    run = background(backend)
    stuck, asked = threading.Event(), []

    def interrupt_twice(event, run):
        if len(asked) < 1:
            asked.append(1)
            _thread.interrupt_main()
        elif isinstance(event, Intervened) and event.action == "stop":
            _thread.interrupt_main()
            stuck.wait(SOON_S)

    run.subscribe(interrupt_twice)
    with pytest.raises(KeyboardInterrupt):
        run.wait(SOON_S)
    stuck.set()
    assert run.wait(SOON_S).status == "stopped"
    assert interventions(run)[-1] == ("stop", "interrupted", "interrupt")
