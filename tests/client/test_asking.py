"""Requests as a client sends them: binary data, deadlines, once more, and on an event loop."""

import asyncio
import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import trustme

from maasnb.client.asynchronous import AsyncEndpoint
from maasnb.client.endpoint import Endpoint
from maasnb.client.http import Connection
from maasnb.client.messages import infer_answer, infer_request
from maasnb.client.uploads import upload
from maasnb.errors import (
    AccessError,
    DeadlineError,
    EndpointError,
    OptionError,
    OverloadError,
    RequestError,
    ShapeError,
    UnknownNameError,
)
from maasnb.serve.tokens import workspace_token
from maasnb.serve.wire import decode_infer
from maasnb.tensors import Signature, Tensor
from tests.servers import REPOSITORY, serving
from tests.small_runs import small_artifact, small_run


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The URL and the token of a server that holds version 1 of the model `small`."""
    workspace = tmp_path_factory.mktemp("asking") / "maas"
    with serving(workspace) as url:
        token = workspace_token(workspace)
        connection = Connection(url, token)
        upload(small_artifact(), connection)
        connection.close()
        yield url, token


def examples(count=5):
    return small_run().data.test.x[:count]


def expected(count=5):
    return small_run().predict(examples(count))


# Binary data.


def test_a_server_of_ours_is_asked_with_binary_data_and_answers_the_same_bits(served):
    endpoint = Endpoint.open(*served, "small")
    assert endpoint.connection.speaks_binary
    found = endpoint.predict(examples())
    np.testing.assert_allclose(found, expected(), atol=1e-5)
    endpoint.connection.speaks_binary = False
    np.testing.assert_array_equal(endpoint.predict(examples()), found)


def test_what_the_client_sends_is_what_the_server_reads():
    tensor = Tensor(name="x", datatype="INT64", shape=(-1, 2))
    of = Signature(inputs=(tensor,), outputs=(Tensor(name="y", datatype="FP32", shape=(-1, 1)),))
    array = np.array([[1, -2], [3, 1 << 62]])
    for binary in (True, False):
        content, headers = infer_request(array, tensor, binary=binary)
        size = headers.get("inference-header-content-length")
        read = decode_infer(content, of, int(size) if size else None)
        np.testing.assert_array_equal(read.inputs["x"], array)
        assert read.outputs == {"y": binary}


def test_an_output_is_found_behind_another_one():
    header = json.dumps(
        {
            "outputs": [
                {
                    "name": "a",
                    "datatype": "INT8",
                    "shape": [3],
                    "parameters": {"binary_data_size": 3},
                },
                {
                    "name": "y",
                    "datatype": "FP16",
                    "shape": [1, 2],
                    "parameters": {"binary_data_size": 4},
                },
            ]
        }
    ).encode()
    content = header + b"abc" + np.array([0.5, 2], np.float16).tobytes()
    headers = {"inference-header-content-length": str(len(header))}
    found = infer_answer(content, headers, "y")
    assert (found.tolist(), found.dtype) == ([[0.5, 2.0]], np.float32)
    with pytest.raises(KeyError, match="z"):
        infer_answer(content, headers, "z")
    with pytest.raises(ValueError, match="whole"):
        infer_answer(content[:-1], headers, "y")


# A server that answers what a test says.


class Told(http.server.BaseHTTPRequestHandler):
    """Answer with the next of the server's answers; None closes the connection without a word."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append(f"{self.command} {self.path}")
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        if status is None:
            self.close_connection = True
            return
        body = b'{"error": "as told"}' if status >= 400 else b"{}"
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name):
        if name in ("do_GET", "do_POST"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_):
        pass


@pytest.fixture
def told():
    """A function that starts a server with answers; returns its connection and what it saw."""
    with contextlib.ExitStack() as ends:

        def start(*answers):
            server = ends.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told))
            server.answers, server.seen = list(answers), []
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            ends.callback(thread.join)
            ends.callback(server.shutdown)
            connection = Connection(f"http://127.0.0.1:{server.server_port}")
            ends.callback(connection.close)
            return connection, server.seen

        yield start


INFER = "/v2/models/m/infer"


@pytest.mark.parametrize(
    "first",
    [(None, {}), (429, {"retry-after": "0"}), (503, {})],
    ids=["broken", "busy", "not-ready"],
)
def test_what_can_be_asked_twice_is_asked_once_more(told, first):
    connection, seen = told(first)
    assert connection.get("/v2") == {}
    assert seen == ["GET /v2"] * 2
    connection, seen = told(first)
    assert connection.infer(INFER, b"{}", {}, None)[0] == b"{}"
    assert seen == [f"POST {INFER}"] * 2


