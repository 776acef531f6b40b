"""HTTP clients that ask once more where that can do no harm and may help.

Once more is asked where no connection was made, where it broke before an answer came, and where the
server is busy (429, after the time that it names) or not ready (503). What must not be sent twice
is sent again only where the server cannot have begun with the first.
"""

import asyncio
import time
from typing import Any

import httpx

__all__ = ["AsyncClient", "Client"]

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
NOT_READY_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0


class Client(httpx.Client):
    """The client of `httpx` that asks once more."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        """Send a request, and where that fails and may help, once more."""
        try:
            response = super().send(request, **options)
        except httpx.TransportError as error:
            if not _may_follow(request, error):
                raise
            return super().send(request, **options)
        wait_s = _wait_s(request, response)
        if wait_s is None:
            return response
        response.close()
        time.sleep(wait_s)
        return super().send(request, **options)


class AsyncClient(httpx.AsyncClient):
    """The asynchronous client of `httpx` that asks once more."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        """Send a request, and where that fails and may help, once more."""
        try:
            response = await super().send(request, **options)
        except httpx.TransportError as error:
            if not _may_follow(request, error):
                raise
            return await super().send(request, **options)
        wait_s = _wait_s(request, response)
        if wait_s is None:
            return response
        await response.aclose()
        await asyncio.sleep(wait_s)
        return await super().send(request, **options)


def _may_follow(request: httpx.Request, error: httpx.TransportError) -> bool:
    """Say whether a request may be sent again after an error of the connection."""
    if isinstance(error, httpx.TimeoutException) or not _is_whole(request):
        return False
    return isinstance(error, httpx.ConnectError) or _is_idempotent(request)


def _wait_s(request: httpx.Request, response: httpx.Response) -> float | None:
    """Return how long to wait before a request is sent again; None where it is not to be."""
    if response.status_code not in (429, 503) or not _is_whole(request):
        return None
    if response.status_code == 503 and not _is_idempotent(request):
        return None
    told = response.headers.get("retry-after", "")
    wait_s = float(told) if told.isdecimal() else NOT_READY_WAIT_S
    patience_s = request.extensions.get("timeout", {}).get("read") or LONGEST_WAIT_S
    return wait_s if wait_s <= min(patience_s, LONGEST_WAIT_S) else None


def _is_whole(request: httpx.Request) -> bool:
    """Say whether a request's body is still there after it was sent."""
    return isinstance(request.stream, httpx.ByteStream)


def _is_idempotent(request: httpx.Request) -> bool:
    return request.method in IDEMPOTENT or request.url.path.endswith("/infer")
