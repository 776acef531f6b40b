import concurrent.futures
import json
import socket
import types

import httpx
import numpy as np
import pytest

from maasnb.artifacts.blobs import bytes_from_arrays, digest_of
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token
from tests.servers import serving
from tests.small_runs import small_artifact, small_run


@pytest.fixture(scope="module")
def served_workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("served") / "maas"


@pytest.fixture(scope="module")
def server(served_workspace):
    """The URL of a server that holds version 1 of the model `small`."""
    with serving(served_workspace, "--runtimes", "onnx,stablehlo") as url:
        connection = Connection(url, workspace_token(served_workspace))
        upload(small_artifact(), connection)
        connection.close()
        yield url


@pytest.fixture
def http(server, served_workspace):
    """A plain HTTP client of the server, with its token."""
    headers = {"authorization": f"Bearer {workspace_token(served_workspace)}"}
    with httpx.Client(base_url=server, headers=headers, timeout=60) as client:
        yield client


def body(rows=1, **changes):
    x = small_run().data.test.x[:rows]
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}
    return {"inputs": [{**tensor, **changes}]}


def test_health_needs_no_token_and_says_it_twice(server, http):
    http.headers.pop("authorization")
    live, ready = http.get("/v2/health/live"), http.get("/v2/health/ready")
    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()) == (200, {"ready": True})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2"),
        ("GET", "/v2/models/small"),
        ("GET", "/v2/models/small/ready"),
        ("POST", "/v2/models/small/infer"),
        ("GET", "/maas/v1/models"),
        ("PUT", "/maas/v1/blobs/" + "0" * 64),
        ("POST", "/maas/v1/models/small/versions"),
        ("GET", "/nowhere"),
    ],
)
@pytest.mark.parametrize("token", [None, "Bearer wrong", "Basic abc", "Bearer", "Bearer \xe9"])
def test_everything_else_needs_the_token(http, method, path, token):
    http.headers.pop("authorization")
    headers = {} if token is None else {"authorization": token.encode("latin-1")}
    answer = http.request(method, path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "expected the header 'Authorization: Bearer" in answer.json()["error"]


def test_the_server_says_what_it_is(http):
    assert http.get("/v2").json()["name"] == "maasnb"


def test_a_model_says_what_it_takes_and_returns(http):
    found = http.get("/v2/models/small").json()
    assert found["name"] == "small"
    assert found["versions"] == ["1"]
    assert found["platform"] == "onnx_onnxv1"
    assert found["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 64]}]
    assert found["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]
    assert found["parameters"]["labels"] == [str(digit) for digit in range(10)]
    assert http.get("/v2/models/small/versions/1").json() == found
    assert http.get("/v2/models/small/ready").json() == {"name": "small", "ready": True}
    assert http.get("/v2/models/small/versions/1/ready").status_code == 200


@pytest.mark.parametrize("path", ["small", "small/versions/1"])
@pytest.mark.parametrize("rows", [1, 2, 3, 64])
def test_an_answer_is_that_of_the_notebook(http, path, rows):
    answer = http.post(f"/v2/models/{path}/infer", json={**body(rows), "id": "mine"})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["model_name"], found["model_version"], found["id"]) == ("small", "1", "mine")
    (output,) = found["outputs"]
    values = np.array(output["data"], np.float32).reshape(output["shape"])
    expected = small_run().predict(small_run().data.test.x[:rows])
    np.testing.assert_allclose(values, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "image"}, "expected exactly 'x'"),
        ({"datatype": "INT64"}, "expected 'FP32'"),
        ({"shape": [1, 63]}, "expected [n, 64]"),
        ({"shape": [10**12, 64]}, "has 64 numbers"),
        ({"data": [None] * 64}, "expected numbers"),
    ],
)
def test_a_request_with_a_wrong_name_type_or_shape_is_refused(http, changes, words):
    answer = http.post("/v2/models/small/infer", json=body(**changes))
    assert answer.status_code == 400
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["smal/infer", "smal", "smal/ready", "../small/infer", "%2e%2e/infer"]
)
def test_an_unknown_model_is_named_with_the_nearest(http, path):
    method = "POST" if path.endswith("infer") else "GET"
    answer = http.request(method, f"/v2/models/{path}", json=body())
    assert answer.status_code == 404
    assert "There is no" in answer.json()["error"]


