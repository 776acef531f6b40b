import hashlib

import numpy as np
import pytest

from maasnb.artifacts.blobs import arrays_from_bytes, bytes_from_arrays, check_digest, digest_of
from maasnb.errors import ArtifactError


def test_a_digest_is_the_sha256_of_the_bytes():
    assert digest_of(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_arrays_come_back_as_they_were_even_scalars_and_strided_ones():
    arrays = {
        "scalar": np.array(3.5),
        "strided": np.arange(12.0).reshape(3, 4).T,
        "whole": np.arange(3, dtype=np.int64),
    }
    back = arrays_from_bytes(bytes_from_arrays(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_the_order_in_which_arrays_are_named_does_not_change_the_bytes():
    a, b = np.zeros(2), np.ones(3)
    assert bytes_from_arrays({"a": a, "b": b}) == bytes_from_arrays({"b": b, "a": a})


def lying_header():
    header = b'{"a":{"dtype":"F64","shape":[1000000000],"data_offsets":[0,8000000000]}}'
    return len(header).to_bytes(8, "little") + header + b"\0" * 16


def twice():
    header = (
        b'{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},'
        b'"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}'
    )
    return len(header).to_bytes(8, "little") + header + b"\0" * 8


def overlapping():
    header = (
        b'{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},'
        b'"b":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}'
    )
    return len(header).to_bytes(8, "little") + header + b"\0" * 8


def truncated():
    return bytes_from_arrays({"a": np.arange(100.0)})[:-1]


def with_a_tail():
    return bytes_from_arrays({"a": np.arange(100.0)}) + b"tail"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        b"\x80\x04\x95pickle",
        b"\xff" * 64,
        lying_header(),
        twice(),
        overlapping(),
        truncated(),
        with_a_tail(),
    ],
    ids=[
        "empty",
        "junk",
        "pickle",
        "huge-header",
        "lying-shape",
        "twice",
        "overlapping",
        "truncated",
        "with-a-tail",
    ],
)
def test_bytes_that_are_no_safetensors_are_refused(content):
    with pytest.raises(ArtifactError, match="are not safetensors"):
        arrays_from_bytes(content)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_digest_that_is_none_is_refused(digest):
    with pytest.raises(ArtifactError, match="is no digest"):
        check_digest(digest)
