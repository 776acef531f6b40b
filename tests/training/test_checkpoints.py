"""What a run keeps on the disk, and what happens when the disk does not take it."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from safetensors import safe_open

from maasnb.datasets.loading import data as make_data
from maasnb.errors import OptionError, WorkspaceError
from maasnb.events import Validated, Warned
from maasnb.records.checkpoints import checkpoint_steps, read_checkpoint
from maasnb.records.record import read_events, read_summary
from maasnb.training import train
from tests.training.steered import SOON_S, background, end, network, small_data


def warnings_of(run):
    return [event.message for event in read_events(run.folder) if isinstance(event, Warned)]


def until(run, step):
    reached = threading.Event()
    run.subscribe(lambda event, run: reached.set() if event.step >= step else None)
    assert reached.wait(SOON_S)


def test_checkpoints_are_written_at_the_steps_that_were_asked_for(backend):
    x = np.random.default_rng(0).normal(size=(72, 4))
    data = make_data(x, x.argmax(1) % 3, split=(1, 0, 0))  # no validation, so none is the best
    run = train(network(backend, data), data, epochs=5, batch=8, checkpoint_steps=17)
    assert checkpoint_steps(run.folder) == [0, 17, 34, 45]


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "often"])
def test_steps_between_checkpoints_are_a_whole_number(backend, steps):
    data = small_data()
    with pytest.raises(OptionError, match="checkpoint_steps=.* expected a whole number"):
        train(network(backend, data), data, checkpoint_steps=steps)


def test_the_first_and_the_last_state_are_always_kept(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=3, batch=8)
    steps = checkpoint_steps(run.folder)
    assert {steps[0], steps[-1]} == {0, run.total_steps}
    final = read_checkpoint(run.folder, run.total_steps)
    kept = {array.tobytes() for array in final.arrays.values()}
    assert all(weight.tobytes() in kept for weight in backend.weights(run.model).values())
    assert final.mark.step == run.total_steps


def test_a_checkpoint_says_what_it_is_a_state_of(backend):
    data = small_data()
    run = train(network(backend, data), data, epochs=1)
    path = run.folder / "checkpoints" / f"{run.steps}.safetensors"
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["step"]) == run.steps
    assert json.loads(metadata["knobs"]) == {"lr": 0.001, "clip": None}
    assert metadata["data"] == data.fingerprint
    assert metadata["mode"] == run.settings["mode"]
    assert metadata[backend.name] == backend.version()


def test_the_newest_three_the_best_and_the_first_stay(backend):
    run = background(backend)
    for _ in range(6):
        run.checkpoint()
        until(run, run.steps + 10)
    end(run)
    steps = checkpoint_steps(run.folder)
    validated = [event for event in read_events(run.folder) if isinstance(event, Validated)]
    best = min(validated, key=lambda event: event.metrics["loss"]).step
    assert steps[0] == 0
    assert best in steps
    assert steps[-1] == run.steps
    assert len(steps) <= 5


def test_checkpoints_are_written_by_time(backend):
    run = background(backend, checkpoint_s=0.01)
    seen = set()
    while len(seen) < 4:
        until(run, run.steps + 5)
        seen |= set(checkpoint_steps(run.folder))
    end(run)


def test_checkpoints_change_no_bit(backend):
    data = small_data()
    runs = [
        train(network(backend, data), data, epochs=5, batch=8, checkpoint_s=each)
        for each in (0.001, 1000)
    ]
    np.testing.assert_array_equal(runs[0].history.losses, runs[1].history.losses)


def test_a_folder_that_cannot_be_written_is_said_once_and_training_goes_on(backend, capsys):
    run = background(backend, at=5)
    last = run.checkpoint()
    folder = run.folder / "checkpoints"
    folder.rename(run.folder / "aside")
    folder.write_text("no folder")
    for _ in range(2):
        with pytest.raises(WorkspaceError):
            run.checkpoint()
    step = run.steps
    until(run, step + 20)
    assert run.status == "running"
    end(run)
    (words,) = [each for each in warnings_of(run) if each.startswith("A checkpoint could not")]
    assert "training goes on" in words
    assert (run.folder / "aside" / f"{last}.safetensors").exists()


def test_a_full_disk_leaves_the_last_good_checkpoint(backend, monkeypatch):
    run = background(backend, at=5)
    good = run.checkpoint()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("maasnb.records.checkpoints.save_file", full)
        until(run, good + 5)
        with pytest.raises(WorkspaceError, match=f"last good one: step {good}.*No space left"):
            run.checkpoint()
    assert read_checkpoint(run.folder, good).mark.step == good
    assert run.checkpoint() > good
    end(run)


def test_a_log_that_cannot_be_written_loses_no_line(backend, monkeypatch, capsys):
    import os

    data, write, failing = small_data(), os.write, []

    def full(file, content):
        if failing:
            raise OSError(28, "No space left on device")
        return write(file, content)

    def policy(event, run):
        if isinstance(event, Validated):
            (failing.append if event.epoch in (2, 3) else lambda _: failing.clear())(1)

    monkeypatch.setattr(os, "write", full)
    run = train(network(backend, data), data, epochs=6, batch=8, on_event=policy)
    epochs = [event.epoch for event in read_events(run.folder) if isinstance(event, Validated)]
    assert epochs == [1, 2, 3, 4, 5, 6]
    assert capsys.readouterr().err.count("cannot be written (No space left on device)") == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "often", True])
def test_an_interval_that_is_no_positive_number_is_refused(backend, seconds):
    data = small_data()
    with pytest.raises(OptionError, match="expected a positive number of seconds"):
        train(network(backend, data), data, checkpoint_s=seconds)


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty"])
def test_a_damaged_checkpoint_is_noticed(backend, harm):
    data = small_data()
    run = train(network(backend, data), data, epochs=1)
    path = run.folder / "checkpoints" / f"{run.steps}.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes({"truncate": content[:-9], "flip": content, "empty": b""}[harm])
    with pytest.raises(WorkspaceError, match="(cannot be read|checksum does not fit)"):
        read_checkpoint(run.folder, run.steps)


def test_a_run_in_the_background_is_stopped_and_kept_when_the_interpreter_ends(backend, workspace):
    code = (
        "import sys; from maasnb.backends import backend_named\n"
        "from tests.training.steered import background\n"
        "background(backend_named(sys.argv[1]), name='long')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, backend.name], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    summary = read_summary(workspace / "runs" / "long")
    assert (summary["status"], summary["reason"]) == ("stopped", "the kernel ended")
    assert checkpoint_steps(workspace / "runs" / "long")[-1] == summary["steps"]