@pytest.mark.parametrize("first", [(None, {}), (503, {})], ids=["broken", "not-ready"])
def test_what_must_not_happen_twice_is_not_asked_again(told, first):
    connection, seen = told(first)
    with pytest.raises(EndpointError):
        connection.post("/maas/v1/models/m/versions", {})
    assert len(seen) == 1


def test_a_second_failure_is_told(told):
    connection, seen = told((503, {}), (503, {}), (503, {}))
    with pytest.raises(EndpointError, match="failed with status 503: as told"):
        connection.get("/v2")
    assert len(seen) == 2


def test_a_server_that_wants_a_long_wait_is_not_waited_for(told):
    connection, seen = told((429, {"retry-after": "3600"}))
    with pytest.raises(OverloadError, match="busy: as told") as refused:
        connection.get("/v2")
    assert refused.value.retry_after_s == 3600
    assert len(seen) == 1


def test_nobody_at_the_address_is_told_after_two_tries():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(EndpointError, match="Is the server running"):
        Connection(f"http://127.0.0.1:{port}").get("/v2")


# Deadlines.


def test_a_deadline_is_kept_where_the_server_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = Connection(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DeadlineError, match=r"did not answer POST .* within 0.01 s"):
            connection.infer(INFER, b"{}", {}, 0.01)
        connection.close()


def test_the_server_is_told_the_deadline(served):
    endpoint = Endpoint.open(*served, "small")
    np.testing.assert_allclose(endpoint.predict(examples(), timeout_s=30), expected(), atol=1e-5)
    with pytest.raises(RequestError, match="X-Request-Timeout is '7200'"):
        endpoint.predict(examples(), timeout_s=7200)


# On an event loop.


def test_an_asynchronous_endpoint_answers_as_the_notebook_does(served):
    async def ask():
        async with await AsyncEndpoint.open(*served, "small", version=1) as endpoint:
            assert await endpoint.ready()
            many = await asyncio.gather(*(endpoint.predict(x) for x in examples(40)))
            classes = await endpoint.classify(examples(3), timeout_s=30)
            return np.concatenate(many), classes.tolist()

    found, classes = asyncio.run(ask())
    np.testing.assert_allclose(found, expected(40), atol=1e-5)
    assert classes == [str(each) for each in expected(3).argmax(axis=1)]


def test_an_asynchronous_endpoint_refuses_as_the_other_does(served):
    url, token = served

    async def ask():
        with pytest.raises(UnknownNameError, match="no published model 'smal'"):
            await AsyncEndpoint.open(url, token, "smal")
        async with await AsyncEndpoint.open(url, token, "small") as endpoint:
            with pytest.raises(ShapeError, match="expected"):
                await endpoint.predict(np.zeros((1, 63)))
            endpoint.endpoint.labels = ()
            with pytest.raises(OptionError, match="has no classes"):
                await endpoint.classify(examples())
        with pytest.raises(AccessError):
            await AsyncEndpoint.open(url, "wrong", "small")

    asyncio.run(ask())


def test_an_asynchronous_endpoint_asks_once_more_too(told):
    connection, seen = told((None, {}), (200, {}), (429, {"retry-after": "0"}))

    async def ask():
        asynchronous = connection.asynchronous()
        assert (await asynchronous.infer(INFER, b"{}", {}, None))[0] == b"{}"
        assert await asynchronous.get("/v2") == {}
        await asynchronous.close()

    asyncio.run(ask())
    assert seen == [f"POST {INFER}"] * 2 + ["GET /v2"] * 2


def test_a_server_that_is_gone_is_told_on_an_event_loop_too(served):
    endpoint = Endpoint.open(*served, "small")
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint.connection.url = f"http://127.0.0.1:{free.getsockname()[1]}"

    async def ask():
        async with AsyncEndpoint(endpoint) as asynchronous:
            assert not await asynchronous.ready()
            with pytest.raises(EndpointError, match="Is the server running"):
                await asynchronous.predict(examples())

    asyncio.run(ask())


# What it stands on.


def test_a_certificate_of_ones_own_is_trusted_where_the_environment_names_it(
    tmp_path, workspace, monkeypatch
):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with serving(workspace, "--tls-cert", str(tmp_path / "both.pem")) as url:
        with pytest.raises(EndpointError, match="CERTIFICATE_VERIFY_FAILED"):
            Connection(url).get("/v2/health/live")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert Connection(url).get("/v2/health/live") == {"live": True}


def test_the_client_loads_no_framework_and_no_server():
    code = (
        "import sys, maasnb.client.asynchronous, maasnb.client.endpoint, maasnb.client.retrying\n"
        "heavy = {'torch', 'jax', 'sklearn', 'onnxruntime', 'starlette', 'uvicorn', 'IPython'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
