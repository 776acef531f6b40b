"""What a panel's buttons do to a real run."""

import queue

import pytest

from maasnb.panels.commands import do
from maasnb.records.observing import run_named
from tests.training.steered import SOON_S, background, end, interventions


@pytest.fixture
def answers():
    """Gather answers; `get` waits for one."""

    class Answers(queue.Queue):
        def __call__(self, words, good):
            self.put((words, good))

        def next(self):
            return self.get(timeout=SOON_S)

    return Answers()


def obeyed(run):
    """Return when all that was asked before is done."""
    run.checkpoint()


def test_a_button_is_named_as_the_source(backend, answers):
    run = background(backend)
    do(run, "pause", None, answers)
    do(run, "lr", 0.5, answers)
    do(run, "resume", None, answers)
    obeyed(run)
    do(run, "stop", None, answers)
    assert run.wait(SOON_S).status == "stopped"
    done = [each for each in interventions(run) if each[2] == "button"]
    assert done == [
        ("pause", None, "button"), ("lr", 0.5, "button"), ("resume", None, "button"),
        ("stop", "stopped by hand", "button"),
    ]  # fmt: skip
    assert answers.empty()


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "fast", None, True, [1]])
def test_a_learning_rate_that_is_no_positive_number_is_refused_in_words(backend, answers, value):
    run = background(backend)
    do(run, "lr", value, answers)
    words, good = answers.next()
    assert not good
    assert "expected a positive number. Type: run.set(lr=0.001)" in words
    assert run.status == "running"
    end(run)


def test_a_click_after_the_end_says_what_can_be_done_instead(backend, answers):
    run = background(backend)
    end(run)
    for action in ("pause", "stop", "lr", "checkpoint", "fork"):
        do(run, action, 0.1, answers)
        words, good = answers.next()
        assert not good
        assert "has ended (stopped). To train on from one of its checkpoints type:" in words


def test_an_unknown_button_is_refused(backend, answers):
    run = background(backend)
    do(run, "paus", None, answers)
    assert "Did you mean 'pause'?" in answers.next()[0]
    end(run)


@pytest.mark.parametrize("step", [-1, 2.5, "10", True])
def test_a_roll_back_to_no_step_is_refused(backend, answers, step):
    run = background(backend)
    do(run, "rollback", step, answers)
    assert "is no step; expected a whole number" in answers.next()[0]
    end(run)


def test_a_roll_back_takes_place(backend, answers):
    run = background(backend)
    do(run, "pause", None, answers)
    kept = run.checkpoint()
    do(run, "resume", None, answers)
    do(run, "rollback", kept, answers)
    obeyed(run)
    assert ("rollback", kept, "button") in interventions(run)
    end(run)


def test_a_fork_trains_on_its_own(backend, answers):
    run = background(backend)
    do(run, "fork", None, answers)
    assert answers.next() == ("Forking ...", True)
    words, good = answers.next()
    assert good, words
    fork = run_named(words.split()[0])
    assert f"Type: %maas panel {fork.name}" in words
    assert fork.origin["run"] == run.name
    assert [each[::2] for each in interventions(run)][-1] == ("fork", "button")
    end(fork)
    end(run)
