"""What is sent to harm ends in a clear refusal; nothing of it runs, and the server answers on."""

import json
import random
import re

import httpx
import numpy as np
import pytest

from maasnb.artifacts.blobs import bytes_from_arrays, digest_of
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token
from tests.server.hostile import archives, crafted_manifest, pickles, programs
from tests.servers import serving
from tests.small_runs import small_artifact, small_run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "maas"


@pytest.fixture(scope="module")
def server(home):
    """The URL of a server that holds version 1 of the model `small`."""
    with serving(home) as url:
        connection = Connection(url, workspace_token(home))
        upload(small_artifact(), connection)
        connection.close()
        yield url


@pytest.fixture
def http(server, home):
    """A client of the server; at the end of the test the server answers as at its beginning."""
    headers = {"authorization": f"Bearer {workspace_token(home)}"}
    with httpx.Client(base_url=server, headers=headers, timeout=100) as client:
        before = process_of(home)
        yield client
        assert_answers(client)
        assert process_of(home) == before
        assert client.get("/v2/models/crafted").status_code == 404


def process_of(home):
    return json.loads((home / "server.json").read_text())["pid"]


def assert_answers(http):
    x = small_run().data.test.x[:3]
    tensor = {"name": "x", "datatype": "FP32", "shape": [3, 64], "data": x.ravel().tolist()}
    answer = http.post("/v2/models/small/infer", json={"inputs": [tensor]})
    found = np.array(answer.json()["outputs"][0]["data"], np.float32).reshape(3, 10)
    np.testing.assert_allclose(found, small_run().predict(x), atol=1e-5)


def publish(http, data, name="crafted"):
    return http.post(f"/maas/v1/models/{name}/versions", json=data)


def assert_refused(answer, words, status=422):
    assert answer.status_code == status, answer.text
    assert re.search(words, answer.json()["error"]), answer.json()["error"]


NAMES = [
    *("a file above", "a file by its full path", "a file beside", "memory of the process"),
    *("a custom operator", "an operator of onnxruntime alone", "functions that multiply"),
    *("a huge constant", "a constant of 8 GB", "a negative size", "a huge repetition"),
    *("a repetition of repetitions", "a size from the request", "nodes out of order"),
    *("an endless loop", "too many nodes", "branches in branches", "branches that fill the stack"),
    *("a tensor that lies about its size", "a sparse tensor", "a division that ends the process"),
    *("the format of onnxruntime", "a program cut off", "no bytes"),
]


@pytest.fixture(scope="module")
def hostile_programs(tmp_path_factory):
    made = programs(tmp_path_factory.mktemp("programs"))
    assert list(made) == sorted(made, key=NAMES.index)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_program_is_refused(http, hostile_programs, name):
    content, words = hostile_programs[name]
    assert_refused(publish(http, crafted_manifest(http, program=content)), words)


@pytest.mark.parametrize("part", ["program", "weights", "golden"])
@pytest.mark.parametrize("kind", ["pickle", "numpy", "pt2", "torch", "aoti", "climbing", "bomb"])
def test_an_archive_or_a_pickle_is_refused_unopened(http, tmp_path, part, kind):
    marker = tmp_path / "opened"
    content = {**pickles(marker), **archives(marker)}[kind]
    answer = publish(http, crafted_manifest(http, **{part: content}))
    assert_refused(answer, "cannot be read as ONNX|are not safetensors")
    assert not marker.exists()


def test_the_pickles_of_these_tests_would_do_harm(tmp_path):
    import pickle

    pickle.loads(pickles(tmp_path / "opened")["pickle"])
    assert (tmp_path / "opened").is_dir()


@pytest.mark.parametrize("format_name", ["pt2", "pickle", "aoti", "torchscript", "stablehlo", ""])
def test_a_program_of_another_format_is_refused_unopened(http, tmp_path, format_name):
    data = crafted_manifest(http, program=archives(tmp_path / "opened")["pt2"])
    data["programs"][0]["format"] = format_name
    assert_refused(publish(http, data), "a program format|only onnx may run")
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("seed", range(12))
def test_a_program_with_a_wrong_bit_is_refused_or_answers_all_the_same(http, seed):
    place = random.Random(seed)
    program = small_artifact().blobs[small_artifact().manifest.programs[0].blob.digest]
    content = bytearray(program)
    for _ in range(3):
        content[place.randrange(len(content))] ^= 1 << place.randrange(8)
    answer = publish(
        http, crafted_manifest(http, f"bits{seed}", program=bytes(content)), f"bits{seed}"
    )
    assert answer.status_code in (201, 422), answer.text


