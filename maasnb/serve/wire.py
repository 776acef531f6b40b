"""The Open Inference Protocol V2: a request's bytes to arrays, arrays to an answer's bytes.

Tensors come as JSON, or, by the binary tensor data extension, as bytes behind the JSON. Nothing in
a request is believed. Names, datatypes and shapes must be those of the model's signature, a shape
must match the numbers or bytes that were sent before any array is made, and every refusal says what
was expected.
"""

import contextlib
import dataclasses
import functools
import math
import struct
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import orjson

from maasnb.errors import RequestError
from maasnb.tensors import Signature, Tensor, packed, unpacked

__all__ = [
    "InferRequest",
    "Message",
    "decode_infer",
    "decode_object",
    "encode",
    "encode_infer",
    "header_size",
]

Array = np.ndarray[Any, np.dtype[Any]]

LONGEST_ID = 256
# Up to here numbers are packed by `struct`, which also checks their kind and range; more by NumPy.
MOST_PACKED = 1024
PACK_CODES = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
NUMBERS = {int, float}
JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    type(None): "null",
}


@dataclasses.dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that fits the model's signature.

    Attributes:
        inputs: the raw arrays by input name.
        outputs: the names of the outputs that are wanted, in order, and whether as binary data.
        id: what the sender calls the request, or None.
        rows: the number of examples.
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, bool]
    id: str | None
    rows: int


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """The body of an answer.

    Attributes:
        body: its bytes.
        header_size: how many of them are JSON, where binary data follows; None where all are.
    """

    body: bytes
    header_size: int | None = None


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds.

    Raises:
        RequestError: it holds something else.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"The body is not JSON ({error}); expected a JSON object."
        raise RequestError(message) from error
    if not isinstance(data, dict):
        message = f"The body is {_kind(data)}; expected a JSON object."
        raise RequestError(message)
    return data


def header_size(value: bytes) -> int | None:
    """Return what the header `Inference-Header-Content-Length` says; None where it is empty.

    Raises:
        RequestError: it is no number of bytes.
    """
    if not value:
        return None
    if not (value.isdigit() and len(value) < 19):
        shown = value.decode("latin-1")
        message = (
            f"The header Inference-Header-Content-Length is {shown!r:.40}; expected the number of "
            "bytes of the JSON before the binary data."
        )
        raise RequestError(message)
    return int(value)


def decode_infer(body: bytes, signature: Signature, header: int | None = None) -> InferRequest:
    """Return the arrays of an infer request.

    Args:
        body: the request's bytes.
        signature: what the model takes and returns.
        header: how many of the bytes are JSON, where binary data follows; None where all are.

    Raises:
        RequestError: the request does not fit; the message says where and what was expected.
    """
    if header is not None and header > len(body):
        message = (
            f"The header Inference-Header-Content-Length says {header} bytes of JSON, but the body "
            f"has {len(body)}; expected at most as many."
        )
        raise RequestError(message)
    binary = _Binary(body, len(body) if header is None else header)
    data = decode_object(body if header is None else body[:header])
    request_id = data.get("id")
    if request_id is not None and (not isinstance(request_id, str) or len(request_id) > LONGEST_ID):
        message = f"The field 'id' is {_kind(request_id)}; expected a text of at most {LONGEST_ID}."
        raise RequestError(message)
    given = _by_name(data, "inputs")
    inputs = signature.inputs
    if len(given) != len(inputs) or any(tensor.name not in given for tensor in inputs):
        expected = _names(tuple(tensor.name for tensor in inputs))
        message = (
            f"The request has the inputs {_names(given)}; expected exactly {expected}, as "
            f'in {{"inputs": [{_example(inputs[0])}]}}.'
        )
        raise RequestError(message)
    # In the order of the request, which is that of the binary data.
    known = {tensor.name: tensor for tensor in inputs}
    arrays = {name: _array(tensor, known[name], binary) for name, tensor in given.items()}
    if binary.left:
        message = (
            f"The body has {binary.left} bytes behind the last tensor; expected as many as the "
            "'binary_data_size' of all inputs say."
        )
        raise RequestError(message)
    rows = {len(array) for array in arrays.values()}
    if len(rows) != 1:
        message = f"The inputs have {sorted(rows)} examples; expected the same number in each."
        raise RequestError(message)
    return InferRequest(arrays, _outputs(data, signature), request_id, rows.pop())


