"""The endpoint of a published model: what a cell calls.

It works with any server of the Open Inference Protocol V2; labels, versions and examples are there
where the server's metadata has maasnb's parameters.
"""

import dataclasses
import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike

from maasnb.client.http import Connection
from maasnb.client.messages import infer_answer, infer_request
from maasnb.client.operations import Operations
from maasnb.client.statistics import fetch_stats
from maasnb.client.streaming import Writer
from maasnb.datasets.frames import arranged
from maasnb.datasets.text import as_texts
from maasnb.errors import (
    DataError,
    EndpointError,
    MaasError,
    OptionError,
    RequestError,
    ShapeError,
    UnknownNameError,
    unknown_name,
)
from maasnb.language.translating import translated, translated_rows
from maasnb.metrics import named_labels
from maasnb.tables import aligned
from maasnb.tensors import Signature, Tensor, plain_numbers

__all__ = ["Array", "Endpoint", "fitting"]

Array = np.ndarray[Any, np.dtype[Any]]

# About 5 MB of JSON a request, far below what a server takes.
NUMBERS_A_REQUEST = 1 << 18
# The longest request that is read with ease on a command line; a longer one comes on its input.
SHORT_REQUEST = 2000


@final
class Endpoint(Operations, Writer):
    """A model behind a URL.

    Attributes:
        name: the model's name.
        version: the version or alias that answers; None for the one that the server chooses at each
            call: that of the alias `prod`, else the newest.
        signature: the tensors that it takes and returns.
        labels: the classes' names; empty where it has none.
        features: the names of a table's columns; empty where the server does not say them.
        metadata: what the server says about the model.
        remark: what publishing it led to, in words; empty for nothing special.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        version: int | str | None,
        metadata: dict[str, Any],
        token_hint: str = "$MAASNB_TOKEN",
        remark: str = "",
    ) -> None:
        """Take a connection and the model's metadata; `Endpoint.open` asks for it."""
        self.remark = remark
        self.name = name
        self.version = version
        self.metadata = metadata
        self._connection = connection
        self._token_hint = token_hint
        parameters = metadata.get("parameters")
        self._parameters: dict[str, Any] = parameters if isinstance(parameters, dict) else {}
        try:
            signature = Signature.from_json(metadata)
            gaps = self._parameters.get("gaps") is True
            inputs = tuple(dataclasses.replace(each, gaps=gaps) for each in signature.inputs)
            self.signature = dataclasses.replace(signature, inputs=inputs)
        except (KeyError, TypeError, ValueError, MaasError) as error:
            message = (
                f"The server's metadata of the model {name!r} cannot be used ({error}); expected "
                "named inputs and outputs with datatypes and shapes."
            )
            raise EndpointError(message) from error
        self.kind = str(self._parameters.get("kind") or "")
        self.labels: tuple[str, ...] = tuple(map(str, self._parameters.get("labels") or ()))
        self.features: tuple[str, ...] = tuple(map(str, self._parameters.get("features") or ()))

    @classmethod
    def open(
        cls,
        url: str,
        token: str,
        name: str,
        *,
        version: int | str | None = None,
        token_hint: str = "$MAASNB_TOKEN",
        remark: str = "",
    ) -> "Endpoint":
        """Connect to a model on a server.

        Args:
            url: the server's address.
            token: what the server asks for; empty for none.
            name: the model's name.
            version: the version or alias that is to answer; None for the one that the server
                chooses at each call.
            token_hint: the shell expression that `curl()` reads the token from.
            remark: what publishing the model led to, in words.

        Raises:
            UnknownNameError: the server has no such model or version; names the ones that it has.
            EndpointError: the server is not there.
            AccessError: it refuses the token.
        """
        connection = Connection(url, token)
        try:
            metadata = connection.get(_path(name, version))
        except UnknownNameError as error:
            raise _unknown(connection, name, version, error) from error
        return cls(
            connection,
            name,
            version=version,
            metadata=metadata,
            token_hint=token_hint,
            remark=remark,
        )

    def at(self, version: int | str) -> "Endpoint":
        """Return the endpoint of one version, or of an alias.

        Args:
            version: a number such as 3, or an alias such as "staging".

        Raises:
            UnknownNameError: the server has no such version; names the ones that it has.
        """
        try:
            metadata = self._connection.get(_path(self.name, version))
        except UnknownNameError as error:
            raise _unknown(self._connection, self.name, version, error) from error
        return Endpoint(
            self._connection,
            self.name,
            version=version,
            metadata=metadata,
            token_hint=self._token_hint,
        )

    @property
    def connection(self) -> Connection:
        """Return the connection to the server."""
        return self._connection

    @property
    def ready_path(self) -> str:
        """Return the path that says whether the model can answer."""
        return f"{_path(self.name, self.version)}/ready"

    @property
    def server(self) -> str:
        """Return the server's address."""
        return self._connection.url

    @property
    def url(self) -> str:
        """Return the address that inference requests go to."""
        return f"{self.server}{_path(self.name, self.version)}/infer"

    @property
    def versions(self) -> tuple[int, ...]:
        """Return the model's versions, the oldest first, as the server has them now."""
        found = self._connection.get(_path(self.name, None)).get("versions") or ()
        return tuple(int(version) for version in found)

    def stats(self) -> dict[str, Any]:
        """Return what the server counted for the model since it started, by version.

        Raises:
            UnknownNameError: the server has no such model, or is no maasnb server.
            EndpointError: the server is not there.
        """
        return fetch_stats(self._connection, self.name)

    def ready(self) -> bool:
        """Say whether the server is there and the model can answer."""
        try:
            answer = self._connection.get(self.ready_path)
        except (EndpointError, UnknownNameError, RequestError):
            return False
        return answer.get("ready", True) is True

    def predict(self, x: ArrayLike, *, timeout_s: float | None = None) -> Array:
        """Return the model's answers to raw examples.

        Args:
            x: raw examples [n, ...] as the data has them; a single one counts as a batch of one.
            timeout_s: how long each request may take, seconds; two minutes by default.

        Returns:
            Probabilities or values [n, outputs], float32.

        Raises:
            ShapeError: the examples are not of the model's shape.
            DataError: they are no finite numbers of the model's datatype.
            DeadlineError: the answer took too long.
            OverloadError: the server has too much to do.
            EndpointError: the server is not there or fails.
        """
        parts = [
            self.answer(*self._connection.infer(path, content, headers, timeout_s))
            for path, content, headers in self.requests(x, binary=self._connection.speaks_binary)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def classify(self, x: ArrayLike) -> Array:
        """Return the label of the most probable class of each raw example.

        Args:
            x: raw examples [n, ...]; one single example counts as a batch of one.

        Returns:
            Labels [n], text.

        Raises:
            OptionError: the model is no classifier.
        """
        self.check_classes()
        return self.labelled(self.predict(x))

    def check_classes(self) -> None:
        """Pass if the model is a classifier.

        Raises:
            OptionError: it is none.
        """
        if not self.labels:
            message = (
                f"The model {self.name!r} has no classes; it returns values. "
                "Type: endpoint.predict(x)"
            )
            raise OptionError(message)

    def labelled(self, outputs: Array) -> Array:
        """Return the label of the most probable class of each answer, or a tuple of its labels.

        Args:
            outputs: probabilities [n, classes], or [n, 1] of the second of two.
        """
        return named_labels(outputs, self.labels, self.kind)

    def curl(self) -> str:
        """Return a shell command that sends one real example and works as it is.

        The command reads the token where it is kept, so that it can be shown and shared.
        """
        tensor = self.signature.inputs[0]
        shape = [1, *(max(size, 1) for size in tensor.shape[1:])]
        nothing = "" if tensor.datatype == "BYTES" else 0
        example = self._parameters.get("example") or [nothing] * math.prod(shape)
        values = np.asarray(example, dtype=tensor.dtype)
        data = plain_numbers(values)
        inputs = [{"name": tensor.name, "datatype": tensor.datatype, "shape": shape, "data": data}]
        body = json.dumps({"inputs": inputs}, separators=(",", ":"))
        lines = [
            f"curl -sS {shlex.quote(self.url)}",
            f'-H "Authorization: Bearer {self._token_hint}"',
            "-H 'Content-Type: application/json'",
        ]
        if len(body) <= SHORT_REQUEST:
            return " \\\n  ".join([*lines, f"-d {shlex.quote(body)}"])
        return " \\\n  ".join([*lines, "--data-binary @- <<'END'"]) + f"\n{body}\nEND"

    def table(self) -> tuple[tuple[str, str], ...]:
        """Return what the endpoint is, as rows of (what, value)."""
        takes, returns = (
            ", ".join(f"{each.name} {each.datatype} {list(each.shape)}" for each in side)
            for side in (self.signature.inputs, self.signature.outputs)
        )
        rows = [("takes", takes), ("returns", returns), ("url", self.url)]
        if self.labels:
            rows.insert(2, ("classes", ", ".join(self.labels)))
        if self.remark:
            rows.append(("note", self.remark))
        return tuple(rows)

    def __str__(self) -> str:
        """Return a table of what the endpoint is."""
        shown = aligned(translated_rows(self.table()))
        rows = "\n".join(f"  {line}" for line in shown.splitlines())
        return f"{translated(f'Endpoint {self.name!r}, {self._which()}')}\n{rows}"

    def __repr__(self) -> str:
        """Return the endpoint in one line."""
        inputs, outputs = (
            ", ".join(f"{each.name} {each.datatype} {list(each.shape)}" for each in side)
            for side in (self.signature.inputs, self.signature.outputs)
        )
        return f"Endpoint({self.name!r}, {self._which()}, {inputs} -> {outputs}, {self.url})"

    def _which(self) -> str:
        if self.version is None:
            return "the version that answers now"
        return f"version {self.version}"

    def requests(
        self, x: ArrayLike, *, binary: bool
    ) -> Iterator[tuple[str, bytes, dict[str, str]]]:
        """Yield path, body and headers of each request that raw examples take.

        Args:
            x: raw examples [n, ...]; one single example counts as a batch of one.
            binary: send them as binary data.

        Raises:
            ShapeError: the examples are not of the model's shape.
            DataError: they are no finite numbers of the model's datatype.
        """
        tensor = self.signature.inputs[0]
        array = fitting(x, tensor, self.features)
        rows = max(1, NUMBERS_A_REQUEST // max(1, math.prod(array.shape[1:])))
        path = f"{_path(self.name, self.version)}/infer"
        for start in range(0, len(array), rows):
            content, headers = infer_request(array[start : start + rows], tensor, binary=binary)
            yield path, content, headers

    def answer(self, content: bytes, headers: Mapping[str, str]) -> Array:
        """Return the outputs in an answer's body.

        Raises:
            EndpointError: they are not there as the protocol says.
        """
        output = self.signature.outputs[0]
        try:
            return infer_answer(content, headers, output.name)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = (
                f"The answer of {self.url} cannot be used ({type(error).__name__}: {error}); "
                f"expected the output {output.name!r} with its shape and data."
            )
            raise EndpointError(message) from error


def _path(name: str, version: int | str | None) -> str:
    path = f"/v2/models/{quote(name, safe='')}"
    return path if version is None else f"{path}/versions/{quote(str(version), safe='')}"


def _unknown(
    connection: Connection, name: str, version: int | str | None, error: UnknownNameError
) -> UnknownNameError:
    """Return the error with the names that the server knows, where it can list them."""
    try:
        models = connection.get("/maas/v1/models")["models"]
        known = {each["name"]: each["versions"] for each in models}
    except (MaasError, KeyError, TypeError):
        return error
    where = f"(server {connection.url})"
    if name not in known:
        return unknown_name(
            "published model", name, known, f"{where} Type: mb.publish(run, 'name')"
        )
    hint = f"{where} Type: mb.connect({name!r}) for the one that answers now."
    return unknown_name(f"version of the model {name!r} called", str(version), known[name], hint)


def fitting(x: Any, tensor: Tensor, features: Sequence[str] = ()) -> Array:  # noqa: ANN401 - likewise
    """Return raw examples as the array that the model takes.

    Args:
        x: raw examples: an array, a table, or a dictionary of one row.
        tensor: what the model takes.
        features: the names of a table's columns, in order.
    """
    names = tuple(map(str, features))
    if tensor.datatype == "BYTES":
        if len(tensor.shape) != 2:
            return np.array(as_texts(x), dtype=object)
        width = tensor.shape[1]
        return arranged(x, names if len(names) == width else ("",) * width, texts=True)
    array = np.asarray(arranged(x, names, texts=False) if names else x)
    if array.dtype.kind not in "biuf":
        message = f"x holds {array.dtype} values; expected numbers, {tensor.datatype}."
        raise DataError(message)
    if array.ndim == 1 and len(array) > 1 and tensor.fits((len(array), 1)):
        array = array[:, np.newaxis]  # a single column, as in the notebook
    if not tensor.fits(array.shape) and tensor.fits((1, *array.shape)):
        array = array[np.newaxis]
    if not tensor.fits(array.shape) or len(array) == 0:
        expected = ", ".join(["n", *map(str, tensor.shape[1:])])
        single = ", ".join(map(str, tensor.shape[1:]))
        message = (
            f"x has the shape {array.shape}; expected [{expected}] with n at least 1, or one "
            f"example [{single}]. Give raw examples, as the model's data has them."
        )
        raise ShapeError(message)
    if array.dtype.kind == "f" and not (
        np.isfinite(array).all() or (tensor.gaps and not np.isinf(array).any())
    ):
        rows = np.unique(np.argwhere(~np.isfinite(array))[:, 0])[:5].tolist()
        message = f"x holds NaN or infinite values, in the rows {rows}; expected finite numbers."
        raise DataError(message)
    return _cast(array, tensor)


def _cast(array: Array, tensor: Tensor) -> Array:
    """Return an array in the model's datatype, if that loses no more than digits of a float."""
    if array.dtype == tensor.dtype:
        return array
    with np.errstate(all="ignore"):
        cast = array.astype(tensor.dtype)
    kept = not np.isinf(cast).any() if tensor.dtype.kind == "f" else np.array_equal(cast, array)
    if not kept:
        message = (
            f"x holds {array.dtype} values that {tensor.datatype} cannot hold; expected values of "
            "the kind that the model was trained on."
        )
        raise DataError(message)
    return cast
