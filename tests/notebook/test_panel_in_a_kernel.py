"""The live panel in a real kernel, spoken to as JupyterLab does: in a subshell."""

import contextlib
import queue
import time

import pytest

from maasnb.panels.training import PROTOCOL

TIMEOUT_S = 60
VIEW = "application/vnd.jupyter.widget-view+json"
LONG = "%maas train net digits --epochs 100000"


class FrontEnd:
    """Start a cell, and talk to the panel that it opens."""

    def __init__(self, kernel, cell):
        self.client = kernel.client
        self.subshell = self.ask_control("create_subshell_request")["subshell_id"]
        self.seen = []
        self.asked = self.client.execute(cell, store_history=False)
        opened = self.wait(lambda each: each["msg_type"] == "comm_open" and self.is_panel(each))
        self.comm = opened["content"]["comm_id"]

    @staticmethod
    def is_panel(message):
        return "_esm" in message["content"]["data"].get("state", {})

    def ask_control(self, kind, **content):
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"]["status"] == "ok"
                return reply["content"]

    def wait(self, wanted, within_s=TIMEOUT_S):
        """Return the next message on iopub for which `wanted` holds."""
        ends = time.monotonic() + within_s
        while True:
            message = self.client.get_iopub_msg(timeout=max(ends - time.monotonic(), 0.01))
            self.seen.append(message)
            if wanted(message):
                return message

    def say(self, subshell=True, **content):
        data = {"comm_id": self.comm, "data": {"method": "custom", "content": content}}
        message = self.client.session.msg("comm_msg", data)
        if subshell:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def hello(self, page="a", **where):
        """Say hello, and again until the kernel answers, as a page does; return the reset frame."""
        for _ in range(10 * TIMEOUT_S):
            self.say(type="hello", protocol=PROTOCOL, page=page, request=1, **where)
            with contextlib.suppress(queue.Empty):
                return self.told("reset", within_s=0.5)
        raise AssertionError([each["msg_type"] for each in self.seen])

    def told(self, kind, when=lambda content: True, within_s=TIMEOUT_S):
        """Return the next frame of a kind."""

        def fits(message):
            content = message["content"].get("data", {}).get("content", {})
            mine = message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == self.comm
            return mine and content.get("type") == kind and when(content)

        message = self.wait(fits, within_s)
        return message["content"]["data"]["content"], message["buffers"]

    def shown(self, wanted):
        """Return the next change of the cell's output that holds a kind of data."""
        message = self.wait(
            lambda each: (
                each["msg_type"] == "update_display_data" and wanted in each["content"]["data"]
            )
        )
        return message["content"]["data"]

    def stop(self):
        """Press stop; return the cell's reply."""
        self.say(type="command", action="stop")
        return self.reply()

    def reply(self):
        while True:
            reply = self.client.get_shell_msg(timeout=TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == self.asked:
                self.ask_control("delete_subshell_request", subshell_id=self.subshell)
                return reply["content"]


def test_the_panel_answers_while_its_cell_runs(kernel):
    """Guard the mend in `panels/training.py`: without it, ipykernel 7.4 answers after the cell."""
    page = FrontEnd(kernel, LONG)
    content, buffers = page.hello()
    assert content["run"]["name"].startswith("digits-torch")
    assert len(buffers) == 2
    page.told("append")
    # By now the kernel has published on the comm from its main shell and from the training thread.
    page.say(type="command", action="lr", value=0.25)
    content, _ = page.told("append", lambda each: "interventions" in each)
    assert content["interventions"][0][1:] == ["lr", 0.25, "button"]
    assert page.stop()["status"] == "ok"
    assert kernel.run("print(run.status, run.stop_reason)").text == "stopped stopped by hand\n"


def test_the_panel_takes_the_place_of_the_line_and_a_picture_that_of_the_panel(kernel):
    page = FrontEnd(kernel, LONG)
    page.hello()
    live = page.shown(VIEW)
    assert "%maas panel digits-torch" in live["text/plain"]
    assert "█" not in live["text/plain"]  # a bar would stand still in a saved notebook
    page.told("append")
    page.stop()
    last = page.shown("image/png")
    assert set(last) == {"image/png", "text/plain"}


def test_the_line_goes_on_where_no_front_end_answers(kernel):
    ran = kernel.run("%maas train net digits --epochs 60")
    assert [each for each in ran.messages if VIEW in each["content"].get("data", {})] == []


@pytest.mark.parametrize(
    ("given", "before", "host"),
    [
        ({"VSCODE_PID": "1"}, "", "VS Code"),
        ({}, "import sys, types; sys.modules['google.colab'] = types.ModuleType('colab')", "Colab"),
    ],
    ids=["VS Code", "Colab"],
)
def test_where_controls_wait_for_the_cell_the_line_says_what_works(kernels, given, before, host):
    kernel = kernels(**given)
    kernel.run(f"%load_ext maasnb\n{before}")
    kernel.run("%maas data digits")
    kernel.run("%%maas build net\nDense(10)")
    ran = kernel.run("%maas train net digits --epochs 100")
    lines = [each["data"]["text/plain"] for each in ran.of("update_display_data")]
    assert any(f"(in {host} the panel appears with --bg" in line for line in lines)
    assert any("interrupting the kernel stops the run)" in line for line in lines)
    assert host not in lines[-1]


def test_pause_and_resume_while_the_cell_runs(kernel):
    page = FrontEnd(kernel, LONG)
    page.hello()
    page.say(type="command", action="pause")
    paused, _ = page.told("append", lambda each: each["now"]["status"] == "paused")
    page.say(type="command", action="resume")
    page.told("append", lambda each: each["count"] > paused["count"])
    page.stop()


def test_a_page_that_is_loaded_again_gets_the_whole_history(kernel):
    page = FrontEnd(kernel, LONG)
    page.hello("first")
    before, _ = page.told("append", lambda each: each["count"] > 100)
    content, buffers = page.hello("second")
    assert content["count"] >= before["count"]
    assert len(buffers[0]) == 12 * -(-content["count"] // content["width"])
    page.told("append")
    page.stop()


def test_a_background_run_can_be_steered_while_another_cell_runs(kernel):
    page = FrontEnd(kernel, LONG + " --bg")
    page.reply()
    page.subshell = page.ask_control("create_subshell_request")["subshell_id"]
    page.asked = page.client.execute("run.wait().status")
    page.hello()
    assert page.stop()["status"] == "ok"


def test_a_front_end_without_subshells_is_told_so(kernel):
    page = FrontEnd(kernel, LONG + " --bg")
    page.reply()
    page.hello(subshell=False)
    assert page.told("front end")[0]["free"] is False
    kernel.run("run.stop()\nrun.wait();")


def test_a_front_end_that_knows_a_widget_only_when_it_is_shown_gets_it_after_the_cell(kernel):
    page = FrontEnd(kernel, LONG + " --bg")
    page.reply()
    assert "text/plain" in page.shown(VIEW)
    kernel.run("run.stop()\nrun.wait();")


def test_a_click_after_the_end_of_the_run_is_answered(kernel):
    page = FrontEnd(kernel, LONG)
    page.hello("first")
    page.hello("second")  # such a page keeps its panel: it cannot be told of the picture
    page.stop()
    page.say(subshell=False, type="command", action="pause")
    content, _ = page.told("answer")
    assert "has ended (stopped)" in content["words"]


def test_without_anywidget_the_line_says_what_to_install(kernels):
    kernel = kernels()
    kernel.run("import sys; sys.modules['anywidget'] = None\n%load_ext maasnb")
    kernel.run(
        "%maas data digits;\nimport maasnb as mb; net = mb.build([mb.Dense(10)], data=digits)"
    )
    ran = kernel.run("%maas train net digits --epochs 60")
    lines = [each["data"]["text/plain"] for each in ran.of("update_display_data")]
    assert any(line.endswith("(for the live panel: pip install anywidget)") for line in lines)
    assert "image/png" in ran.of("update_display_data")[-1]["data"]


def test_a_panel_that_breaks_is_reported_once_and_the_training_goes_on(kernels):
    kernel = kernels()
    kernel.run("%load_ext maasnb\n%maas data digits;")
    kernel.run("import maasnb as mb; net = mb.build([mb.Dense(10)], data=digits)")
    kernel.run(
        "from maasnb.panels.feed import Feed\n"
        "def broken(self): raise RuntimeError('a broken panel')\n"
        "Feed._append = broken"
    )
    page = FrontEnd(kernel, "run = mb.train(net, digits, epochs=400)")
    page.hello()
    assert page.reply()["status"] == "ok"
    page.shown("image/png")
    assert kernel.run("print(run.status)").text == "finished\n"
    words = [each["content"]["text"] for each in page.seen if each["msg_type"] == "stream"]
    assert "".join(words).count("a broken panel") == 1
