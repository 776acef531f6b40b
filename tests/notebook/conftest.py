"""A real kernel, spoken to as a front end does."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """Hold what a cell answered: its reply, and every message on iopub until it was idle."""

    reply: dict[str, Any]
    messages: list[dict[str, Any]]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [each["content"] for each in self.messages if each["msg_type"] in kinds]

    @property
    def text(self) -> str:
        return "".join(each["text"] for each in self.of("stream"))


class Kernel:
    """Run cells in a kernel."""

    def __init__(self, client, manager):
        self.client = client
        self.interrupt = manager.interrupt_kernel

    def run(self, cell: str, until: Callable[[dict[str, Any]], bool] | None = None) -> Ran:
        """Run a cell; with `until`, go on reading messages of any cell until it holds for one."""
        asked = self.client.execute(cell, store_history=False)
        messages, idle, done = [], False, until is None
        while not (idle and done):
            message = self.client.get_iopub_msg(timeout=TIMEOUT_S)
            mine = message["parent_header"].get("msg_id") == asked
            state = message["content"].get("execution_state")
            idle = idle or (mine and message["msg_type"] == "status" and state == "idle")
            done = done or (until is not None and until(message))
            if message["msg_type"] not in ("status", "execute_input") and (mine or until):
                messages.append({**message, "mine": mine})
        while True:
            reply = self.client.get_shell_msg(timeout=TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == asked:
                return Ran(reply=reply["content"], messages=messages)

    def complete(self, cell: str) -> list[str]:
        """Return the cells that completion at the end would make."""
        reply = self.client.complete(cell, reply=True, timeout=TIMEOUT_S)["content"]
        return [cell[: reply["cursor_start"]] + each for each in reply["matches"]]

    def inspect(self, cell: str) -> str | None:
        """Return what inspection at the end of a cell tells; None for nothing."""
        reply = self.client.inspect(cell, reply=True, timeout=TIMEOUT_S)["content"]
        return reply["data"]["text/plain"] if reply["found"] else None


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """Return what starts a kernel with more environment variables; end all of them afterwards."""
    managers = []

    def start(**environment: str) -> Kernel:
        manager = KernelManager(kernel_name="python3")
        folder = tmp_path_factory.mktemp("kernel")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        given = {
            "IPYTHONDIR": str(folder / "ipython"),
            "MAASNB_HOME": str(folder / "maas"),
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": path,
        }
        outside = {name: value for name, value in os.environ.items() if name != "MAASNB_PANEL"}
        manager.start_kernel(env={**outside, **given, **environment}, cwd=str(folder))
        managers.append(manager)
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT_S)
        return Kernel(client, manager)

    yield start
    for manager in managers:
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(kernels):
    """Return a kernel with the extension, data and a model."""
    kernel = kernels()
    kernel.run("%load_ext maasnb")
    kernel.run("%maas data digits")
    kernel.run('%%maas build net\nDense(16, "relu")\nDense(10)')
    return kernel
