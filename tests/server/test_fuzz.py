"""Whatever is sent is understood or refused in words: no other exception, no status 5xx.

Bytes are made from good ones by cutting, doubling and changing, because random bytes do not come
past the first check. The last tests ask a real server on every route that it has.
"""

import json
import socket
import struct
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maasnb.artifacts.manifest import Manifest
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import AccessError, ArtifactError, RequestError
from maasnb.runtimes.graphs import GraphFacts, read_graph
from maasnb.serve.access import Access
from maasnb.serve.routes import make_router
from maasnb.serve.services import open_services
from maasnb.serve.tokens import workspace_token
from maasnb.serve.wire import decode_infer, encode_infer
from maasnb.tensors import DATATYPES, Signature, Tensor, packed
from tests.server.hostile import endless, onnx_program
from tests.servers import serving
from tests.small_runs import small_artifact

NUMBERS = [name for name in DATATYPES if name != "BYTES"]
SPARSE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def signature(datatype, inner=(3,)):
    return Signature(
        inputs=(Tensor(name="x", datatype=datatype, shape=(-1, *inner)),),
        outputs=(Tensor(name="values", datatype="FP32", shape=(-1, 2)),),
    )


@st.composite
def mutated(draw, good):
    """Return good bytes with some pieces cut, doubled, moved or changed."""
    content = bytearray(draw(good))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        kind = draw(st.sampled_from(["cut", "double", "change", "bit", "number", "swap"]))
        piece = bytes(content[start:end])
        if kind == "cut":
            del content[start:end]
        elif kind == "double":
            content[start:start] = piece * draw(st.sampled_from([1, 2, 100]))
        elif kind == "change":
            content[start:end] = draw(st.binary(max_size=12))
        elif kind == "bit" and start < len(content):
            content[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == "number":
            texts = [
                b"-1",
                b"1e999",
                b"0.5",
                b"99999999999999999999",
                b"null",
                b'"x"',
                b"[]",
                b"{}",
            ]
            content[start:end] = draw(st.sampled_from(texts))
        else:
            content += piece
            del content[start:end]
    return bytes(content)


@st.composite
def tensors(draw, datatypes=tuple(NUMBERS)):
    """Return a datatype and finite numbers of it, [n, 3]."""
    datatype = draw(st.sampled_from(datatypes))
    dtype = DATATYPES[datatype]
    count = 3 * draw(st.integers(1, 4))
    if dtype.kind == "b":
        elements = st.booleans()
    elif dtype.kind in "iu":
        info = np.iinfo(dtype)
        elements = st.integers(int(info.min), int(info.max))
    else:
        width = 8 * dtype.itemsize
        elements = st.floats(width=width, allow_nan=False, allow_infinity=False)
    values = draw(st.lists(elements, min_size=count, max_size=count))
    return datatype, np.array(values, dtype).reshape(-1, 3)


def as_json(datatype, array, **fields):
    told = {"name": "x", "datatype": datatype, "shape": list(array.shape), **fields}
    return {"id": "a", "inputs": [told], "outputs": [{"name": "values"}]}


def body_of(case):
    datatype, array = case
    return json.dumps(as_json(datatype, array, data=array.tolist())).encode()


@given(tensors())
def test_numbers_come_through_json_to_the_last_bit(case):
    datatype, array = case
    found = decode_infer(body_of(case), signature(datatype))
    assert found.inputs["x"].dtype == array.dtype
    assert found.inputs["x"].tobytes() == array.tobytes()


@given(tensors())
def test_numbers_come_through_binary_data_to_the_last_bit(case):
    datatype, array = case
    content = array.tobytes()
    told = as_json(datatype, array, parameters={"binary_data_size": len(content)})
    header = json.dumps(told).encode()
    found = decode_infer(header + content, signature(datatype), len(header))
    assert found.inputs["x"].dtype == array.dtype
    assert found.inputs["x"].tobytes() == content


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(TEXT, min_size=1, max_size=5), st.booleans())
def test_texts_come_through_both_ways(texts, binary):
    array = np.array(texts, dtype=object)
    told = as_json("BYTES", array)
    content = packed(array) if binary else b""
    if binary:
        told["inputs"][0]["parameters"] = {"binary_data_size": len(content)}
    else:
        told["inputs"][0]["data"] = texts
    header = json.dumps(told).encode()
    found = decode_infer(header + content, signature("BYTES", ()), len(header) if binary else None)
    assert found.inputs["x"].tolist() == texts


