import json
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maasnb.errors import RequestError
from maasnb.serve.wire import decode_infer, encode_infer, header_size
from maasnb.tensors import DATATYPES, Signature, Tensor


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
    assert (flat.rows, flat.outputs, flat.id) == (2, {"values": False}, None)


@pytest.mark.parametrize(
    ("datatype", "numbers"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("FP64", [1e300, 0.1]),
        ("FP16", [0.5, -65504.0]),
        ("BYTES", ["", "na\u00efve \u20ac"]),
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
        ({**request(), "parameters": 3}, "'parameters' of the request are the number 3"),
        (
            {**request(), "parameters": {"binary_data_output": "yes"}},
            "'binary_data_output' is a text; expected true or false",
        ),
        (request(parameters={"binary_data_size": 24}), "has 'data' and 'binary_data_size'"),
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
    message = encode_infer("m", 3, wanted, {"values": np.ones((2, 2), np.float32)})
    assert message.header_size is None
    assert json.loads(message.body) == {
        "model_name": "m",
        "model_version": "3",
        "id": "a7",
        "outputs": [{"name": "values", "datatype": "FP32", "shape": [2, 2], "data": [1.0] * 4}],
    }


def binary(tensors, contents, **fields):
    """Return a body with the contents as binary data behind the JSON, and the JSON's size."""
    inputs = [
        {**tensor, "parameters": {"binary_data_size": len(content)}}
        for tensor, content in zip(tensors, contents, strict=True)
    ]
    header = json.dumps({"inputs": inputs, **fields}).encode()
    return header + b"".join(contents), len(header)


def tensor(datatype="FP32", shape=(2, 3), name="x"):
    return {"name": name, "datatype": datatype, "shape": list(shape)}


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "BYTES"])
def test_binary_data_is_little_endian_and_row_major(datatype):
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(DATATYPES[datatype])
    body, header = binary(
        [tensor(datatype)], [array.astype(array.dtype.newbyteorder("<")).tobytes()]
    )
    found = decode_infer(body, signature(datatype), header).inputs["x"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == DATATYPES[datatype]


def test_texts_come_behind_their_size_in_four_bytes():
    content = b"\x02\x00\x00\x00ab\x00\x00\x00\x00\x03\x00\x00\x00\xe2\x82\xac"
    body, header = binary([tensor("BYTES", (3,))], [content])
    found = decode_infer(body, signature("BYTES", (-1,)), header)
    assert found.inputs["x"].tolist() == ["ab", "", "\u20ac"]
    assert found.rows == 3


def test_binary_data_follows_in_the_order_of_the_request_not_of_the_signature():
    of = Signature(
        inputs=tuple(Tensor(name=name, datatype="UINT8", shape=(-1,)) for name in "ab"),
        outputs=signature().outputs,
    )
    tensors = [tensor("UINT8", (2,), "b"), tensor("UINT8", (2,), "a")]
    body, header = binary(tensors, [b"\x01\x02", b"\x03\x04"])
    found = decode_infer(body, of, header).inputs
    assert (found["b"].tolist(), found["a"].tolist()) == ([1, 2], [3, 4])


@pytest.mark.parametrize(
    ("datatype", "shape", "content", "words"),
    [
        ("FP32", (2, 3), b"\0" * 20, r"has 20 bytes, but its shape \[2, 3\] of FP32 means 24"),
        ("FP32", (10**15, 3), b"\0" * 24, "means 12000000000000000"),
        ("FP32", (1, 3), b"\0\0\x80\x7f" * 3, "FP32 cannot hold; expected finite"),
        ("FP64", (1, 3), b"\xff" * 24, "FP64 cannot hold; expected finite"),
        ("BOOL", (1, 3), b"\x00\x01\x02", "a byte of 2 is neither 0 nor 1"),
        ("BYTES", (1, 3), b"\x01\0\0\0a" * 2, "has 2 texts, but its shape .* means 3"),
        ("BYTES", (1, 3), b"\xff\xff\xff\xffa", "4294967295 bytes is not whole"),
        ("BYTES", (1, 3), b"\x01\0\0", "is not whole"),
        ("BYTES", (1, 3), b"\x01\0\0\0\xff" * 3, "invalid start byte"),
    ],
)
def test_binary_data_that_does_not_fit_is_refused_in_words(datatype, shape, content, words):
    body, header = binary([tensor(datatype, shape)], [content])
    with pytest.raises(RequestError, match=words):
        decode_infer(body, signature(datatype, (-1, 3)), header)


@pytest.mark.parametrize("size", [23, 25, -1, 1 << 70, True, 24.0, "24", None])
def test_a_size_that_lies_is_refused(size):
    inputs = [{**tensor(), "parameters": {"binary_data_size": size}}]
    header = json.dumps({"inputs": inputs}).encode()
    with pytest.raises(RequestError, match=r"binary_data_size|has 23 bytes"):
        decode_infer(header + b"\0" * 24, signature(), len(header))


def test_bytes_that_no_tensor_takes_are_refused():
    body, header = binary([tensor()], [b"\0" * 24])
    with pytest.raises(RequestError, match="3 bytes behind the last tensor"):
        decode_infer(body + b"abc", signature(), header)
    with pytest.raises(RequestError, match="'data' .* is null; expected a list, or the parameter"):
        decode_infer(json.dumps({"inputs": [tensor()]}).encode(), signature())


def test_a_header_beyond_the_body_is_refused():
    with pytest.raises(RequestError, match="says 10 bytes of JSON, but the body has 2"):
        decode_infer(b"{}", signature(), 10)


@pytest.mark.parametrize("value", ["-1", "+1", "1.0", "0x10", "\u0661", "9" * 30, " 1", "a"])
def test_a_header_that_is_no_size_is_refused(value):
    with pytest.raises(RequestError, match="expected the number of bytes of the JSON"):
        header_size(value.encode("utf-8"))


def test_a_header_is_a_size_or_missing():
    assert (header_size(b"0"), header_size(b"12"), header_size(b"")) == (0, 12, None)


@pytest.mark.parametrize(
    ("fields", "binary_too"),
    [
        ({}, False),
        ({"parameters": {"binary_data_output": True, "priority": 3}}, True),
        ({"outputs": [{"name": "values", "parameters": {"binary_data": True}}]}, True),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "values", "parameters": {"binary_data": False}}],
            },
            False,
        ),
        ({"parameters": {"binary_data_output": True}, "outputs": [{"name": "values"}]}, True),
    ],
)
def test_an_output_is_binary_where_the_request_or_the_output_asks(fields, binary_too):
    wanted = decode({**request(), **fields})
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    message = encode_infer("m", 1, wanted, {"values": values})
    (output,) = json.loads(message.body[: message.header_size])["outputs"]
    assert (message.header_size is not None) is binary_too
    if binary_too:
        assert output["parameters"] == {"binary_data_size": 16}
        assert message.body[message.header_size :] == values.tobytes()
        assert "data" not in output
    else:
        assert output["data"] == [0, 1, 2, 3]


