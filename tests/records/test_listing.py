"""`mb.runs`: the runs of a workspace."""

import os
import subprocess
import sys

import pytest

from maasnb.records.listing import runs
from maasnb.records.record import runs_folder


@pytest.fixture
def ended_pid():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def statuses():
    return {row.name: row.status for row in runs().rows}


def test_a_new_workspace_says_how_to_make_a_run():
    assert len(runs()) == 0
    assert str(runs()) == "There are no runs in this workspace yet. Type: %maas train net data"


def test_looking_makes_no_folder(workspace):
    runs()
    assert not workspace.exists()


def test_the_newest_run_comes_first(begin):
    for name, created in (("middle", 2.0), ("new", 3.0), ("old", 1.0)):
        begin(name, created=created)
    assert [row.name for row in runs().rows] == ["new", "middle", "old"]


def test_a_row_says_what_the_run_was_and_what_came_of_it(begin):
    record = begin(backend="jax", model="Stack", data={"name": "digits"})
    record.close({"status": "stopped", "steps": 40, "seconds": 1.5, "metrics": {"accuracy": 0.9}})
    (row,) = runs().rows
    assert (row.backend, row.model, row.data) == ("jax", "Stack", "digits")
    assert (row.status, row.steps, row.seconds) == ("stopped", 40, 1.5)
    assert row.metrics == {"accuracy": 0.9}


def test_a_run_of_this_process_without_an_outcome_is_running(begin):
    begin()
    assert statuses() == {"net": "running"}


def test_a_run_whose_process_is_gone_is_lost(begin, ended_pid):
    begin(pid=ended_pid)
    assert statuses() == {"net": "lost"}


def test_a_run_that_ended_keeps_its_status_when_its_process_is_gone(begin, ended_pid):
    begin(pid=ended_pid).close({"status": "finished"})
    assert statuses() == {"net": "finished"}


@pytest.mark.parametrize("pid", [None, "many", 10**30])
def test_a_run_without_a_process_is_lost(begin, pid):
    begin(pid=pid)
    assert statuses() == {"net": "lost"}


def test_a_run_of_another_user_is_running(begin, monkeypatch):
    def refuse(pid, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    begin()
    assert statuses() == {"net": "running"}


@pytest.mark.parametrize(
    "content",
    [
        '{"name": "torn", "cre',
        "[]",
        '{"created": "yesterday"}',
        '{"metrics": 3}',
        '{"data": "digits"}',
        '{"steps": null}',
    ],
)
def test_a_strange_folder_does_not_hide_the_others(begin, content):
    begin()
    strange = runs_folder() / "strange"
    strange.mkdir()
    (strange / "run.json").write_text(content)
    (runs_folder() / "a-file").write_text("")
    assert [row.name for row in runs().rows] == ["net"]


def test_a_run_of_a_later_version_is_listed(begin):
    begin(schema=99, unheard={"of": 1}).close({"status": "finished"})
    assert statuses() == {"net": "finished"}


def test_metrics_that_json_has_not_come_back_as_numbers(begin):
    begin().close({"status": "diverged", "metrics": {"loss": float("inf")}})
    assert runs().rows[0].metrics == {"loss": float("inf")}


def test_the_table_is_aligned_text(begin):
    begin(backend="torch", data={"name": "digits"}, created=0).close(
        {"status": "finished", "steps": 450, "seconds": 1.26, "metrics": {"accuracy": 0.97222}}
    )
    begin("a-longer-name", created=1.0)
    head, first, second = str(runs()).splitlines()
    assert head.split() == [
        "run", "status", "started", "backend", "data", "steps", "seconds", "validation",
    ]  # fmt: skip
    assert first.index("running") == second.index("finished") == head.index("status")
    assert second.endswith("torch    digits  450    1.3      accuracy 0.9722")
