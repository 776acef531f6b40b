"""The sidebar's comm in a real kernel: found on the control channel, told while a cell runs."""

import contextlib
import queue
import time

import pytest

from maasnb.panels.sidebar import COMM, PROTOCOL

TIMEOUT_S = 60
LONG = "%maas train net digits --epochs 100000"


class Page:
    """Talk to the sidebar's comm as the extension does."""

    def __init__(self, kernel):
        self.client = kernel.client
        self.subshell = self.control("create_subshell_request")["subshell_id"]

    def control(self, kind, **content):
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"]["status"] == "ok"
                return reply["content"]

    def say(self, **data):
        message = self.client.session.msg("comm_msg", {"comm_id": COMM, "data": data})
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def told(self, kind, when=lambda content: True, within_s=TIMEOUT_S):
        ends = time.monotonic() + within_s
        while True:
            message = self.client.get_iopub_msg(timeout=max(ends - time.monotonic(), 0.01))
            content = message["content"].get("data", {})
            mine = message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == COMM
            if mine and content["type"] == kind and when(content):
                return content

    def hello(self):
        for _ in range(10 * TIMEOUT_S):
            self.say(type="hello", protocol=PROTOCOL, shown=True)
            with contextlib.suppress(queue.Empty):
                return self.told("all", within_s=1)
        raise AssertionError("no answer")

    def reply(self, asked):
        while True:
            reply = self.client.get_shell_msg(timeout=TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == asked:
                return reply["content"]


@pytest.fixture
def page(kernel):
    page = Page(kernel)
    yield page
    page.control("delete_subshell_request", subshell_id=page.subshell)


def test_the_comm_is_found_without_a_message_to_those_who_do_not_ask(kernel, page):
    assert page.control("comm_info_request", target_name=COMM)["comms"] == {
        COMM: {"target_name": COMM}
    }
    ran = kernel.run("%reload_ext maasnb")
    assert ran.of("comm_open") == []


def test_a_run_is_told_and_steered_while_its_cell_blocks(kernel, page):
    asked = page.client.execute(LONG, store_history=False)
    page.hello()
    name = page.told("part", lambda told: told["runs"])["runs"][0]["name"]
    page.told("part", lambda told: told["runs"] and told["runs"][0]["step"] > 50)
    page.say(type="command", run=name, action="pause")
    page.told("part", lambda told: told["runs"] and told["runs"][0]["status"] == "paused")
    page.say(type="command", run=name, action="stop")
    page.told("part", lambda told: told["runs"] and told["runs"][0]["status"] == "stopped")
    assert page.reply(asked)["status"] == "ok"


def test_models_are_told_when_the_cell_that_made_them_has_ended(kernel, page):
    page.hello()
    asked = page.client.execute("import maasnb as mb\nother = mb.build([mb.Dense(2)], data=digits)")
    told = page.told("part", lambda told: len(told.get("models", [])) == 2)
    page.reply(asked)
    assert told["models"][1] == {
        "name": "other", "type": "Sequential", "backend": "torch", "parameters": 64 * 2 + 2,
    }  # fmt: skip


def test_the_panel_of_a_run_is_told_over_the_same_comm(kernel, page):
    asked = page.client.execute("%maas train net digits --epochs 1 --name told")
    page.reply(asked)
    hello = {"type": "hello", "protocol": 1, "page": "a", "request": 1}
    page.say(type="panel", run="told", content=hello)
    told = page.told("panel", lambda told: told["content"]["type"] == "reset")
    assert told["run"] == told["content"]["run"]["name"] == "told"


def test_runs_are_compared_by_their_losses_and_in_what_they_differ(kernel, page):
    for name, lr in (("one", 0.001), ("two", 0.01)):
        asked = page.client.execute(f"%maas train net digits --epochs 1 --lr {lr} --name {name}")
        page.reply(asked)
    page.say(type="compare", runs=["one", "two"])
    told = page.told("comparison")
    runs = told["runs"]
    assert told["different"] == {"lr": ["0.001", "0.01"]}
    assert [run["name"] for run in runs] == ["one", "two"]
    assert all(run["count"] == len(run["curve"]) > 0 for run in runs)
