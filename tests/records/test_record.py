"""A run's folder: names, the log of events, `run.json` and checkpoints."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from maasnb.errors import OptionError, WorkspaceError
from maasnb.events import Ended, Stepped, Warned
from maasnb.records.checkpoints import Mark, write_checkpoint
from maasnb.records.record import read_events, read_summary, runs_folder


def warned(step, words="slow"):
    return Warned(step=step, time=0.0, message=words)


def test_a_run_has_a_folder_of_its_name(begin, workspace):
    record = begin("first-try")
    assert (record.name, record.folder) == ("first-try", workspace / "runs" / "first-try")
    assert record.folder.is_dir()


def test_a_taken_name_gets_a_number(begin):
    assert [begin("net").name for _ in range(3)] == ["net", "net-2", "net-3"]


def test_the_first_free_number_is_taken(begin):
    (runs_folder() / "net").mkdir(parents=True)
    (runs_folder() / "net-3").mkdir()
    assert [begin("net").name for _ in range(2)] == ["net-2", "net-4"]


@pytest.mark.parametrize("name", ["a", "Net_1.5", "9-lives", "x" * 64])
def test_letters_digits_dots_and_dashes_are_a_name(begin, name):
    assert begin(name).name == name


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-x", "../up", "a/b", "a b", "net\n", "é", "x" * 65, 3]
)
def test_what_is_no_name_of_a_folder_is_refused(begin, name):
    with pytest.raises(OptionError, match="cannot be the name of a run.*Type: name='first-try'"):
        begin(name)


def test_the_summary_says_from_the_start_what_the_run_is(begin):
    record = begin(backend="torch")
    summary = read_summary(record.folder)
    assert (summary["name"], summary["pid"], summary["backend"]) == ("net", os.getpid(), "torch")
    assert "status" not in summary


def test_the_end_adds_the_outcome(begin):
    record = begin(backend="torch")
    record.close({"status": "finished", "metrics": {"accuracy": 0.5}})
    summary = read_summary(record.folder)
    assert (summary["backend"], summary["status"]) == ("torch", "finished")
    assert summary["metrics"] == {"accuracy": 0.5}


def test_numbers_that_json_has_not_are_written_as_in_the_events(begin):
    record = begin()
    record.close({"metrics": {"loss": float("nan"), "mae": float("inf")}})
    text = (record.folder / "run.json").read_text()
    metrics = json.loads(text, parse_constant=pytest.fail)["metrics"]
    assert metrics == {"loss": "nan", "mae": "inf"}


def test_events_are_readable_while_the_run_goes_on(begin):
    record = begin()
    for step in range(3):
        record.append(warned(step))
        assert list(read_events(record.folder)) == [warned(done) for done in range(step + 1)]


def test_events_come_back_as_they_were(begin):
    record = begin()
    losses = (0.1, float("inf"), 1e-300)
    events = [
        Stepped(step=3, time=1.5, losses=losses, lr=0.1, samples=96, seconds=0.2),
        warned(3, "naïve → “quoted”\n"),
        Ended(step=3, time=2.0, status="finished"),
    ]
    for event in events:
        record.append(event)
    record.close({})
    assert list(read_events(record.folder)) == events


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_left_out(begin, cut):
    record = begin()
    record.append(warned(1))
    record.append(warned(2, "é"))
    record.close({})
    log = record.folder / "events.jsonl"
    log.write_bytes(log.read_bytes()[: -1 - cut])
    assert list(read_events(record.folder)) == [warned(1)]


def test_a_checkpoint_keeps_names_types_shapes_and_numbers(begin):
    arrays = {
        "weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "count": np.array(7, dtype=np.int32),
        "mask": np.array([True, False]),
    }
    mark = Mark(step=12, log_bytes=0, knobs={"lr": 0.1}, seconds=1.5)
    path = write_checkpoint(begin().folder, mark, arrays, {"jax": "0.10"})
    assert path.parts[-2:] == ("checkpoints", "12.safetensors")
    saved = load_file(path)
    assert {name: array.dtype for name, array in saved.items()} == {
        name: array.dtype for name, array in arrays.items()
    }
    for name, array in arrays.items():
        assert saved[name].shape == array.shape
        np.testing.assert_array_equal(saved[name], array)


def test_a_workspace_that_cannot_be_made_names_the_way_out(begin, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path / "file" / "maas"))
    with pytest.raises(
        WorkspaceError, match="cannot be created .*Type: %env MAASNB_HOME=/a/folder"
    ):
        begin()


def test_a_full_disk_is_said_when_the_folder_is_made(begin, monkeypatch):
    runs_folder().mkdir(parents=True)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maasnb.records.record.writable_folder", lambda path: path)
    monkeypatch.setattr("pathlib.Path.mkdir", full)
    with pytest.raises(WorkspaceError, match=r"cannot be created \(No space left .*Make room"):
        begin()


@pytest.mark.parametrize("content", ["", '{"name": "ne', "[]", "null"])
def test_a_torn_summary_is_an_error_that_names_the_folder(begin, content):
    folder = begin().folder
    (folder / "run.json").write_text(content)
    with pytest.raises(WorkspaceError, match="The run 'net' cannot be read: .* Its folder is '/"):
        read_summary(folder)


def test_a_folder_without_a_summary_is_no_run(tmp_path):
    with pytest.raises(WorkspaceError, match="cannot be read: .*No such file"):
        read_summary(tmp_path)