@given(tensors(("FP32",)), st.booleans())
def test_an_answer_is_read_back_as_it_was(case, binary):
    _, array = case
    wanted = as_json("FP32", array, data=array.tolist())
    wanted["outputs"][0]["parameters"] = {"binary_data": binary}
    request = decode_infer(json.dumps(wanted).encode(), signature("FP32"))
    message = encode_infer("m", 1, request, {"values": array})
    (output,) = json.loads(message.body[: message.header_size])["outputs"]
    values = message.body[message.header_size :] if binary else None
    found = np.frombuffer(values, np.float32) if binary else np.array(output["data"], np.float32)
    assert found.reshape(output["shape"]).tobytes() == array.tobytes()


def outcome(function, *arguments):
    """Return what a function returns and no words, or nothing and the words of its refusal."""
    try:
        return function(*arguments), ""
    except (ArtifactError, RequestError) as refused:
        return None, str(refused)


def assert_sound(body, of, header=None):
    """Decode a body; it is a request that fits, or it is refused with what was expected."""
    found, words = outcome(decode_infer, body, of, header)
    assert found or "expected" in words
    if not found:
        return
    array = found.inputs["x"]
    assert array.shape == (found.rows, 3)
    assert array.dtype == of.inputs[0].dtype
    assert array.dtype.kind != "f" or np.isfinite(array).all()
    assert set(found.outputs) <= {"values"}


@settings(max_examples=400)
@given(tensors().flatmap(lambda case: st.tuples(st.just(case[0]), mutated(st.just(body_of(case))))))
@example(("FP32", b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1e999,1,1]}]}'))
@example(("FP64", b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1,3],"data":[1e999,1,1]}]}'))
@example(("FP16", b'{"inputs":[{"name":"x","datatype":"FP16","shape":[1,3],"data":[65520,1,1]}]}'))
def test_a_spoilt_request_is_refused_or_still_fits(case):
    datatype, body = case
    assert_sound(body, signature(datatype))


@settings(max_examples=400)
@given(tensors(), st.data())
def test_a_spoilt_request_with_binary_data_is_refused_or_still_fits(case, data):
    datatype, array = case
    content = array.tobytes()
    told = as_json(datatype, array, parameters={"binary_data_size": len(content)})
    header = json.dumps(told).encode()
    body = data.draw(mutated(st.just(header + content)))
    size = data.draw(st.sampled_from([len(header), len(header) - 1, 0, len(body), 1 << 62]))
    assert_sound(body, signature(datatype), size)


@given(mutated(st.just(small_artifact().manifest.to_bytes())))
def test_a_spoilt_manifest_is_refused_or_still_one(content):
    manifest, words = outcome(Manifest.from_bytes, content)
    assert manifest or any(each in words for each in ("expected", "again", "reads schema"))
    if not manifest:
        return
    # What was read is what is written down, to the same digest.
    assert Manifest.from_bytes(manifest.to_bytes()).to_bytes() == manifest.to_bytes()


PROGRAM = small_artifact().blobs[small_artifact().manifest.programs[0].blob.digest]


@settings(max_examples=300)
@given(mutated(st.sampled_from([PROGRAM, endless()])) | st.binary(max_size=200))
def test_a_spoilt_program_is_refused_or_still_read(content):
    facts, words = outcome(read_graph, content)
    assert isinstance(facts, GraphFacts) or "expected" in words


@SPARSE
@given(given_token=st.binary(max_size=200) | st.binary(max_size=60).map(lambda x: b"Bearer " + x))
def test_whatever_is_sent_as_a_token_is_refused(workspace, given_token):
    known = Access(workspace)
    with pytest.raises(AccessError, match="expected the header"):
        known.principal({"headers": [(b"authorization", given_token)]})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "maas"