def test_a_blob_with_a_wrong_bit_is_refused(http):
    content = bytearray(b"some weights" * 1000)
    digest = digest_of(bytes(content))
    content[100] ^= 1
    assert_refused(http.put(f"/maas/v1/blobs/{digest}", content=bytes(content)), "have the digest")
    assert http.head(f"/maas/v1/blobs/{digest}").status_code == 404


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("weights", "digest"), "0" * 64, "is not in the registry"),
        (("weights", "digest"), "../../token", "is no digest"),
        (("weights", "digest"), "A" * 64, "is no digest"),
        (("weights", "size_bytes"), 1, "is damaged|the manifest says 1"),
        (("weights", "size_bytes"), 10**30, "a whole number"),
        (("weights", "size_bytes"), -1, "a whole number"),
        (("programs",), [], "one or two programs"),
        (("programs", 0, "format"), "../onnx", "a program format"),
        (("name",), "../small", "cannot be the name"),
        (("name",), "small/../../token", "cannot be the name"),
        (("schema",), 99, "reads schema 1"),
        (("signature", "inputs", 0, "name"), "../x", "the name of a tensor"),
        (("signature", "inputs", 0, "shape"), [-1, 10**9], "a shape that begins with -1"),
        (("signature", "inputs", 0, "shape"), [-1, *[2**31] * 7], "a shape that begins with -1"),
        (("signature", "inputs", 0, "shape"), [-1, *[1] * 1000], "a shape that begins with -1"),
        (("signature", "inputs", 0, "shape"), [-1, -64], "a whole number"),
        (("signature", "inputs", 0, "shape"), [-1, 10**400], "a whole number"),
        (("signature", "inputs", 0, "datatype"), "PICKLE", "no datatype"),
        (("signature", "outputs", 0, "name"), "x", "another name than the input"),
        (("task", "outputs"), 10**12, "a whole number"),
        (("recipe",), [{"step": "exec", "code": "import os"}], "cannot be read"),
        (("framework",), None, "an object was expected"),
        (("framework", "name"), "x" * 10_000, "a short text"),
    ],
)
def test_a_manifest_that_lies_is_refused(http, path, value, words):
    data = crafted_manifest(http)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    answer = publish(http, data)
    assert answer.status_code in (400, 422), answer.text
    assert re.search(words, answer.json()["error"]), answer.json()["error"]


def test_a_tensor_that_stands_twice_is_refused(http):
    data = crafted_manifest(http)
    data["signature"]["inputs"] *= 2
    assert_refused(publish(http, data), "one input|twice")


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"schema": 1, "name": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"schema": 1e999}',
        b'{"schema": 1, "name": "\xff"}',
        b"\x00" * 1000,
        b"",
    ],
    ids=["lists", "objects", "closed lists", "infinity", "not UTF-8", "zeros", "nothing"],
)
def test_json_that_is_deep_or_broken_is_refused(http, content):
    for path in ("/maas/v1/models/crafted/versions", "/v2/models/small/infer"):
        answer = http.post(path, content=content)
        assert answer.status_code in (400, 422), answer.text
        assert re.search("expected|reads schema 1", answer.json()["error"])


@pytest.mark.parametrize("rows", [0, 65, 100_000])
def test_golden_pairs_of_a_wrong_number_are_refused(http, rows):
    arrays = {
        "x": np.zeros((rows, 64), np.float32),
        "probabilities": np.zeros((rows, 10), np.float32),
    }
    answer = publish(http, crafted_manifest(http, golden=bytes_from_arrays(arrays)))
    assert_refused(answer, "expected 1 to 64 rows")


def lying_safetensors(size):
    header = {"x": {"dtype": "F32", "shape": [size, 64], "data_offsets": [0, size * 256]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        lying_safetensors(10**9),
        lying_safetensors(10**30),
        (2**63).to_bytes(8, "little") + b"{}",
        (2**40).to_bytes(8, "little") + b"{" * 100,
    ],
    ids=[
        "numbers that are not there",
        "more than memory has",
        "a huge header",
        "a header too long",
    ],
)
@pytest.mark.parametrize("part", ["weights", "golden"])
def test_tensors_that_lie_about_their_size_are_refused(http, part, content):
    assert_refused(publish(http, crafted_manifest(http, **{part: content})), "are not safetensors")


def test_a_name_with_a_path_in_it_reaches_no_file(http, home):
    before = sorted(path for path in home.rglob("*") if "audit" not in path.name)
    for name in ("..%2f..%2fx", "%2e%2e", ".hidden", "a%00b", "a" * 500, "%ff"):
        answer = http.post(f"/maas/v1/models/{name}/versions", content=b"{}")
        assert answer.status_code in (400, 404, 422), answer.text
    assert sorted(path for path in home.rglob("*") if "audit" not in path.name) == before
