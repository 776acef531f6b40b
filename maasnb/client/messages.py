"""The bytes of inference as a client sends and reads them: JSON, or binary data behind it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.tensors import Tensor, packed, unpacked

__all__ = ["BINARY_EXTENSION", "HEADER_SIZE", "infer_answer", "infer_request"]

Array = np.ndarray[Any, np.dtype[Any]]

BINARY_EXTENSION = "binary_tensor_data"
HEADER_SIZE = "inference-header-content-length"


def infer_request(array: Array, tensor: Tensor, *, binary: bool) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of an inference request.

    Args:
        array: the examples [n, ...], in the tensor's datatype.
        tensor: the input that they are for.
        binary: send the examples, and ask for the answer, as binary data.
    """
    told: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(array.shape),
    }
    if not binary:
        data = array.reshape(-1).tolist()
        if tensor.gaps:
            data = [None if each != each else each for each in data]
        body = {"inputs": [{**told, "data": data}]}
        return _json(body), {"content-type": "application/json"}
    content = packed(array)
    told["parameters"] = {"binary_data_size": len(content)}
    header = _json({"inputs": [told], "parameters": {"binary_data_output": True}})
    return header + content, {
        "content-type": "application/octet-stream",
        HEADER_SIZE: str(len(header)),
    }


def infer_answer(content: bytes, headers: Mapping[str, str], name: str) -> Array:
    """Return an output of an answer.

    Args:
        content: the answer's body.
        headers: its headers, found by their names in lower case.
        name: the output's name.

    Raises:
        KeyError: it is not there, or one of its fields.
        TypeError: a field is of another kind than the protocol says.
        ValueError: data and shape do not fit, or the body is no JSON.
    """
    size = int(headers.get(HEADER_SIZE) or len(content))
    outputs = json.loads(content[:size])["outputs"]
    place = size
    for output in outputs:
        length = (output.get("parameters") or {}).get("binary_data_size")
        if output["name"] == name:
            datatype = str(output.get("datatype", "FP32"))
            dtype = np.float32 if datatype.startswith("FP") else None
            if length is None:
                flat = np.array(output["data"], dtype=object if datatype == "BYTES" else dtype)
            else:
                flat = unpacked(content[place : place + length], datatype)
                flat = flat if dtype is None else flat.astype(dtype, copy=False)
            return flat.reshape(output["shape"])
        place += length or 0
    raise KeyError(name)


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
