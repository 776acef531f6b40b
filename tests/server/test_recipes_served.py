"""Recipes behind a real server: what it prepares of raw inputs is what the notebook prepares.

The program of each model here returns what it gets, so an answer is what the recipe made.
"""

import dataclasses
import functools

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import maasnb as mb
from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.blobs import Blob, bytes_from_arrays, digest_of
from maasnb.artifacts.manifest import ProgramEntry
from maasnb.client.endpoint import Endpoint
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import DataError, RequestError, ShapeError
from maasnb.serve.tokens import workspace_token
from maasnb.tasks import Task
from maasnb.tensors import Signature, Tensor, datatype_of, packed_texts
from tests.servers import serving
from tests.small_runs import small_artifact

ROWS = 1000
ENGLISH = (
    "the a good bad film plot was not very, really! dull: it's I 3 42 naïve Ünder_score".split()
)
CHINESE = "这 部 电 影 很 好 看 不 吃 饭 ， 。 ok Tea".split()


def texts(words, rows, seed):
    """Return random texts of words; some with signs that no training text has, some empty."""
    random = np.random.default_rng(seed)
    odd = ["☃", "unseen", "\n", "𝄞", "Ελληνικά", "ไทย", "\0"]
    glue = "" if words is CHINESE else " "
    found = []
    for row in range(rows):
        chosen = random.choice(words, size=int(random.integers(0, 12))).tolist()
        chosen += random.choice(odd, size=int(row % 5 == 0)).tolist()
        found.append(glue.join(chosen))
    return np.array([*found, None], dtype=object)[:-1]


def numbers(rows, seed, *, gaps):
    random = np.random.default_rng(seed)
    x = random.normal(3, [1, 100, 1e-3], size=(rows, 3))
    x[:, 1] = x[:, 1].round()
    x[random.random(x.shape) < 0.2 * gaps] = np.nan
    return x


def table(rows, seed):
    random = np.random.default_rng(seed)
    x = numbers(rows, seed, gaps=True)
    city = random.choice(["Wien", "Bern", "北京", "", f"town {seed}"], size=rows).tolist()
    return {"age": x[:, 0], "city": city, "size": x[:, 2], "note": texts(ENGLISH, rows, seed)}


def of_texts(words, *steps):
    return texts(words, 300, 1), texts(words, ROWS, 2), steps


CASES = {
    "standardize": lambda: (numbers(300, 1, gaps=False), numbers(ROWS, 2, gaps=False),
                            [mb.standardize()]),
    "minmax": lambda: (numbers(300, 1, gaps=False), numbers(ROWS, 2, gaps=False), [mb.minmax()]),
    "impute": lambda: (numbers(300, 1, gaps=True), numbers(ROWS, 2, gaps=True),
                       [mb.impute("mean"), mb.standardize()]),
    "chars": lambda: of_texts(ENGLISH, mb.chars(20)),
    "bow": lambda: of_texts(ENGLISH, mb.bow(ngrams=(1, 2))),
    "tfidf": lambda: of_texts(ENGLISH, mb.tfidf()),
    "tfidf_zh": lambda: of_texts(CHINESE, mb.tfidf()),
    "words": lambda: of_texts(ENGLISH, mb.tokens(length=8)),
    "characters": lambda: of_texts(CHINESE, mb.tokens(unit="character")),
    "byte_pairs": lambda: of_texts(ENGLISH, mb.tokens(vocab=300, unit="byte_pair")),
    "table": lambda: (table(300, 1), table(ROWS, 2),
                      [mb.impute(), mb.minmax(columns=["age"]), mb.standardize(columns=["size"]),
                       mb.one_hot(columns=["city"]), mb.tfidf(column="note")]),
}  # fmt: skip
WHOLE = {"chars", "bow", "words", "characters", "byte_pairs"}


