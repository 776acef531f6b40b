"""The queue of commands, and what may be set."""

import threading

import pytest

from maasnb.errors import OptionError, TrainingError, UnknownNameError
from maasnb.records.control import Control, checked_knobs, source, steering_from


def test_commands_are_taken_once_and_in_their_order():
    control = Control("net")
    control.ask("pause")
    control.ask("lr", 0.1)
    assert control.waiting
    assert [(each.action, each.value) for each in control.take()] == [("pause", None), ("lr", 0.1)]
    assert control.take() == []
    assert not control.waiting


def test_a_command_wakes_who_waits_for_one():
    control = Control("net")
    woken = threading.Thread(target=control.wait)
    woken.start()
    control.ask("resume")
    woken.join(60)
    assert not woken.is_alive()


def test_a_command_knows_where_it_was_given():
    control = Control("net")
    control.ask("pause")
    with steering_from("magic"):
        control.ask("resume")
        with steering_from("callback"):
            control.ask("stop")
    assert [each.source for each in control.take()] == ["python", "magic", "callback"]
    assert source() == "python"


def test_commands_from_many_threads_are_all_taken():
    control = Control("net")
    threads = [
        threading.Thread(target=lambda: [control.ask("lr", 0.1) for _ in range(100)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(control.take()) == 800


def test_what_was_not_obeyed_at_the_end_is_refused():
    control = Control("net")
    late, stop = control.ask("pause"), control.ask("stop")
    control.end("finished")
    with pytest.raises(TrainingError, match=r"'net' has ended \(finished\), so pause comes too"):
        late.outcome.result(0)
    assert stop.outcome.result(0) is None
    with pytest.raises(TrainingError, match="comes too late"):
        control.ask("checkpoint")


def test_a_number_is_taken_as_it_is_meant():
    assert checked_knobs({"lr": 1}) == {"lr": 1.0}


@pytest.mark.parametrize("value", [0, -0.1, float("inf"), float("nan"), None, "0.1", False])
def test_what_is_no_positive_number_is_refused(value):
    with pytest.raises(OptionError, match="expected a positive number"):
        checked_knobs({"lr": value})


def test_an_unknown_knob_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="no knob 'lrr'. Did you mean 'lr'"):
        checked_knobs({"lrr": 0.1})
