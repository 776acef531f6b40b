"""Named, typed tensors: datatypes, shapes and JSON."""

import json

import numpy as np
import pytest

from maasnb.errors import OptionError, UnknownNameError
from maasnb.tensors import DATATYPES, Signature, Tensor, datatype_of

PIXELS = Tensor(name="pixels", datatype="FP32", shape=(-1, 8, 8))


@pytest.mark.parametrize(
    ("dtype", "datatype"),
    [("bool", "BOOL"), ("uint8", "UINT8"), ("int64", "INT64"), ("f2", "FP16"), ("f8", "FP64")],
)
def test_a_dtype_has_the_protocols_name(dtype, datatype):
    assert datatype_of(np.dtype(dtype)) == datatype


@pytest.mark.parametrize("datatype", DATATYPES)
def test_a_datatype_names_its_kind_and_its_bits(datatype):
    kinds = {"B": "b", "U": "u", "I": "i", "F": "f"}
    dtype = DATATYPES[datatype]
    assert dtype.kind == kinds[datatype[0]]
    assert datatype == "BOOL" or datatype.endswith(str(8 * dtype.itemsize))
    assert datatype_of(dtype) == datatype


@pytest.mark.parametrize("dtype", ["U5", "O", "c16", "M8[s]"])
def test_an_array_of_no_numbers_cannot_be_served(dtype):
    with pytest.raises(OptionError, match="cannot be served; expected numbers or booleans"):
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