def test_texts_can_be_outputs_too():
    texts = np.array([["a", "\u20ac"]], dtype=object)
    plain = encode_infer("m", 1, decode(request()), {"values": texts})
    (output,) = json.loads(plain.body)["outputs"]
    assert (output["datatype"], output["data"]) == ("BYTES", ["a", "\u20ac"])
    wanted = decode({**request(), "parameters": {"binary_data_output": True}})
    message = encode_infer("m", 1, wanted, {"values": texts})
    assert message.body[message.header_size :] == b"\1\0\0\0a\3\0\0\0\xe2\x82\xac"


def test_many_numbers_are_checked_as_few_are():
    many = [0.5] * 30_000
    for wrong, words in [(1e39, "FP32 cannot hold"), ("1", "holds '1'"), (True, "holds True")]:
        data = {"inputs": [{**tensor(shape=(10_000, 3)), "data": [*many[1:], wrong]}]}
        with pytest.raises(RequestError, match=words):
            decode(data)
    whole = decode({"inputs": [{**tensor(shape=(10_000, 3)), "data": many}]})
    assert whole.inputs["x"].sum() == 15_000


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


@given(st.binary(max_size=40), st.integers(0, 300), st.integers(-1, 40), st.integers(0, 3))
def test_whatever_is_sent_as_binary_data_is_decoded_or_refused(content, header, size, rows):
    told = {**tensor(shape=(rows, 3)), "parameters": {"binary_data_size": size}}
    body = json.dumps({"inputs": [told]}).encode()
    try:
        found = decode_infer(body + content, signature(), len(body) if header > 150 else header)
    except RequestError as refused:
        words = str(refused)
    else:
        words = "expected"
        assert found.inputs["x"].tobytes() == content
        assert found.inputs["x"].shape == (rows, 3)
    assert "expected" in words


@given(st.binary(max_size=60))
def test_whatever_bytes_are_sent_are_refused_in_words(body):
    with pytest.raises(RequestError, match="expected"):
        decode_infer(body, signature())
