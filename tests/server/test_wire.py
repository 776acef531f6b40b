import json
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maasnb.errors import RequestError
from maasnb.serve.wire import decode_infer, encode_infer
from maasnb.tensors import Signature, Tensor


def signature(datatype="FP32", shape=(-1, 3)):
    return Signature(
        inputs=(Tensor(name="x", datatype=datatype, shape=shape),),
        outputs=(Tensor(name="values", datatype="FP32", shape=(-1, 2)),),
    )


def request(**changes):
    """Return a good request of two examples, with changes of its one input."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4.5, 5, 6]}
    return {"inputs": [{**tensor, **changes}]}


def decode(data, of=None):
    return decode_infer(json.dumps(data).encode(), of or signature())


def test_flat_and_nested_data_mean_the_same():
    flat, nested = decode(request()), decode(request(data=[[1, 2, 3], [4.5, 5, 6]]))
    np.testing.assert_array_equal(flat.inputs["x"], [[1, 2, 3], [4.5, 5, 6]])
    np.testing.assert_array_equal(flat.inputs["x"], nested.inputs["x"])
    assert flat.inputs["x"].dtype == np.float32
    assert (flat.rows, flat.outputs, flat.id) == (2, ("values",), None)


@pytest.mark.parametrize(
    ("datatype", "numbers"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("FP64", [1e300, 0.1]),
    ],
)
def test_each_datatype_keeps_its_values(datatype, numbers):
    of = signature(datatype, (-1, 2))
    data = {"inputs": [{"name": "x", "datatype": datatype, "shape": [1, 2], "data": numbers}]}
    assert decode(data, of).inputs["x"].tolist() == [numbers]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "'inputs' is null; expected a list"),
        ({"inputs": {}}, "'inputs' is an object"),
        ({"inputs": []}, "at least one tensor"),
        ({"inputs": [3]}, "has no 'name'"),
        ({"inputs": request()["inputs"] * 2}, "stands twice"),
        (request(name="y"), "has the inputs 'y'; expected exactly 'x'"),
        (request(datatype="FP64"), "datatype 'FP64'; expected 'FP32'"),
        (request(datatype=None), "datatype None; expected 'FP32'"),
        (request(shape=[2, 4]), r"\[2, 4\]; expected \[n, 3\]"),
        (request(shape=[6]), r"expected \[n, 3\]"),
        (request(shape=[-2, 3]), r"expected \[n, 3\]"),
        (request(shape=[0, 3], data=[]), "n at least 1"),
        (request(shape=[True, 3]), r"expected \[n, 3\]"),
        (request(shape=[2.0, 3]), r"expected \[n, 3\]"),
        (request(shape="2,3"), r"expected \[n, 3\]"),
        (request(shape=None), "missing; expected"),
        (request(shape=[10**15, 3]), "has 6 numbers, but its shape .* means 3000000000000000"),
        (request(data=[1, 2, 3]), "has 3 numbers, but its shape"),
        (request(data=[[1, 2], [3, 4], [5, 6]]), "not of the shape"),
        (request(data=[[1, 2, 3], [4, 5]]), "not of the shape"),
        (request(data=[[1, 2, 3], 4]), "not of the shape"),
        (request(data=[[[1, 2, 3], [4, 5, 6]]]), "not of the shape"),
        (request(data=[1, 2, 3, 4, 5, None]), "holds None; expected numbers"),
        (request(data=[1, 2, 3, 4, 5, True]), "holds True; expected numbers"),
        (request(data=[1, 2, 3, 4, 5, "6"]), "holds '6'; expected numbers"),
        (request(data=[1, 2, 3, 4, 5, 1e39]), "FP32 cannot hold"),
        (request(data="AAAA"), "'data' .* is a text; expected a list"),
        ({**request(), "id": 5}, "'id' is the number 5"),
        (
            {**request(), "outputs": [{"name": "logits"}]},
            "no output 'logits'; expected some of 'values'",
        ),
        ({**request(), "outputs": "values"}, "'outputs' is a text"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_words(data, words):
    with pytest.raises(RequestError, match=words):
        decode(data)


@pytest.mark.parametrize("number", [1.5, 256, -1, True])
def test_a_number_outside_an_integer_type_is_refused(number):
    data = {"inputs": [{"name": "x", "datatype": "UINT8", "shape": [1, 1], "data": [number]}]}
    with pytest.raises(RequestError, match="UINT8"):
        decode(data, signature("UINT8", (-1, 1)))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"3", b"\xff", b"[" * 200_000, b'{"inputs": [{"data": [NaN]}]}'],
    ids=["empty", "open", "list", "number", "no-utf8", "deep", "nan"],
)
def test_a_body_that_is_no_json_object_is_refused(body):
    with pytest.raises(RequestError, match="expected a JSON object"):
        decode_infer(body, signature())


def test_an_answer_holds_the_wanted_outputs_and_the_id():
    wanted = decode({**request(), "id": "a7", "outputs": [{"name": "values"}]})
    answer = json.loads(encode_infer("m", 3, wanted, {"values": np.ones((2, 2), np.float32)}))
    assert answer == {
        "model_name": "m",
        "model_version": "3",
        "id": "a7",
        "outputs": [{"name": "values", "datatype": "FP32", "shape": [2, 2], "data": [1.0] * 4}],
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "shape", "data", "datatype", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
fields = st.dictionaries(st.sampled_from(["name", "datatype", "shape", "data"]), values, max_size=4)


@given(fields, values, values)
def test_whatever_is_sent_is_decoded_or_refused(changes, request_id, outputs):
    data = {**request(**changes), "id": request_id, "outputs": outputs}
    try:
        decoded = decode(data)
    except RequestError as refused:
        words = str(refused)
    else:
        words = "expected"
        assert decoded.inputs["x"].shape == (decoded.rows, 3)
    assert "expected" in words


@given(st.binary(max_size=60))
def test_whatever_bytes_are_sent_are_refused_in_words(body):
    with pytest.raises(RequestError, match="expected"):
        decode_infer(body, signature())