@pytest.fixture(scope="module")
def http(home):
    """A client of a server that holds version 1 of the model `small`."""
    with serving(home) as url:
        token = workspace_token(home)
        connection = Connection(url, token)
        upload(small_artifact(), connection)
        connection.close()
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            yield client
            assert client.get("/v2/models/small/ready").status_code == 200


@pytest.fixture(scope="module")
def all_routes(home):
    found = {("POST", "/v2/models/{name}/infer"), ("POST", "/v2/models/{name}/versions/{v}/infer")}
    for route in make_router(open_services(home, ())).routes:
        found |= {(method, route.path) for method in route.methods}
    return sorted(found)


SEGMENT = st.sampled_from(
    ["small", "1", "2", "prod", "%2e%2e", "0" * 64, "a" * 300, "%00", "~", "-1"]
) | st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=8)
KEYS = st.sampled_from(
    ["version", "percent", "expected", "alias", "ready", "inputs", "model", "prompt", "messages"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
BODY = st.dictionaries(KEYS, JSON, max_size=4).map(json.dumps) | JSON.map(json.dumps)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("inference-header-content-length", "x-request-timeout", "content-range", "accept"),
            *("content-type", "if-match", "if-none-match", "range", "content-encoding"),
        ]
    ),
    st.sampled_from(
        ["", "-1", "0", "5", "1e9", "nan", "bytes 0-1/2", "bytes 5-1/0", "*", "x" * 500]
    ),
    max_size=3,
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_route_fails_whatever_it_is_asked(http, all_routes, data):
    method, path = data.draw(st.sampled_from(all_routes))
    if method == "DELETE" or path.endswith("/unload"):
        path = path.replace("{name}", "nowhere")  # or nothing would be left to ask
    while "{" in path:
        before, rest = path.split("{", 1)
        path = before + quote(data.draw(SEGMENT), safe="%") + rest.partition("}")[2]
    query = data.draw(
        st.sampled_from(["", "?limit=x", "?alias=..", "?nonce=" + "0" * 32, "?%00=%ff"])
    )
    content = data.draw(BODY | st.binary(max_size=40) | st.just(""))
    headers = data.draw(HEADERS)
    answer = http.request(method, path + query, content=content, headers=headers)
    assert answer.status_code < 500 or answer.status_code in (503, 504), (method, path, answer.text)
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.json()["error"]


@pytest.fixture(scope="module")
def operations(http):
    """The operations that the server describes, each a maker of requests that it allows."""
    url = str(http.base_url.join("/openapi.json"))
    schema = schemathesis.openapi.from_url(url, headers=dict(http.headers))
    return [found.ok() for found in schema.get_all_operations()]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_described_route_fails_on_what_its_description_allows(http, operations, data):
    assert len(operations) > 30
    case = data.draw(data.draw(st.sampled_from(operations)).as_strategy())
    changed = case.method == "DELETE" or case.path.endswith("/unload")
    if "name" in (case.path_parameters or {}) and not changed:
        case.path_parameters["name"] = "small"  # so that more than the name is looked at
    answer = case.call(headers={"authorization": http.headers["authorization"]})
    assert answer.status_code < 500 or answer.status_code in (503, 504), answer.text


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    mutated(
        st.just(b"POST /v2/models/small/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    )
)
def test_a_spoilt_http_request_ends_and_the_server_answers_on(http, content):
    where = (http.base_url.host, http.base_url.port)
    with socket.create_connection(where, timeout=60) as line:
        # With a reset instead of an orderly end.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sendall(content)
    assert http.get("/v2/health/live").status_code == 200


def test_a_program_is_read_the_same_whatever_comes_twice():
    """Protobuf merges a field that comes twice; reader and runtime must agree on that."""
    from maasnb.runtimes.onnx import OnnxRuntime
    from tests.server.hostile import node

    good = onnx_program([node("Relu", ["inputs"], ["probabilities"])])
    more = onnx_program([node("Neg", ["probabilities"], ["other"])])
    facts = read_graph(good + more)
    assert facts.operators == {"Relu", "Neg"}
    with pytest.raises(ArtifactError):
        OnnxRuntime().load(good + more)