@functools.cache
def case(name):
    """Return the data that a recipe was fitted on, and raw examples that it has not seen."""
    known, unseen, steps = CASES[name]()
    rows = len(known["age"] if isinstance(known, dict) else known)
    data = mb.data(known, ["no", "yes"] * (rows // 2), prep=list(steps), name=name)
    return data, unseen


def echo(name):
    """Return an artifact whose program returns what the recipe makes."""
    data, _ = case(name)
    raw = data.test.x[:4]
    prepared = data.recipe.inputs(raw)
    width = prepared.shape[1]
    kind = TensorProto.INT32 if prepared.dtype == np.int32 else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Cast", ["inputs"], ["values"], to=TensorProto.FLOAT)],
        "echo",
        [helper.make_tensor_value_info("inputs", kind, ["n", width])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", width])],
    )
    opsets = [helper.make_opsetid("", 20)]
    program = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(program)
    texts_raw = raw.dtype.kind == "O"
    golden = {
        "x": np.frombuffer(packed_texts(raw.reshape(-1)), np.uint8) if texts_raw else raw,
        "values": prepared.astype(np.float32),
    }
    blobs = {}

    def keep(content):
        blobs[digest_of(content)] = content
        return Blob(digest=digest_of(content), size_bytes=len(content))

    small = small_artifact()
    datatype = "BYTES" if texts_raw else datatype_of(raw.dtype)
    manifest = dataclasses.replace(
        small.manifest,
        name=name,
        signature=Signature(
            inputs=(Tensor(name="x", datatype=datatype, shape=(-1, *raw.shape[1:])),),
            outputs=(Tensor(name="values", datatype="FP32", shape=(-1, width)),),
        ),
        recipe=data.recipe,
        task=Task(kind="regression", loss="mse", outputs=width, given="values"),
        provenance={**small.manifest.provenance, "features": list(data.features)},
        programs=(ProgramEntry(format="onnx", blob=keep(program.SerializeToString())),),
        golden=keep(bytes_from_arrays(golden)),
        card=None,
        summary=None,
    )
    weights = small.manifest.weights.digest
    return Artifact(manifest=manifest, blobs={**blobs, weights: small.blobs[weights]})


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The URL and the token of one server that has a model for every recipe."""
    workspace = tmp_path_factory.mktemp("served") / "maas"
    with serving(workspace) as url:
        connection = Connection(url, workspace_token(workspace))
        for name in CASES:
            upload(echo(name), connection)
        connection.close()
        yield url, workspace_token(workspace)


def asked(address, name, tensor):
    url, token = address
    return httpx.post(
        f"{url}/v2/models/{name}/infer",
        headers={"authorization": f"Bearer {token}"},
        json={"inputs": [{"name": "x", **tensor}]},
        timeout=60,
    )


@pytest.mark.coverage("B2", "B4")
@pytest.mark.parametrize("name", CASES)
def test_the_server_prepares_a_thousand_unseen_inputs_as_the_notebook_does(address, name):
    data, unseen = case(name)
    from maasnb.datasets.frames import arranged

    raw = arranged(unseen, data.features, texts=True) if isinstance(unseen, dict) else unseen
    expected = data.recipe.inputs(raw)
    answers = Endpoint.open(*address, name).predict(raw)
    assert len(answers) == ROWS
    assert len(np.unique(answers, axis=0)) > ROWS / 4  # or nothing would be compared
    if name in WHOLE:
        np.testing.assert_array_equal(answers, expected)
    else:
        np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-6)


def test_a_missing_number_is_null_in_json_and_nan_in_binary_data(address):
    data, _ = case("impute")
    row = [1.5, None, 0.25]
    answer = asked(address, "impute", {"datatype": "FP64", "shape": [1, 3], "data": row})
    assert answer.status_code == 200, answer.text
    expected = data.recipe.inputs(np.array([[1.5, np.nan, 0.25]]))
    np.testing.assert_allclose(answer.json()["outputs"][0]["data"], expected[0], atol=1e-6)
    endpoint = Endpoint.open(*address, "impute")
    np.testing.assert_allclose(endpoint.predict(np.array([1.5, np.nan, 0.25])), expected)
    assert "NaN" not in endpoint.curl()


def test_a_missing_number_is_refused_where_nothing_fills_it(address):
    answer = asked(address, "minmax", {"datatype": "FP64", "shape": [1, 3], "data": [1, None, 2]})
    assert (answer.status_code, "null" in answer.text or "None" in answer.text) == (400, True)
    with pytest.raises(DataError, match="NaN"):
        Endpoint.open(*address, "minmax").predict([1.0, np.nan, 2.0])


def test_a_row_of_a_table_is_sent_as_texts_like_a_line_of_a_csv_file(address):
    data, _ = case("table")
    row = ["", "北京", "0.003", "a good film"]
    answer = asked(address, "table", {"datatype": "BYTES", "shape": [1, 4], "data": row})
    assert answer.status_code == 200, answer.text
    expected = data.recipe.inputs(np.array([row], dtype=object))[0]
    np.testing.assert_allclose(answer.json()["outputs"][0]["data"], expected, atol=1e-6)
    endpoint = Endpoint.open(*address, "table")
    person = {"age": None, "city": "北京", "size": 0.003, "note": "a good film"}
    np.testing.assert_array_equal(endpoint.predict(person)[0], expected)
    shuffled = [{"note": "a good film", "size": 0.003, "city": "北京", "age": None, "more": 1}]
    np.testing.assert_array_equal(endpoint.predict(shuffled)[0], expected)


def test_a_text_in_a_column_of_numbers_is_refused_with_row_and_column(address):
    rows = ["1", "Wien", "2", "x", "abc", "Wien", "2", "x"]
    answer = asked(address, "table", {"datatype": "BYTES", "shape": [2, 4], "data": rows})
    assert answer.status_code == 400
    words = "'age' holds 'abc' in row 2; expected a finite number"
    assert words in answer.json()["error"]
    with pytest.raises(RequestError, match=words):
        Endpoint.open(*address, "table").predict([["1"] * 4, ["abc"] * 4])
    for wrong in ("nan", "inf", "1_000", "0x10", "1e999", "9" * 500):
        row = [wrong, "Wien", "2", "x"]
        answer = asked(address, "table", {"datatype": "BYTES", "shape": [1, 4], "data": row})
        assert (wrong[:9], answer.status_code) == (wrong[:9], 400)


def test_a_table_that_lacks_a_column_says_which(address):
    with pytest.raises(ShapeError, match="lacks the column 'city'; expected 'age', 'city'"):
        Endpoint.open(*address, "table").predict({"age": 1, "size": 2, "note": ""})


def test_the_metadata_says_what_a_table_takes(address):
    url, token = address
    headers = {"authorization": f"Bearer {token}"}
    found = httpx.get(f"{url}/v2/models/table", headers=headers, timeout=60).json()
    assert found["inputs"] == [{"name": "x", "datatype": "BYTES", "shape": [-1, 4]}]
    assert found["parameters"]["features"] == ["age", "city", "size", "note"]
    assert all(isinstance(each, str) for each in found["parameters"]["example"])
    gaps = httpx.get(f"{url}/v2/models/impute", headers=headers, timeout=60).json()
    assert gaps["parameters"]["gaps"] is True