@pytest.mark.parametrize("version", ["2", "0", "-1", "x", "9" * 30, "1.0", "%20"])
def test_an_unknown_version_is_refused(http, version):
    for method, path in [("POST", "/infer"), ("GET", "")]:
        answer = http.request(method, f"/v2/models/small/versions/{version}{path}", json=body())
        assert answer.status_code == 404, answer.text
        assert "Known: 1." in answer.json()["error"]


def test_an_unknown_route_or_method_is_refused_in_words(http):
    for method, path, status in [("GET", "/nowhere", 404), ("PATCH", "/v2/models/small", 405)]:
        answer = http.request(method, path)
        assert answer.status_code == status
        assert "There is no route" in answer.json()["error"]


def test_a_header_that_lies_about_the_binary_data_is_refused_in_words(http):
    for size, words in [("10", "not JSON"), ("99", "says 99 bytes of JSON"), ("x", "is 'x'")]:
        headers = {"inference-header-content-length": size}
        answer = http.post("/v2/models/small/infer", content=b"x" * 20, headers=headers)
        assert answer.status_code == 400
        assert words in answer.json()["error"]


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e9", "soon", ""])
def test_a_timeout_that_is_none_is_refused_in_words(http, value):
    answer = http.post("/v2/models/small/infer", json=body(), headers={"x-request-timeout": value})
    assert answer.status_code == 400
    assert "X-Request-Timeout" in answer.json()["error"]


def test_much_json_is_refused_where_the_same_as_binary_data_is_not(http):
    body = b" " * ((16 << 20) + 1)
    assert http.post("/v2/models/small/infer", content=body).status_code == 413
    headers = {"inference-header-content-length": "2"}
    assert http.post("/v2/models/small/infer", content=body, headers=headers).status_code == 400


def test_a_body_that_says_it_is_huge_is_refused_before_it_is_read(server, http):
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(
            b"POST /v2/models/small/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999\r\n"
            b"Authorization: " + http.headers["authorization"].encode() + b"\r\n\r\n{"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_sender_that_goes_away_leaves_the_server_as_it_was(server, http):
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(
            b"POST /v2/models/small/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n"
            b"Authorization: " + http.headers["authorization"].encode() + b"\r\n\r\n{"
        )
    assert http.post("/v2/models/small/infer", json=body()).status_code == 200


def raw(http, head, content, path="/v2/models/small/infer", version="1.1"):
    """Return a request as it is on the wire."""
    token = http.headers["authorization"]
    return (
        f"POST {path} HTTP/{version}\r\nHost: x\r\nAuthorization: {token}\r\n{head}\r\n\r\n"
    ).encode() + content


@pytest.fixture
def line(server):
    """A connection, to be written to and read from as a file."""
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        with connection.makefile("rwb", buffering=0) as sent, connection.makefile("rb") as found:
            yield types.SimpleNamespace(send=sent.write, find=found)


def answer_on(line):
    """Return the next answer on a connection: its status, whether it is the last, its JSON."""
    _, status, _ = line.find.readline().split(maxsplit=2)
    head = dict(each.split(b": ", 1) for each in iter(line.find.readline, b"\r\n"))
    content = line.find.read(int(head[b"content-length"]))
    return int(status), head.get(b"connection") == b"close\r\n", json.loads(content)


def test_requests_sent_without_waiting_are_answered_in_their_order(http, line):
    whole = json.dumps({**body(), "id": "first"}).encode()
    wrong = json.dumps(body(shape=[1, 63])).encode()
    late = json.dumps({**body(2), "id": "last"}).encode()
    sent = [raw(http, f"Content-Length: {len(each)}", each) for each in (whole, wrong, late)]
    live = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    line.send(sent[0] + live + sent[1] + sent[2][:-10])
    line.send(sent[2][-10:])
    answers = [answer_on(line) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 400, 200]
    assert [found.get("id") for _, _, found in answers] == ["first", None, None, "last"]


@pytest.mark.parametrize(
    ("head", "version", "closes"),
    [
        ("Content-Length: {size}", "1.1", False),
        ("Content-Length: {size}\r\nConnection: close", "1.1", True),
        ("Content-Length: {size}", "1.0", True),
        ("Transfer-Encoding: chunked", "1.1", False),
    ],
    ids=["as-usual", "the-last", "old", "in-chunks"],
)
def test_a_request_is_answered_however_it_is_sent(http, line, head, version, closes):
    content = json.dumps({**body(), "id": "mine"}).encode()
    head = head.format(size=len(content))
    if "chunked" in head:
        content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    line.send(raw(http, head, content, version=version))
    status, closing, found = answer_on(line)
    assert (status, closing, found["id"]) == (200, closes, "mine")


def test_a_sender_who_asks_first_is_told_to_go_on(http, line):
    content = json.dumps(body()).encode()
    line.send(raw(http, f"Content-Length: {len(content)}\r\nExpect: 100-continue", b""))
    assert [line.find.readline() for _ in range(2)] == [b"HTTP/1.1 100 Continue\r\n", b"\r\n"]
    line.send(content)
    assert answer_on(line)[0] == 200


def test_requests_at_the_same_time_get_their_own_answers(http):
    x = small_run().data.test.x[:32]
    expected = small_run().predict(x)

    def ask(row):
        data = x[row].tolist()
        answer = http.post("/v2/models/small/infer", json=body(data=data)).json()
        return answer["outputs"][0]["data"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(len(x))))
    np.testing.assert_allclose(np.array(answers, np.float32), expected, atol=1e-5)


