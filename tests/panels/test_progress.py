"""The line of progress, and where it can be shown."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from maasnb.events import Stepped
from maasnb.panels import progress
from maasnb.panels.progress import progress_line, watch


def make_run(steps=138, status="running"):
    return SimpleNamespace(
        name="digits-torch",
        status=status,
        steps=steps,
        total_steps=450,
        steps_per_epoch=45,
        epochs=10,
        metrics={"loss": 0.3, "accuracy": 0.96},
        task=SimpleNamespace(metrics=("accuracy",)),
        data=SimpleNamespace(name="digits"),
        backend=SimpleNamespace(name="torch"),
        history=SimpleNamespace(losses=np.array([0.2]), measured=[], validated=[]),
        subscribe=lambda callback: None,
    )


def stepped(step):
    return Stepped(step=step, time=0.0, losses=(0.2143,), lr=0.1, samples=32, seconds=0.01)


def test_the_line_says_where_the_run_is():
    assert progress_line(make_run(), 0.2143, 412.0) == (
        "digits-torch  ████░░░░░░░░░░░░  epoch 4/10  step 138/450  loss 0.21  "
        "validation accuracy 0.96  410 steps/s  1 s left"
    )


def test_a_line_at_the_start_guesses_nothing():
    line = progress_line(make_run(steps=0))
    assert "left" not in line
    assert "epoch 1/10  step 0/450" in line


def test_the_last_step_is_not_an_epoch_too_many():
    assert "epoch 10/10  step 450/450" in progress_line(make_run(steps=450))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (7300, "2 h 1 min")],
)
def test_a_duration_is_written_as_people_say_it(seconds, text):
    assert progress._duration(seconds) == text


def test_a_plain_script_has_no_progress(monkeypatch):
    monkeypatch.setattr(progress, "_shell", lambda: None)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert progress.place() == "nowhere"
    subscribed = []
    watch(SimpleNamespace(subscribe=subscribed.append))
    assert subscribed == []


def test_a_terminal_rewrites_one_line_and_leaves_the_twin():
    stream = io.StringIO()
    view = progress._TerminalView(make_run(), stream)
    view.take(stepped(138), make_run())
    view.end(make_run(steps=450, status="finished"))
    before, line, twin = stream.getvalue().split("\r\x1b[2K")
    assert before == ""
    assert line.startswith("digits-torch  ████")
    assert twin.startswith("Run on digits (torch): finished, 10 epochs, 450 steps\n")


def test_the_line_is_rewritten_at_most_five_times_a_second(monkeypatch):
    stream = io.StringIO()
    view = progress._TerminalView(make_run(), stream)
    for tick in range(100):
        monkeypatch.setattr("time.monotonic", lambda tick=tick: 50 + tick / 100)
        view.take(stepped(tick), make_run(steps=tick))
    assert stream.getvalue().count("\r") == 5


def test_without_matplotlib_the_words_remain(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "maasnb.panels.pictures", None)
    assert set(progress.final_bundle(make_run(status="finished"))) == {"text/plain"}


def test_attaching_twice_shows_a_run_once():
    from maasnb.records import observing

    before = len(observing._observers)
    progress.attach()
    progress.attach()
    assert len(observing._observers) == before + 1
    progress.detach()
    assert len(observing._observers) == before
