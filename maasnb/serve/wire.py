"""The Open Inference Protocol V2 in JSON: a request's bytes to arrays, arrays to an answer's bytes.

Nothing in a request is believed. Names, datatypes and shapes must be those of the model's
signature, a shape must match the numbers that were sent before any array is made, and every refusal
says what was expected.
"""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import orjson

from maasnb.errors import RequestError
from maasnb.tensors import Signature, Tensor

__all__ = ["InferRequest", "decode_infer", "decode_object", "encode", "encode_infer"]

Array = np.ndarray[Any, np.dtype[Any]]

LONGEST_ID = 256
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
        outputs: the names of the outputs that are wanted, in order.
        id: what the sender calls the request, or None.
        rows: the number of examples.
    """

    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]
    id: str | None
    rows: int


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


def decode_infer(body: bytes, signature: Signature) -> InferRequest:
    """Return the arrays of an infer request.

    Args:
        body: the request's bytes.
        signature: what the model takes and returns.

    Raises:
        RequestError: the request does not fit; the message says where and what was expected.
    """
    data = decode_object(body)
    request_id = data.get("id")
    if request_id is not None and (not isinstance(request_id, str) or len(request_id) > LONGEST_ID):
        message = f"The field 'id' is {_kind(request_id)}; expected a text of at most {LONGEST_ID}."
        raise RequestError(message)
    given = _by_name(data, "inputs")
    known = {tensor.name: tensor for tensor in signature.inputs}
    if given.keys() != known.keys():
        message = (
            f"The request has the inputs {_names(given)}; expected exactly {_names(known)}, as "
            f'in {{"inputs": [{_example(signature.inputs[0])}]}}.'
        )
        raise RequestError(message)
    arrays = {name: _array(given[name], tensor) for name, tensor in known.items()}
    rows = {len(array) for array in arrays.values()}
    if len(rows) != 1:
        message = f"The inputs have {sorted(rows)} examples; expected the same number in each."
        raise RequestError(message)
    return InferRequest(arrays, _outputs(data, signature), request_id, rows.pop())


def encode_infer(
    name: str, version: int, request: InferRequest, arrays: Mapping[str, Array]
) -> bytes:
    """Return the answer to an infer request as JSON."""
    outputs = [
        {
            "name": output,
            "datatype": "FP32",
            "shape": arrays[output].shape,
            "data": np.ascontiguousarray(arrays[output], dtype=np.float32).reshape(-1),
        }
        for output in request.outputs
    ]
    answer: dict[str, Any] = {
        "model_name": name,
        "model_version": str(version),
        "outputs": outputs,
    }
    if request.id is not None:
        answer["id"] = request.id
    return encode(answer)


def encode(data: Mapping[str, Any]) -> bytes:
    """Return JSON bytes; arrays of NumPy become lists."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


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


def _outputs(data: Mapping[str, Any], signature: Signature) -> tuple[str, ...]:
    known = tuple(tensor.name for tensor in signature.outputs)
    if data.get("outputs") is None:
        return known
    wanted = _by_name(data, "outputs")
    for name in wanted:
        if name not in known:
            message = f"There is no output {name!r:.80}; expected some of {_names(known)}."
            raise RequestError(message)
    return tuple(wanted)


def _array(given: Mapping[str, Any], tensor: Tensor) -> Array:
    name = tensor.name
    datatype = given.get("datatype")
    if datatype != tensor.datatype:
        message = (
            f"The input {name!r} has the datatype {datatype!r:.40}; expected {tensor.datatype!r}."
        )
        raise RequestError(message)
    shape = _shape(given.get("shape"), tensor)
    data = given.get("data")
    if not isinstance(data, list):
        message = (
            f"The field 'data' of the input {name!r} is {_kind(data)}; expected a list of numbers "
            "(binary tensor data is not spoken here)."
        )
        raise RequestError(message)
    numbers = _flat(data, shape, name)
    count = math.prod(shape)
    if len(numbers) != count:
        message = (
            f"The input {name!r} has {len(numbers)} numbers, but its shape {list(shape)} means "
            f"{count}; expected one number for each."
        )
        raise RequestError(message)
    return _typed(numbers, tensor).reshape(shape)


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
    """Return row-major numbers, which may come flat or nested like the shape."""
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


def _typed(numbers: list[Any], tensor: Tensor) -> Array:
    kind = tensor.dtype.kind
    accepted = {"b": {bool}, "f": {int, float}, "O": {str}}.get(kind, {int})
    found = set(map(type, numbers))
    if not found <= accepted:
        wrong = next(each for each in numbers if type(each) not in accepted)
        words = {"b": "true or false", "f": "numbers", "O": "texts"}
        kinds = words.get(kind, "whole numbers")
        message = (
            f"The input {tensor.name!r} holds {wrong!r:.40}; expected {kinds}, because its "
            f"datatype is {tensor.datatype}."
        )
        raise RequestError(message)
    array: Array | None = None
    with contextlib.suppress(OverflowError), np.errstate(over="ignore"):
        array = np.array(numbers, dtype=tensor.dtype)
    if array is None or (kind == "f" and not np.isfinite(array).all()):
        message = (
            f"The input {tensor.name!r} holds a number that {tensor.datatype} cannot hold; "
            "expected finite numbers in its range."
        )
        raise RequestError(message)
    return array


def _kind(value: object) -> str:
    return JSON_NAMES.get(type(value), f"the number {value!r:.40}")


def _names(names: Mapping[str, Any] | tuple[str, ...]) -> str:
    return ", ".join(f"{name!r:.80}" for name in names)


def _example(tensor: Tensor) -> str:
    fields = f'"name": "{tensor.name}", "datatype": "{tensor.datatype}"'
    return f'{{{fields}, "shape": {[1, *tensor.shape[1:]]}, "data": [...]}}'
