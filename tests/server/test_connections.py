"""Slow, idle and rude clients, against a real server with limits that a test can wait for."""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest
import uvicorn

from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve import answers
from maasnb.serve.app import Application
from maasnb.serve.connections import Guard, Limits, Server
from maasnb.serve.infer import Express
from maasnb.serve.services import open_services
from maasnb.serve.tokens import workspace_token
from tests.servers import REPOSITORY
from tests.small_runs import small_artifact, small_run

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.contextmanager
def running(workspace, **limits):
    """Run a server in a thread; yield its port and its guard."""
    services = open_services(workspace, ("onnx",))
    guard = Guard(services.readiness, Limits(look_s=0.02, **limits), Express(services))
    config = uvicorn.Config(
        Application(services), http=guard.protocol(), lifespan="off", log_level="critical"
    )
    server = Server(config, guard, 0.0)
    listening = socket.create_server(("127.0.0.1", 0))

    async def serve():
        watch = asyncio.create_task(guard.watch())
        await server.serve(sockets=[listening])
        watch.cancel()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield listening.getsockname()[1], guard
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
    assert not thread.is_alive()


def line_to(port):
    return contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=30))


def answer_of(line):
    """Return the status and the JSON of the answer; None where the connection was closed."""
    head, _, body = b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")
    return (int(head.split()[1]), json.loads(body)) if head else None


def alive(port):
    return httpx.get(f"http://127.0.0.1:{port}/v2/health/live").json() == {"live": True}


def test_a_connection_that_sends_nothing_is_closed_without_a_word(workspace):
    with running(workspace, head_s=0.05) as (port, _), line_to(port) as line:
        assert answer_of(line) is None
        assert alive(port)


@pytest.mark.parametrize("sent", [GET[:9], GET[:-2], GET[:-2] + b"X: y\r\n" * 9])
def test_a_head_that_does_not_end_is_refused(workspace, sent):
    with running(workspace, head_s=0.05) as (port, _), line_to(port) as line:
        line.sendall(sent)
        status, said = answer_of(line)
        assert (status, "did not come whole" in said["error"]) == (408, True)
        assert alive(port)


def test_empty_lines_do_not_keep_a_connection(workspace):
    with running(workspace, head_s=0.05, body_s=0.05) as (port, _), line_to(port) as line:
        line.sendall(GET)
        said = b""
        while not said.endswith(b'{"live":true}'):
            said += line.recv(65536)
        line.sendall(b"\r\n")
        assert answer_of(line) is None


def test_a_body_of_one_byte_now_and_then_is_refused(workspace):
    with running(workspace, body_s=0.2) as (port, _), line_to(port) as line:
        token = workspace_token(workspace).encode()
        line.sendall(
            b"POST /v2/models/small/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
            b"Authorization: Bearer " + token + b"\r\n\r\n"
        )
        refused = threading.Event()
        slow = threading.Thread(target=drip, args=(line, refused))
        slow.start()
        status, said = answer_of(line)
        refused.set()
        slow.join(60)
        assert (status, "did not come whole" in said["error"]) == (408, True)
        assert alive(port)


def test_bodies_that_come_slowly_hold_only_so_much_memory_together(workspace, monkeypatch):
    monkeypatch.setattr(answers, "MOST_READ_BYTES", 300_000)
    head = (
        b"POST /v2/models/small/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        b"Authorization: Bearer " + workspace_token(workspace).encode() + b"\r\n\r\n"
    )
    with running(workspace, body_s=60.0) as (port, _), contextlib.ExitStack() as lines:
        holds = [lines.enter_context(line_to(port)) for _ in range(3)]
        for line in holds:
            line.sendall(head + b" " * 140_000)
        ready, _, _ = select.select(holds, [], [], 30)
        said = ready[0].recv(65536)
        assert said.startswith(b"HTTP/1.1 429")
        assert b"retry-after: 1\r\n" in said
        assert alive(port)


def drip(line, end):
    with contextlib.suppress(OSError):
        while not end.wait(0.02):
            line.sendall(b" ")


def test_a_large_head_is_refused(workspace):
    with running(workspace, head_bytes=1000) as (port, _), line_to(port) as line:
        line.sendall(GET[:-2] + b"X-Long: " + b"y" * 2000)
        status, said = answer_of(line)
        assert (status, said["error"]) == (431, "The head of the request has more than 1000 bytes.")