def test_a_blob_is_stored_once_and_only_under_its_digest(http):
    content = b"some bytes"
    path = f"/maas/v1/blobs/{digest_of(content)}"
    assert http.head(path).status_code == 404
    assert http.put(path, content=content).status_code == 201
    assert http.head(path).status_code == 200
    assert http.put(path, content=content).json()["created"] is False
    wrong = http.put("/maas/v1/blobs/" + "0" * 64, content=content)
    assert wrong.status_code == 422
    assert "have the digest" in wrong.json()["error"]
    assert http.put("/maas/v1/blobs/..%2f..%2ftoken", content=content).status_code in (404, 422)


def test_the_models_are_listed(http):
    models = {each["name"]: each for each in http.get("/maas/v1/models").json()["models"]}
    assert models["small"]["versions"] == ["1"]


def manifest_of(http, name="crafted", **blobs):
    """Store an artifact with some blobs replaced and return its manifest as JSON data."""
    artifact = small_artifact()
    data = artifact.manifest.to_json()
    data["name"] = name
    contents = dict(artifact.blobs)
    for part, content in blobs.items():
        place = data["programs"][0] if part == "program" else data[part]
        place.update(digest=digest_of(content), size_bytes=len(content))
        contents[digest_of(content)] = content
    for digest, content in contents.items():
        assert http.put(f"/maas/v1/blobs/{digest}", content=content).status_code < 300
    return data


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("program", b"\x80\x04\x95junk", "cannot be read as ONNX"),
        ("golden", b"junk", "are not safetensors"),
        ("golden", bytes_from_arrays({"x": np.zeros((1, 64), np.float32)}), "do not fit"),
        (
            "golden",
            bytes_from_arrays(
                {
                    "x": np.zeros((1, 64), np.float32),
                    "probabilities": np.full((1, 10), 0.9, np.float32),
                }
            ),
            "does not answer as the notebook did",
        ),
    ],
    ids=["junk-program", "junk-golden", "golden-without-outputs", "golden-of-another-model"],
)
def test_an_artifact_that_does_not_hold_what_it_says_makes_no_version(http, part, content, words):
    answer = http.post(
        "/maas/v1/models/crafted/versions", json=manifest_of(http, **{part: content})
    )
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert http.get("/v2/models/crafted").status_code == 404


def test_a_recipe_that_does_not_fit_makes_no_version(http):
    data = manifest_of(http)
    data["recipe"] = [{"step": "standardize", "mean": [0.0], "scale": [1.0]}]
    answer = http.post("/maas/v1/models/crafted/versions", json=data)
    assert answer.status_code == 422
    assert "fails on its own golden examples" in answer.json()["error"]


def test_a_manifest_without_its_blobs_is_refused(http):
    data = small_artifact().manifest.to_json()
    data["weights"]["digest"] = "1" * 64
    answer = http.post("/maas/v1/models/small/versions", json=data)
    assert answer.status_code == 422
    assert "is not in the registry" in answer.json()["error"]


def test_a_manifest_for_another_name_than_the_path_is_refused(http):
    answer = http.post("/maas/v1/models/other/versions", json=small_artifact().manifest.to_json())
    assert answer.status_code == 400
    assert "expected one" in answer.json()["error"]


def test_a_version_is_created_once(http):
    data = manifest_of(http, name="once")
    first = http.post("/maas/v1/models/once/versions", json=data)
    again = http.post("/maas/v1/models/once/versions", json=data)
    assert (first.status_code, first.json()) == (
        201,
        {"name": "once", "version": 1, "created": True},
    )
    assert (again.status_code, again.json()) == (
        200,
        {"name": "once", "version": 1, "created": False},
    )
