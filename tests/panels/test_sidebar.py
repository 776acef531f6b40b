"""The kernel's half of the sidebar, spoken to as a page does."""

import json
import queue
import socket

import numpy as np
import pytest

from maasnb.client.endpoint import Endpoint
from maasnb.client.http import Connection
from maasnb.events import Ended, Stepped, Validated
from maasnb.panels import sidebar
from maasnb.panels.overview import MOST_POINTS, Workspace, curve_of, models_in, run_row
from maasnb.panels.sidebar import PROTOCOL, Sidebar
from maasnb.panels.watching import endpoint_row
from maasnb.records.record import Record
from tests.panels.watched import Watched

TIMEOUT_S = 30


class Page:
    """Hold a sidebar and what its pages were sent."""

    def __init__(self, names=None):
        self.frames = queue.Queue()
        self.sidebar = Sidebar({} if names is None else names, self.frames.put)

    def say(self, **message):
        self.sidebar.hear(message)

    def hello(self):
        self.say(type="hello", protocol=PROTOCOL, shown=False)
        return self.told("all")

    def told(self, kind, when=lambda content: True):
        while True:
            content = self.frames.get(timeout=TIMEOUT_S).content
            if content["type"] == kind and when(content):
                return content


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path))
    page = Page()
    yield page
    page.sidebar.close()


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Return a run that the sidebar finds by its name."""
    watched = Watched(tmp_path)
    callbacks = []
    watched.run.subscribe = callbacks.append

    def tell(event):
        watched.tell(event)
        for each in callbacks:
            each(event, watched.run)

    watched.happens = tell
    monkeypatch.setattr(sidebar, "run_named", lambda name: {watched.run.name: watched.run}[name])
    monkeypatch.setattr(sidebar, "findings", lambda run: ())
    return watched


def stepped(step, *losses):
    return Stepped(step=step, time=0.0, losses=losses, lr=0.1, samples=32, seconds=0.1)


def record(name, created, log=b"", **outcome):
    summary = {
        "created": created, "backend": "torch", "model": "Net", "data": {"name": "digits"},
        "task": {}, **outcome,
    }  # fmt: skip
    made = Record(name, summary, log)
    made.close({"steps": 7, "seconds": 2.0, "status": "finished", **outcome})


def test_a_page_that_says_hello_is_told_everything(page):
    told = page.hello()
    assert (told["protocol"], told["runs"], told["total"]) == (PROTOCOL, [], 0)
    assert set(told) >= {"models", "endpoints", "devices", "memory", "workspace", "version"}


@pytest.mark.parametrize("protocol", [0, PROTOCOL + 1, None])
def test_a_page_of_another_protocol_is_told_which_one_and_nothing_else(page, protocol):
    page.say(type="hello", protocol=protocol)
    told = page.told("refusal")
    assert told["protocol"] == PROTOCOL
    assert told["version"]


def test_an_event_is_told_as_the_row_of_its_run_alone(page, watched):
    page.sidebar.watch(watched.run)
    number = page.hello()["number"]
    watched.happens(stepped(2, 4.0, 2.0))
    told = page.told("part")
    (row,) = told["runs"]
    assert told["number"] == number + 1
    assert (row["name"], row["step"], row["loss"]) == (watched.run.name, 2, 2.0)
    assert row["curve"] == [4.0, 2.0]
    assert "models" not in told


def test_a_page_is_told_sentences_in_its_language_and_the_record_keeps_english(page, watched):
    page.sidebar.watch(watched.run)
    page.say(type="hello", protocol=PROTOCOL, language="zh-CN")
    page.told("all")
    watched.run.status = "stopped"
    watched.happens(Ended(step=1, time=0.0, status="stopped", reason="stopped by hand"))
    (row,) = page.told("part", lambda told: told["runs"])["runs"]
    assert (row["status"], row["reason"]) == ("stopped", "手动停止")
    assert watched.feed.ended.reason == "stopped by hand"
    page.say(type="dance")
    assert page.told("answer")["words"] == "这个页面比内核旧或新：请重新加载页面。"


def test_a_run_that_ended_in_its_own_cell_is_told_from_one_in_the_background(page, watched):
    for late in (False, True):
        page.sidebar.watch(watched.run)
        if late:
            page.sidebar.cell_ended()
        watched.happens(Ended(step=1, time=0.0, status="stopped", reason=""))
        (row,) = page.hello()["runs"]
        assert row["in_cell"] is not late


def test_an_end_does_not_wait_for_the_next_turn_and_a_step_does(page, watched, monkeypatch):
    monkeypatch.setattr(sidebar, "INTERVAL_S", 1000)
    page.hello()
    page.sidebar.watch(watched.run)
    page.told("part", lambda told: told["runs"])
    watched.happens(stepped(2, 4.0, 2.0))
    watched.run.status = "stopped"
    watched.happens(Ended(step=2, time=0.0, status="stopped", reason=""))
    (row,) = page.told("part", lambda told: told["runs"])["runs"]
    assert (row["step"], row["status"]) == (2, "stopped")


def test_many_events_between_two_frames_become_one(page, watched):
    page.sidebar.watch(watched.run)
    page.hello()
    for step in range(1, 501):
        watched.happens(stepped(step, 1.0))
    frames = 1
    while page.told("part")["runs"][0]["step"] < 500:
        frames += 1
    assert frames < 50


def test_nothing_is_sent_before_a_page_has_asked(page, watched):
    page.sidebar.watch(watched.run)
    watched.happens(stepped(1, 1.0))
    page.sidebar.cell_ended()
    assert page.frames.empty()


def test_a_serious_finding_is_told_with_the_row_of_a_run_that_ended(page, watched, monkeypatch):
    from maasnb.study.reports import Finding

    found = Finding(kind="diverged", severity="bad", words="It blew up.", evidence="", remedy="")
    monkeypatch.setattr(sidebar, "findings", lambda run: (found,))
    page.sidebar.watch(watched.run)
    page.hello()
    watched.run.status = "diverged"
    watched.happens(Ended(step=1, time=0.0, status="diverged", reason="infinite"))
    told = page.told("part", lambda content: content["runs"][0]["status"] == "diverged")
    assert told["runs"][0]["alarm"] == "infinite loss. It blew up."


def test_the_best_value_of_the_first_metric_is_shown(watched):
    for step, accuracy in ((1, 0.5), (2, 0.9), (3, 0.7)):
        metrics = {"accuracy": accuracy, "loss": 1.0}
        watched.tell(Validated(step=step, time=0.0, epoch=step, metrics=metrics))
    assert run_row(watched.run)["best"] == ["accuracy", 0.9]


def test_of_errors_the_lowest_is_the_best(tmp_path):
    from types import SimpleNamespace

    watched = Watched(tmp_path, task=SimpleNamespace(metrics=("mae",)))
    for step, mae in ((1, 3.0), (2, 1.0), (3, 2.0)):
        watched.tell(Validated(step=step, time=0.0, epoch=step, metrics={"mae": mae}))
    assert run_row(watched.run)["best"] == ["mae", 1.0]


def test_a_curve_is_the_means_of_equal_parts_with_gaps_where_nothing_is_finite():
    assert curve_of(np.array([1.0, 3.0])) == [1.0, 3.0]
    assert curve_of(np.array([1.0, np.inf])) == [1.0, None]
    long = curve_of(np.arange(1000.0))
    assert len(long) <= MOST_POINTS
    assert long[0] == np.mean(np.arange(32))


def test_a_row_is_valid_json_whatever_the_losses_are(watched):
    watched.tell(stepped(3, 1.0, float("nan"), float("inf")))
    assert json.loads(json.dumps(run_row(watched.run), allow_nan=False))["loss"] is None


def test_runs_of_the_workspace_come_newest_first_with_their_losses(page):
    log = json.dumps({"event": "stepped", "step": 2, "time": 0, "losses": [2.0, 1.0], "lr": 0.1,
                      "samples": 2, "seconds": 0.1}).encode() + b"\n"  # fmt: skip
    record("old", 1.0, log, metrics={"accuracy": 0.5})
    record("new", 2.0)
    told = page.hello()
    assert [row["name"] for row in told["runs"]] == ["new", "old"]
    old = told["runs"][1]
    assert (old["curve"], old["best"], old["here"]) == ([2.0, 1.0], ["accuracy", 0.5], False)


def test_a_torn_record_is_left_out(page, tmp_path):
    record("whole", 1.0)
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "run.json").write_text('{"schema": 1, "na')
    assert [row["name"] for row in page.hello()["runs"]] == ["whole"]


def test_a_record_that_did_not_change_is_not_read_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path))
    log = b'{"event":"stepped","step":1,"time":0,"losses":[5.0],"lr":1,"samples":1,"seconds":1}\n'
    record("one", 1.0, log)
    workspace = Workspace()
    workspace.rows(())
    from maasnb.panels import overview

    monkeypatch.setattr(overview, "read_events", lambda folder: pytest.fail("it was read again"))
    rows, total = workspace.rows(())
    assert (rows[0]["curve"], total) == ([5.0], 1)


def test_models_of_both_frameworks_are_counted_once(backend):
    from maasnb.building import build
    from maasnb.layers import Dense, Input

    net = build([Input(4), Dense(3, "relu"), Dense(2)], backend=backend.name)
    rows = models_in({"net": net, "same": net, "_hidden": net, "number": 7, "kind": type(net)})
    (row,) = rows
    assert (row["name"], row["backend"]) == ("net", backend.name)
    assert row["parameters"] == 4 * 3 + 3 + 3 * 2 + 2


@pytest.mark.parametrize("message", [None, 7, "hello", {"type": "dance"}, {}])
def test_what_is_no_message_is_answered_in_words(page, message):
    page.sidebar.hear(message)
    told = page.told("answer")
    assert told["good"] is False
    assert told["words"] == "This page is older or newer than the kernel: load it again."


def test_a_command_for_a_run_that_is_not_here_is_answered_in_words(page):
    page.say(type="command", run="nobody", action="pause")
    assert page.told("answer")["words"].startswith("There is no run in this kernel 'nobody'")


def test_an_endpoint_that_is_gone_from_the_notebook_is_answered_in_words(page):
    page.say(type="endpoint", variable="endpoint", action="promote", version=1)
    words = page.told("answer")["words"]
    assert words == "There is no endpoint 'endpoint' in this notebook any more."


def test_a_server_that_does_not_answer_is_told_as_not_ready():
    metadata = {
        "name": "net", "versions": ["1"], "platform": "onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connection = Connection(f"http://127.0.0.1:{port}")
    row = endpoint_row("endpoint", Endpoint(connection, "net", version=1, metadata=metadata))
    assert (row["ready"], row["requests_s"], row["versions"]) == (False, None, [])
    assert row["curl"].startswith("curl -sS ")
