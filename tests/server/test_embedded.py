import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from typing import ClassVar

import pytest

from maasnb.client.http import Connection
from maasnb.errors import EndpointError, WorkspaceError
from maasnb.serve import embedded
from maasnb.serve.embedded import ensure_server, live_server, stop_server
from maasnb.serve.tokens import workspace_token
from tests.servers import REPOSITORY


@pytest.fixture
def home(workspace):
    yield workspace
    stop_server(workspace)


def process_of(workspace):
    return json.loads((workspace / "server.json").read_text())["pid"]


def await_end(pid):
    """Wait until a process that may be no child of ours is gone."""
    for _ in range(3000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if is_zombie(pid):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"the process {pid} still runs")


def is_zombie(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    return False


def test_the_first_need_starts_a_server_and_the_next_finds_it(home):
    first = ensure_server(home)
    assert first.url.startswith("http://127.0.0.1:")
    assert first.token == workspace_token(home)
    assert first.token not in repr(first)
    assert Connection(first.url).get("/v2/health/live") == {"live": True}
    assert ensure_server(home) == first == live_server(home)


def test_a_server_that_is_told_to_end_leaves_no_process_and_no_address(home):
    ensure_server(home)
    pid = process_of(home)
    stop_server(home)
    await_end(pid)
    assert not (home / "server.json").exists()
    assert live_server(home) is None


def test_a_server_that_was_killed_is_replaced(home):
    ensure_server(home)
    pid = process_of(home)
    os.kill(pid, signal.SIGKILL)
    await_end(pid)
    again = ensure_server(home)
    assert process_of(home) != pid
    assert Connection(again.url).get("/v2/health/live") == {"live": True}


@pytest.mark.parametrize("end", ["return", "raise", "kill", "exit", "fork and kill"])
def test_the_server_ends_with_the_process_that_started_it_however_that_ends(workspace, end):
    ways = {
        "return": "",
        "raise": "raise ValueError",
        "kill": "os.kill(os.getpid(), 9)",
        "exit": "os._exit(3)",
        # A worker that was forked holds the writing end of the pipe and lives on.
        "fork and kill": "os.fork() or (sys.stdin.read(), os._exit(0)); os.kill(os.getpid(), 9)",
    }
    script = (
        "import os, pathlib, sys\n"
        "from maasnb.serve.embedded import ensure_server\n"
        "ensure_server(pathlib.Path(sys.argv[1]))\n"
        "print(open(sys.argv[1] + '/server.json').read(), flush=True)\n" + ways[end]
    )
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(workspace)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    pid = json.loads(child.stdout.readline())["pid"]
    child.wait(60)
    await_end(pid)
    child.stdin.close()
    child.stdout.close()


def test_an_interrupt_of_the_kernel_does_not_reach_the_server(home):
    ensure_server(home)
    assert os.getpgid(process_of(home)) != os.getpgid(0)


class Stranger(http.server.BaseHTTPRequestHandler):
    seen: ClassVar[list[str]] = []

    def do_GET(self):
        self.seen.append(f"{self.path} {self.headers}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"live": true, "proof": "0000"}')

    def log_message(self, *_):
        pass


def test_a_stranger_on_the_port_never_sees_the_token(home):
    token = workspace_token(home)
    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{stranger.server_port}"
        (home / "server.json").write_text(json.dumps({"url": url, "pid": 1}))
        assert ensure_server(home).url != url
        stranger.shutdown()
        thread.join()
    assert Stranger.seen
    assert not any(token in seen for seen in Stranger.seen)


@pytest.mark.parametrize("content", ["", "[]", '{"url": 3}', '{"url": "file:///etc/passwd"}', "\0"])
def test_a_spoilt_address_file_is_no_server(home, content):
    home.mkdir()
    (home / "server.json").write_text(content)
    assert live_server(home) is None


def test_a_server_that_cannot_start_shows_its_log(home, monkeypatch):
    monkeypatch.setattr(embedded, "FORMATS", ("onnx", "pickle"))
    with pytest.raises(EndpointError, match=r"(?s)did not start.*no runtime 'pickle'"):
        ensure_server(home)


def test_a_workspace_that_cannot_be_written_is_said_so(home):
    home.write_text("a file where the folder should be")
    with pytest.raises(WorkspaceError, match="MAASNB_HOME"):
        ensure_server(home)
    home.unlink()