def test_what_is_no_http_is_refused_in_json(workspace):
    with running(workspace) as (port, _), line_to(port) as line:
        line.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        status, said = answer_of(line)
        assert (status, "Expected HTTP/1.1" in said["error"]) == (400, True)


def test_of_too_many_connections_the_idle_ones_go_and_a_new_one_is_answered(workspace):
    with running(workspace, connections=20, head_s=60.0) as (port, guard):
        idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(100)]
        assert alive(port)
        assert len(guard.connections) <= 20
        for line in idle:
            line.close()
        assert alive(port)


def test_the_head_of_an_answer_comes_with_its_body(workspace):
    with running(workspace) as (port, _), line_to(port) as line:
        for _ in range(3):
            line.sendall(GET)
            assert line.recv(65536).endswith(b'{"live":true}')


def test_thousands_of_idle_connections_keep_nobody_from_an_answer(workspace):
    resource = pytest.importorskip("resource", reason="no limit of open files to raise here")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = min(3000, hard - 500) if hard != resource.RLIM_INFINITY else 3000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 500), hard))
    child, url = start(workspace)
    port = httpx.URL(url).port
    with contextlib.ExitStack() as idle:
        try:
            for number in range(many):
                line = idle.enter_context(line_to(port))
                if number % 2:
                    line.sendall(b"GET /v2/health/live HTTP/1.1\r\n")
            assert many >= 1000
            for _ in range(20):
                assert alive(port)
        finally:
            child.send_signal(signal.SIGTERM)
            idle.close()
            status = ended(child)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert status == 0


def test_a_client_that_reads_nothing_is_let_go(workspace):
    with running(workspace, unread_s=0.1) as (port, guard), socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(30)
        line.connect(("127.0.0.1", port))
        # Each refusal repeats 200 letters of the path; together they fill every buffer on the way.
        request = b"GET /" + b"x" * 300 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(100_000):
                line.sendall(request)
        for _ in range(3000):
            if not guard.connections:
                break
            threading.Event().wait(0.01)
        assert not guard.connections
        assert alive(port)


def start(workspace, *options):
    command = [sys.executable, "-m", "maasnb", "serve", "--port", "0", "--workspace"]
    child = subprocess.Popen(
        [*command, str(workspace), *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = [child.stdout.readline().decode().split() for _ in range(2)]
    assert said[0], child.stderr.read().decode()
    return child, said[0][-1]


def ended(child):
    """Return the exit status, and leave nothing open."""
    try:
        return child.wait(60)
    finally:
        child.kill()
        child.stdout.close()
        child.stderr.close()


def test_at_sigterm_a_server_says_so_answers_on_and_fails_nobody(workspace):
    child, url = start(workspace, "--drain", "1.5")
    token = workspace_token(workspace)
    connection = Connection(url, token)
    upload(small_artifact(), connection)
    connection.close()
    x = small_run().data.test.x[:1]
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 64], "data": x.ravel().tolist()}
    headers = {"authorization": f"Bearer {token}"}
    told, statuses = [], []

    def load():
        """Send requests until the server asks for the connection to be closed."""
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            while True:
                answer = client.post("/v2/models/small/infer", json={"inputs": [tensor]})
                statuses.append(answer.status_code)
                if answer.headers.get("connection") == "close":
                    told.append(client.get("/v2/health/ready").status_code)
                    return

    senders = [threading.Thread(target=load) for _ in range(4)]
    for sender in senders:
        sender.start()
    while len(statuses) < 20:
        threading.Event().wait(0.005)
    os.kill(child.pid, signal.SIGTERM)
    for sender in senders:
        sender.join(60)
    assert ended(child) == 0
    assert set(statuses) == {200}
    assert told == [503] * 4
    assert not (workspace / "server.json").exists()


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_ctrl_c_or_a_second_signal_ends_a_server_at_once(workspace, signals):
    child, url = start(workspace, "--drain", "3000")
    for each in signals[:-1]:
        os.kill(child.pid, each)
        while httpx.get(f"{url}/v2/health/ready").status_code != 503:
            threading.Event().wait(0.005)
    os.kill(child.pid, signals[-1])
    assert ended(child) == 0


def test_a_request_that_is_being_answered_at_the_end_is_answered(workspace):
    with running(workspace) as (port, guard), line_to(port) as line:
        guard.readiness.draining = True
        line.sendall(GET)
        said = b"".join(iter(lambda: line.recv(65536), b""))
        assert said.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in said
