"""Named, typed tensors: how a served model says what it takes and what it returns.

Datatypes are those of the Open Inference Protocol V2
(https://github.com/kserve/open-inference-protocol); a dynamic dimension is -1.
"""

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from maasnb.errors import OptionError, unknown_name

__all__ = [
    "DATATYPES",
    "Signature",
    "Tensor",
    "datatype_of",
    "packed",
    "packed_texts",
    "plain_numbers",
    "unpacked",
    "unpacked_texts",
]

Array = np.ndarray[Any, np.dtype[Any]]

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),  # of `str`
}


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Return the protocol's name of a NumPy dtype.

    Raises:
        OptionError: the protocol has no such type.

    >>> datatype_of(np.dtype("float32"))
    'FP32'
    """
    for name, known in DATATYPES.items():
        if known == dtype:
            return name
    message = f"An array of dtype {dtype} cannot be served; expected numbers, booleans or texts."
    raise OptionError(message)


def packed_texts(texts: Iterable[str]) -> bytes:
    r"""Return texts as the protocol's binary data has them: each behind its size, 4 bytes.

    >>> packed_texts(["a", ""])
    b'\x01\x00\x00\x00a\x00\x00\x00\x00'
    """
    encoded = [text.encode() for text in texts]
    return b"".join([len(each).to_bytes(4, "little") + each for each in encoded])


def unpacked_texts(content: bytes) -> list[str]:
    """Return the texts that `packed_texts` packed.

    Raises:
        ValueError: the bytes are not whole, or a text is not UTF-8.
    """
    texts, place = [], 0
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "little")
        place += 4 + size
        if place > len(content):
            message = f"a text of {size} bytes is not whole"
            raise ValueError(message)
        texts.append(content[place - size : place].decode())
    return texts


def packed(array: Array) -> bytes:
    r"""Return an array as the protocol's binary data has it: row-major, little endian.

    >>> packed(np.array([[1, 2]], np.int16))
    b'\x01\x00\x02\x00'
    """
    if array.dtype.kind == "O":
        return packed_texts(array.ravel())
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return little.tobytes()


def plain_numbers(array: Array) -> list[Any]:
    """Return the elements of an array as JSON shows them to people, with null for a gap.

    >>> plain_numbers(np.array([0.3, np.nan], np.float32))
    [0.3, None]
    """
    flat = array.reshape(-1)
    if flat.dtype.kind != "f":
        return flat.tolist()
    # The shortest decimals of each number: 0.3, not 0.30000001192092896.
    return [None if np.isnan(each) else float(str(each)) for each in flat]


def unpacked(content: bytes, datatype: str) -> Array:
    """Return the flat array that `packed` packed; it may share the bytes and be read-only.

    Args:
        content: the bytes of the tensor alone.
        datatype: one of `DATATYPES`.

    Raises:
        ValueError: the bytes are no whole elements of the datatype.
    """
    dtype = DATATYPES[datatype]
    if dtype.kind == "O":
        texts = np.empty(len(found := unpacked_texts(content)), dtype)
        texts[:] = found
        return texts
    if len(content) % dtype.itemsize:
        message = f"{len(content)} bytes are no whole elements of {dtype.itemsize} bytes"
        raise ValueError(message)
    if dtype.kind == "b":
        numbers = np.frombuffer(content, np.uint8)
        if numbers.size and numbers.max() > 1:
            message = f"a byte of {numbers.max()} is neither 0 nor 1"
            raise ValueError(message)
        return numbers.view(dtype)
    numbers = np.frombuffer(content, dtype)
    return numbers if sys.byteorder == "little" else numbers.byteswap()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Describe one input or output.

    Attributes:
        name: its name on the wire.
        datatype: one of `DATATYPES`.
        shape: its shape; -1 where any size is accepted (the batch).
        gaps: whether numbers may be missing: NaN in binary data, null in JSON. The protocol's
            metadata has no place for it, so a server says it among its own parameters.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    gaps: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the NumPy dtype."""
        return DATATYPES[self.datatype]

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Say whether an array of this shape is accepted."""
        # Nearly all tensors have one dynamic dimension, the first; every request comes here twice.
        if shape[1:] == self.shape[1:] and self.shape[:1] == (-1,) and shape:
            return True
        pairs = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(ours in (-1, got) for ours, got in pairs)

    def to_json(self) -> dict[str, Any]:
        """Return the tensor as the protocol's metadata has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Tensor":
        """Return the tensor that `to_json` wrote.

        Raises:
            UnknownNameError: the datatype is not known.
        """
        if data["datatype"] not in DATATYPES:
            raise unknown_name("datatype", str(data["datatype"]), DATATYPES)
        shape = tuple(int(size) for size in data["shape"])
        return cls(name=str(data["name"]), datatype=data["datatype"], shape=shape)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Describe what a model takes and returns."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the signature as JSON data."""
        return {
            "inputs": [tensor.to_json() for tensor in self.inputs],
            "outputs": [tensor.to_json() for tensor in self.outputs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Signature":
        """Return the signature that `to_json` wrote."""
        inputs, outputs = (
            tuple(Tensor.from_json(tensor) for tensor in data[side])
            for side in ("inputs", "outputs")
        )
        return cls(inputs=inputs, outputs=outputs)