def encode_infer(
    name: str, version: int, request: InferRequest, arrays: Mapping[str, Array]
) -> Message:
    """Return the answer to an infer request, with binary data where it asks for that.

    Args:
        name: the model's name.
        version: the version that answered.
        request: what was asked.
        arrays: the outputs by name, float32 or texts.
    """
    outputs: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for output, binary in request.outputs.items():
        array = arrays[output]
        texts = array.dtype.kind == "O"
        told = {"name": output, "datatype": "BYTES" if texts else "FP32", "shape": array.shape}
        flat = array.ravel() if texts else np.ascontiguousarray(array, np.float32).reshape(-1)
        if binary:
            parts.append(packed(flat))
            told["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            told["data"] = flat.tolist() if texts else flat
        outputs.append(told)
    answer: dict[str, Any] = {"model_name": name, "model_version": str(version)}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = outputs
    header = encode(answer)
    return Message(b"".join([header, *parts]), len(header)) if parts else Message(header)


def encode(data: Mapping[str, Any] | list[Any]) -> bytes:
    """Return JSON bytes; arrays of NumPy become lists."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


class _Binary:
    """The binary data behind the JSON of a request, taken tensor by tensor."""

    __slots__ = ("_body", "_place")

    def __init__(self, body: bytes, place: int) -> None:
        self._body = body
        self._place = place

    @property
    def left(self) -> int:
        return len(self._body) - self._place

    def take(self, size: object, name: str) -> bytes:
        """Return the next bytes, as many as the request says."""
        if type(size) is not int or not 0 <= size <= self.left:
            message = (
                f"The 'binary_data_size' of the input {name!r} is {size!r:.40}, but {self.left} "
                "bytes are left behind the JSON; expected as many bytes as the tensor has."
            )
            raise RequestError(message)
        self._place += size
        return self._body[self._place - size : self._place]


def _by_name(data: Mapping[str, Any], side: str) -> dict[str, dict[str, Any]]:
    tensors = data.get(side)
    if not isinstance(tensors, list) or not tensors:
        found = "an empty list" if tensors == [] else _kind(tensors)
        message = f"The field {side!r} is {found}; expected a list of at least one tensor."
        raise RequestError(message)
    named: dict[str, dict[str, Any]] = {}
    for tensor in tensors:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str):
            message = f"A tensor of {side!r} has no 'name'; expected objects with a text as 'name'."
            raise RequestError(message)
        if name in named:
            message = f"The tensor {name!r:.80} stands twice in {side!r}; expected each name once."
            raise RequestError(message)
        named[name] = tensor
    return named


def _parameters(data: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return the parameters of a request or tensor; those that are not known are left alone."""
    parameters = data.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        message = f"The 'parameters' of {where} are {_kind(parameters)}; expected an object."
        raise RequestError(message)
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:  # noqa: FBT001 - a value
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        message = f"The parameter {name!r} is {_kind(value)}; expected true or false."
        raise RequestError(message)
    return value


def _outputs(data: Mapping[str, Any], signature: Signature) -> dict[str, bool]:
    binary = _flag(_parameters(data, "the request"), "binary_data_output", default=False)
    known = [tensor.name for tensor in signature.outputs]
    if data.get("outputs") is None:
        return dict.fromkeys(known, binary)
    wanted = _by_name(data, "outputs")
    for name in wanted:
        if name not in known:
            message = f"There is no output {name!r:.80}; expected some of {_names(tuple(known))}."
            raise RequestError(message)
    return {
        name: _flag(_parameters(each, f"the output {name!r}"), "binary_data", binary)
        for name, each in wanted.items()
    }


def _array(given: Mapping[str, Any], tensor: Tensor, binary: _Binary) -> Array:
    name = tensor.name
    datatype = given.get("datatype")
    if datatype != tensor.datatype:
        message = (
            f"The input {name!r} has the datatype {datatype!r:.40}; expected {tensor.datatype!r}."
        )
        raise RequestError(message)
    shape = _shape(given.get("shape"), tensor)
    parameters = _parameters(given, f"the input {name!r}")
    if "binary_data_size" in parameters:
        if "data" in given:
            message = f"The input {name!r} has 'data' and 'binary_data_size'; expected one of them."
            raise RequestError(message)
        return _from_bytes(binary.take(parameters["binary_data_size"], name), shape, tensor)
    data = given.get("data")
    if not isinstance(data, list):
        message = (
            f"The field 'data' of the input {name!r} is {_kind(data)}; expected a list, or the "
            "parameter 'binary_data_size'."
        )
        raise RequestError(message)
    elements = _flat(data, shape, name)
    _count(len(elements), shape, tensor)
    return _typed(elements, tensor).reshape(shape)


def _from_bytes(content: bytes, shape: tuple[int, ...], tensor: Tensor) -> Array:
    if tensor.datatype != "BYTES":
        wanted = math.prod(shape) * tensor.dtype.itemsize
        if len(content) != wanted:
            message = (
                f"The input {tensor.name!r} has {len(content)} bytes, but its shape {list(shape)} "
                f"of {tensor.datatype} means {wanted}; expected as many."
            )
            raise RequestError(message)
    try:
        array = unpacked(content, tensor.datatype)
    except ValueError as error:
        message = (
            f"The bytes of the input {tensor.name!r} cannot be read ({error}); expected elements "
            f"of {tensor.datatype}, texts in UTF-8, each behind its size in 4 bytes."
        )
        raise RequestError(message) from error
    _count(array.size, shape, tensor)
    if not _holds(array, tensor):
        raise _beyond(tensor)
    return array.reshape(shape)


def _count(found: int, shape: tuple[int, ...], tensor: Tensor) -> None:
    if found != math.prod(shape):
        what = "texts" if tensor.datatype == "BYTES" else "numbers"
        message = (
            f"The input {tensor.name!r} has {found} {what}, but its shape {list(shape)} means "
            f"{math.prod(shape)}; expected one for each."
        )
        raise RequestError(message)


def _shape(value: object, tensor: Tensor) -> tuple[int, ...]:
    sizes = value if isinstance(value, list) else []
    whole = bool(sizes) and all(type(size) is int and size >= 0 for size in sizes)
    if not whole or not tensor.fits(tuple(sizes)) or sizes[0] < 1:
        shown = f"{value!r:.80}" if value is not None else "missing"
        expected = ["n", *tensor.shape[1:]]
        message = (
            f"The shape of the input {tensor.name!r} is {shown}; expected "
            f"[{', '.join(map(str, expected))}] for n examples, n at least 1."
        )
        raise RequestError(message)
    return tuple(sizes)


def _flat(data: list[Any], shape: tuple[int, ...], name: str) -> list[Any]:
    """Return row-major elements, which may come flat or nested like the shape."""
    level = data
    depth = 0
    while level and isinstance(level[0], list):
        depth += 1
        wanted = shape[depth] if depth < len(shape) else -1
        if set(map(type, level)) != {list} or set(map(len, level)) != {wanted}:
            message = (
                f"The nested 'data' of the input {name!r} is not of the shape {list(shape)}; "
                "expected lists nested like the shape, or one flat list."
            )
            raise RequestError(message)
        level = list(chain.from_iterable(level))
    return level


@functools.lru_cache(maxsize=256)
def _packer(datatype: str, count: int) -> struct.Struct:
    return struct.Struct(f"={count}{PACK_CODES[datatype]}")


def _typed(elements: list[Any], tensor: Tensor) -> Array:
    kind = tensor.dtype.kind
    if tensor.gaps:
        elements = [math.nan if each is None else each for each in elements]
    accepted = {"b": {bool}, "f": NUMBERS, "O": {str}}.get(kind, {int})
    if not set(map(type, elements)) <= accepted:
        wrong = next(each for each in elements if type(each) not in accepted)
        words = {"b": "true or false", "f": "numbers", "O": "texts"}
        message = (
            f"The input {tensor.name!r} holds {wrong!r:.40}; expected "
            f"{words.get(kind, 'whole numbers')}, because its datatype is {tensor.datatype}."
        )
        raise RequestError(message)
    if kind == "O":
        texts = np.empty(len(elements), tensor.dtype)
        texts[:] = elements
        return texts
    if len(elements) <= MOST_PACKED:
        try:
            content = _packer(tensor.datatype, len(elements)).pack(*elements)
        except (struct.error, OverflowError) as error:
            raise _beyond(tensor) from error
        return np.frombuffer(content, tensor.dtype)
    array: Array | None = None
    with contextlib.suppress(OverflowError), np.errstate(over="ignore"):
        array = np.array(elements, dtype=tensor.dtype)
    if array is None or not _holds(array, tensor):
        raise _beyond(tensor)
    return array


def _holds(array: Array, tensor: Tensor) -> bool:
    """Say whether numbers are finite, or missing where that is allowed."""
    if array.dtype.kind != "f":
        return True
    return not np.isinf(array).any() if tensor.gaps else bool(np.isfinite(array).all())


def _beyond(tensor: Tensor) -> RequestError:
    message = (
        f"The input {tensor.name!r} holds a number that {tensor.datatype} cannot hold; expected "
        "finite numbers in its range."
    )
    return RequestError(message)


def _kind(value: object) -> str:
    return JSON_NAMES.get(type(value), f"the number {value!r:.40}")


def _names(names: Mapping[str, Any] | tuple[str, ...]) -> str:
    return ", ".join(f"{name!r:.80}" for name in names)


def _example(tensor: Tensor) -> str:
    fields = f'"name": "{tensor.name}", "datatype": "{tensor.datatype}"'
    return f'{{{fields}, "shape": {[1, *tensor.shape[1:]]}, "data": [...]}}'
