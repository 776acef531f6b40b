"""Named, typed tensors: datatypes, shapes and JSON."""

import json

import numpy as np
import pytest

from maasnb.errors import OptionError, UnknownNameError
from maasnb.tensors import DATATYPES, Signature, Tensor, datatype_of, packed, unpacked

PIXELS = Tensor(name="pixels", datatype="FP32", shape=(-1, 8, 8))


@pytest.mark.parametrize(
    ("dtype", "datatype"),
    [("bool", "BOOL"), ("uint8", "UINT8"), ("int64", "INT64"), ("f2", "FP16"), ("f8", "FP64")],
)
def test_a_dtype_has_the_protocols_name(dtype, datatype):
    assert datatype_of(np.dtype(dtype)) == datatype


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "BYTES"])
def test_a_datatype_names_its_kind_and_its_bits(datatype):
    kinds = {"B": "b", "U": "u", "I": "i", "F": "f"}
    dtype = DATATYPES[datatype]
    assert dtype.kind == kinds[datatype[0]]
    assert datatype == "BOOL" or datatype.endswith(str(8 * dtype.itemsize))
    assert datatype_of(dtype) == datatype


def test_texts_are_objects_here_and_bytes_in_the_protocol():
    assert datatype_of(np.array(["a"], dtype=object).dtype) == "BYTES"


@pytest.mark.parametrize("datatype", DATATYPES)
def test_what_is_packed_comes_back(datatype):
    array = np.array([[0, 1], [1, 1]]).astype(DATATYPES[datatype])
    if datatype == "BYTES":
        array[:] = [["", "a"], ["\u20ac", "\n"]]
    found = unpacked(packed(array), datatype)
    assert found.dtype == array.dtype
    assert found.tolist() == array.ravel().tolist()


def test_a_transposed_array_is_packed_row_by_row():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    assert packed(array) == bytes([0, 3, 1, 4, 2, 5])


@pytest.mark.parametrize(
    ("datatype", "content"), [("INT32", b"\0" * 5), ("BOOL", b"\2"), ("BYTES", b"\1\0\0\0")]
)
def test_bytes_that_are_no_whole_elements_are_refused(datatype, content):
    with pytest.raises(ValueError, match="whole|neither"):
        unpacked(content, datatype)


@pytest.mark.parametrize("dtype", ["U5", "c16", "M8[s]"])
def test_an_array_of_no_numbers_or_texts_cannot_be_served(dtype):
    with pytest.raises(OptionError, match="cannot be served; expected numbers, booleans or texts"):
        datatype_of(np.dtype(dtype))


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((1, 8, 8), True),
        ((0, 8, 8), True),
        ((512, 8, 8), True),
        ((1, 8), False),
        ((1, 8, 8, 1), False),
        ((1, 8, 7), False),
        ((), False),
    ],
)
def test_a_dynamic_dimension_takes_any_size_and_the_others_one(shape, fits):
    assert PIXELS.fits(shape) is fits


def test_a_tensor_is_written_as_the_protocol_has_it():
    assert PIXELS.to_json() == {"name": "pixels", "datatype": "FP32", "shape": [-1, 8, 8]}
    assert PIXELS.dtype == np.float32


def test_a_signature_comes_back_from_its_json():
    answer = Tensor(name="probabilities", datatype="FP32", shape=(-1, 10))
    signature = Signature(inputs=(PIXELS,), outputs=(answer,))
    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


def test_a_datatype_that_is_not_known_gets_its_nearest_match():
    with pytest.raises(UnknownNameError, match="no datatype 'FP31'. Did you mean 'FP32'"):
        Tensor.from_json({"name": "x", "datatype": "FP31", "shape": [-1]})
