"""Reading a request's body within limits, and answering over bare ASGI."""

import dataclasses
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from starlette.responses import Response

from maasnb.errors import (
    AccessError,
    ArtifactError,
    ConflictError,
    DataError,
    DeadlineError,
    EndpointError,
    ForbiddenError,
    MaasError,
    MissingPackageError,
    OptionError,
    OverloadError,
    RequestError,
    ShapeError,
    UnknownNameError,
    WorkspaceError,
)
from maasnb.serve.wire import Message, encode

__all__ = [
    "BodyTooLargeError",
    "DisconnectedError",
    "Receive",
    "Scope",
    "Send",
    "failure",
    "header",
    "json_headers",
    "json_response",
    "message_headers",
    "read_body",
    "retry_headers",
    "send_json",
    "send_message",
    "status_of",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LOG = logging.getLogger(__name__)
JSON_TYPE = (b"content-type", b"application/json")
# What bodies that have not come whole may hold of the memory, all together.
MOST_READ_BYTES = 256 << 20
BINARY_TYPE = (b"content-type", b"application/octet-stream")
STATUS = {
    AccessError: 401,
    ArtifactError: 422,
    ConflictError: 409,
    DataError: 400,
    DeadlineError: 504,
    EndpointError: 503,
    ForbiddenError: 403,
    MissingPackageError: 422,
    OptionError: 400,
    OverloadError: 429,
    RequestError: 400,
    ShapeError: 400,
    UnknownNameError: 404,
    WorkspaceError: 507,
}


@dataclasses.dataclass(slots=True)
class _Read:
    """Count the bytes of bodies that have not come whole yet, of all requests."""

    size_bytes: int = 0


_partly_read = _Read()


class BodyTooLargeError(RequestError):
    """Say that a request's body is larger than this route takes."""


class DisconnectedError(Exception):
    """Say that the sender went away in the middle of a request."""


def header(scope: Scope, name: bytes) -> str:
    """Return a header of a request, empty where it is missing."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """Return a request's body.

    Raises:
        BodyTooLargeError: it is larger than the limit, by its header or in fact.
        OverloadError: large bodies of other requests are being read.
        DisconnectedError: the sender went away.
    """
    length = header(scope, b"content-length")
    if length.isdecimal() and int(length[:18]) > limit_bytes:
        raise _too_large(length, limit_bytes)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body = message.get("body", b"")
        if len(body) > limit_bytes:
            raise _too_large(str(len(body)), limit_bytes)
        return body
    return await _read_on(message, receive, limit_bytes)


async def _read_on(message: MutableMapping[str, Any], receive: Receive, limit_bytes: int) -> bytes:
    """Return a body that comes in parts."""
    parts: list[bytes] = []
    size_bytes = 0
    try:
        while True:
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            part = message.get("body", b"")
            size_bytes += len(part)
            _partly_read.size_bytes += len(part)
            if size_bytes > limit_bytes:
                raise _too_large(str(size_bytes), limit_bytes)
            # One body always gets through, however large.
            if MOST_READ_BYTES < _partly_read.size_bytes != size_bytes:
                words = "The server reads as much as it can hold; expected fewer bytes at once."
                raise OverloadError(words)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await receive()
    finally:
        _partly_read.size_bytes -= size_bytes


def json_response(data: Mapping[str, Any] | list[Any], status: int = 200) -> Response:
    """Return a route's answer as JSON."""
    return Response(encode(data), status, media_type="application/json")


def json_headers(
    status: int, body: bytes, more: Sequence[tuple[bytes, bytes]] = ()
) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer in JSON."""
    headers = [JSON_TYPE, (b"content-length", str(len(body)).encode()), *more]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def message_headers(message: Message) -> list[tuple[bytes, bytes]]:
    """Return the headers of the answer to an inference request."""
    size = (b"content-length", str(len(message.body)).encode())
    if message.header_size is None:
        return [JSON_TYPE, size]
    json_size = str(message.header_size).encode()
    return [BINARY_TYPE, size, (b"inference-header-content-length", json_size)]


async def send_json(
    send: Send, status: int, body: bytes, more: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with JSON bytes, and with more headers where there are any."""
    await _send(send, status, json_headers(status, body, more), body)


async def send_message(send: Send, message: Message) -> None:
    """Answer an inference request."""
    await _send(send, 200, message_headers(message), message.body)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def status_of(error: BaseException) -> int:
    """Return the HTTP status that an error is answered with; 500 for one that nobody foresaw."""
    if isinstance(error, BodyTooLargeError):
        return 413
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def failure(error: Exception) -> tuple[int, bytes]:
    """Return the status and the body that say why a request failed."""
    status = status_of(error)
    if status != 500:
        return status, encode({"error": str(error)})
    LOG.error("A request failed", exc_info=error)
    reason = str(error) if isinstance(error, MaasError) else f"{type(error).__name__}"
    message = f"The server failed while answering ({reason}); its log says more."
    return 500, encode({"error": message})


def retry_headers(error: Exception) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that says when to ask again, where an error says so."""
    if not isinstance(error, OverloadError):
        return ()
    return ((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()),)


def _too_large(size: str, limit_bytes: int) -> BodyTooLargeError:
    message = f"The body has {size:.20} bytes; expected at most {limit_bytes}. Send fewer at once."
    return BodyTooLargeError(message)
