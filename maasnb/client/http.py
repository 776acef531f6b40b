"""A connection to a server: keep-alive, and every failure as one of maasnb's own errors."""

import ipaddress
import json
import os
import ssl
import weakref
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from maasnb.client.messages import BINARY_EXTENSION
from maasnb.errors import (
    AccessError,
    ArtifactError,
    ConflictError,
    DeadlineError,
    EndpointError,
    ForbiddenError,
    MaasError,
    OptionError,
    OverloadError,
    RequestError,
    UnknownNameError,
    missing_package,
)

if TYPE_CHECKING:
    import httpx

    from maasnb.client.retrying import AsyncClient

__all__ = ["AsyncConnection", "Connection"]

CONNECT_S = 5.0
ANSWER_S = 120.0


class Connection:
    """Requests to one server with one token."""

    def __init__(self, url: str, token: str = "") -> None:
        """Remember where the server is; nothing is sent yet.

        Args:
            url: the server's address, such as `http://127.0.0.1:8080`.
            token: what the server asks for; empty for none.

        Raises:
            OptionError: the URL is none.
            MissingPackageError: httpx is not installed.
        """
        try:
            import httpx  # noqa: PLC0415 - only a client needs it, and it takes time to import

            from maasnb.client.retrying import Client  # noqa: PLC0415 - as above
        except ImportError as error:
            raise missing_package("Calling a server", "httpx", "serve") from error
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = f"{url!r} is no server; expected an address such as 'http://127.0.0.1:8080'."
            raise OptionError(message)
        self.url = url.rstrip("/")
        self._httpx = httpx
        # A proxy of the environment cannot reach this machine's own loopback.
        trust_env = not _is_loopback(parts.hostname)
        self._options: dict[str, Any] = {
            "headers": {"authorization": f"Bearer {token}"} if token else {},
            "timeout": httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            "trust_env": trust_env,
            # A certificate of one's own is trusted there too.
            "verify": True if trust_env or parts.scheme == "http" else _trusted(),
        }
        self._client = Client(**self._options)
        # An endpoint that is forgotten in a notebook leaves no open socket.
        self._close = weakref.finalize(self, self._client.close)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a path.

        Raises:
            EndpointError: the server is not there or fails.
            AccessError: it refuses the token.
            UnknownNameError: it does not know the name.
            RequestError: it refuses the request.
        """
        return self._answer("GET", path, None, "application/json")

    def post(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send JSON data and return the answer; raise as `get` does."""
        content = json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
        return self._answer("POST", path, content, "application/json")

    def send(self, method: str, path: str, content: bytes) -> dict[str, Any]:
        """Send bytes and return the answer; raises as `get`."""
        return self._answer(method, path, content, "application/octet-stream")

    def has(self, path: str) -> bool:
        """Say whether there is something at a path; raises as `get`."""
        response = self._request("HEAD", path, None, "application/json")
        if response.status_code not in (200, 404):
            self._refuse(response)
        return response.status_code == 200

    def events(self, path: str, data: dict[str, Any]) -> Iterator[str]:
        """Send JSON data and yield the data of each server-sent event; raises as `get`."""
        content = json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        try:
            with self._client.stream(
                "POST", self.url + path, content=content, headers=headers
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    self._refuse(response)
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield line.removeprefix("data:").strip()
        except self._httpx.HTTPError as error:
            message = (
                f"The answer of {self.url} broke off ({type(error).__name__}: {error}). Is the "
                "server running? Try again."
            )
            raise EndpointError(message) from error

    def content(self, path: str, most_bytes: int) -> bytes:
        """Return the bytes at a path, which may be so many; raises as `get`."""
        found = bytearray()
        try:
            with self._client.stream("GET", self.url + path) as response:
                if response.status_code >= 400:
                    response.read()
                    self._refuse(response)
                for part in response.iter_bytes():
                    found += part
                    if len(found) > most_bytes:
                        message = (
                            f"The server at {self.url} sends more than the {most_bytes} bytes that "
                            f"there should be at {path}; expected no more. Ask whoever runs it."
                        )
                        raise EndpointError(message)
        except self._httpx.HTTPError as error:
            raise self._lost("GET", path, error) from error
        return bytes(found)

    def stored(self, path: str) -> tuple[bool, int]:
        """Say whether a blob is at a path, else how many bytes of it are there; raises as `get`."""
        response = self._request("HEAD", path, None, "application/json")
        if response.status_code not in (200, 404):
            self._refuse(response)
        offset = response.headers.get("upload-offset", "")
        return response.status_code == 200, int(offset) if offset.isdecimal() else 0

    def put_from(
        self, path: str, offset: int, total: int, pieces: Iterator[bytes]
    ) -> dict[str, Any]:
        """Send the rest of a blob, piece by piece; raises as `get`.

        Args:
            path: where to.
            offset: how many bytes of it are there.
            total: how many it has.
            pieces: the bytes from there on.
        """
        headers = {"content-length": str(total - offset)}
        if total:
            headers["content-range"] = f"bytes {offset}-{total - 1}/{total}"
        return self._answer("PUT", path, pieces, "application/octet-stream", headers)

    @cached_property
    def speaks_binary(self) -> bool:
        """Say whether the server takes binary tensor data; asks it once."""
        try:
            return _announces_binary(self.get("/v2"))
        except MaasError:
            return False

    def infer(
        self, path: str, content: bytes, headers: dict[str, str], timeout_s: float | None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Send an inference request and return the answer's body and headers.

        Args:
            path: where to.
            content: its body.
            headers: what its body is.
            timeout_s: how long the answer may take, seconds; None for two minutes.

        Raises:
            DeadlineError: it took longer.
            OverloadError: the server has too much to do.
            MaasError: as `get`.
        """
        try:
            response = self._client.post(
                self.url + path, content=content, **_timed(headers, timeout_s)
            )
        except self._httpx.HTTPError as error:
            raise self._lost("POST", path, error, timeout_s) from error
        if response.status_code >= 400:
            self._refuse(response)
        return response.content, response.headers

    def asynchronous(self) -> "AsyncConnection":
        """Return a connection to the same server, with the same token, for an event loop."""
        from maasnb.client.retrying import AsyncClient  # noqa: PLC0415 - imports httpx

        return AsyncConnection(self, AsyncClient(**self._options))

    def _lost(
        self, method: str, path: str, error: Exception, timeout_s: float | None = None
    ) -> MaasError:
        """Return what to say where there is no answer."""
        late = isinstance(error, self._httpx.TimeoutException)
        if late and not isinstance(error, self._httpx.ConnectTimeout) and timeout_s is not None:
            message = (
                f"The server at {self.url} did not answer {method} {path} within {timeout_s:g} s; "
                "expected an answer. Ask for fewer examples at once, or give it more time."
            )
            return DeadlineError(message)
        if late:
            message = (
                f"The server at {self.url} did not answer {method} {path} in time "
                f"({type(error).__name__}). Is it busy? Try again, or send fewer examples."
            )
            return EndpointError(message)
        message = (
            f"There is no answer from {self.url} ({error}). Is the server running? Start it "
            "with: maasnb serve; or type mb.connect('name') again, which starts the "
            "workspace's own."
        )
        return EndpointError(message, lost=True)

    def close(self) -> None:
        """Close the connection for good."""
        self._close()

    def _answer(
        self,
        method: str,
        path: str,
        content: bytes | Iterator[bytes] | None,
        kind: str,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        response = self._request(method, path, content, kind, headers)
        if response.status_code >= 400:
            self._refuse(response)
        return self._object(response, method, path)

    def _object(self, response: "httpx.Response", method: str, path: str) -> dict[str, Any]:
        data = self._json(response)
        if data is None:
            message = (
                f"The server at {self.url} answered {method} {path} with something other than a "
                "JSON object. Is it a maasnb server or one of the Open Inference Protocol?"
            )
            raise EndpointError(message)
        return data

    def _request(
        self,
        method: str,
        path: str,
        content: bytes | Iterator[bytes] | None,
        kind: str,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx.Response":
        try:
            return self._client.request(
                method,
                self.url + path,
                content=content,
                headers={"content-type": kind, **(headers or {})},
            )
        except self._httpx.HTTPError as error:
            raise self._lost(method, path, error) from error

    def _refuse(self, response: "httpx.Response") -> NoReturn:
        data = self._json(response) or {}
        words = data.get("error")
        words = words.get("message") if isinstance(words, dict) else words  # as OpenAI has it
        said = words if isinstance(words, str) else f"no words ({response.text[:200]!r})"
        status = response.status_code
        if status == 403:
            raise ForbiddenError(f"The server at {self.url} refused: {said}")
        if status == 401:
            message = (
                f"The server at {self.url} refused the token: {said} Give the right one: "
                "mb.connect(name, to=url, token=...) or %env MAASNB_TOKEN=..."
            )
            raise AccessError(message)
        if status == 404:
            raise UnknownNameError(f"{said} (server {self.url})", name=response.url.path)
        if status == 429:
            wait = response.headers.get("retry-after", "")
            wait_s = float(wait) if wait.isdecimal() else 1.0
            raise OverloadError(f"The server at {self.url} is busy: {said}", retry_after_s=wait_s)
        if status == 504:
            raise DeadlineError(f"The server at {self.url} gave up: {said}")
        if status >= 500:
            message = f"The server at {self.url} failed with status {status}: {said}"
            raise EndpointError(message)
        kind = {409: ConflictError, 422: ArtifactError}.get(status, RequestError)
        raise kind(f"The server at {self.url} refused: {said}")

    def _json(self, response: "httpx.Response") -> dict[str, Any] | None:
        try:
            data = json.loads(response.content)
        except ValueError:
            return None
        return data if isinstance(data, dict) else None


class AsyncConnection:
    """Requests to one server with one token, on an event loop."""

    def __init__(self, connection: Connection, client: "AsyncClient") -> None:
        """Take the connection whose words are used, and a client."""
        self._connection = connection
        self._client = client
        self._binary: bool | None = None

    async def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a path; raises as `Connection.get`."""
        try:
            response = await self._client.get(self._connection.url + path)
        except self._connection._httpx.HTTPError as error:
            raise self._connection._lost("GET", path, error) from error
        if response.status_code >= 400:
            self._connection._refuse(response)
        return self._connection._object(response, "GET", path)

    async def speaks_binary(self) -> bool:
        """Say whether the server takes binary tensor data; asks it once."""
        if self._binary is None:
            try:
                self._binary = _announces_binary(await self.get("/v2"))
            except MaasError:
                self._binary = False
        return self._binary

    async def infer(
        self, path: str, content: bytes, headers: dict[str, str], timeout_s: float | None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Send an inference request; takes, returns and raises as `Connection.infer`."""
        url = self._connection.url + path
        try:
            response = await self._client.post(url, content=content, **_timed(headers, timeout_s))
        except self._connection._httpx.HTTPError as error:
            raise self._connection._lost("POST", path, error, timeout_s) from error
        if response.status_code >= 400:
            self._connection._refuse(response)
        return response.content, response.headers

    async def close(self) -> None:
        """Close the connection for good."""
        await self._client.aclose()


def _timed(headers: dict[str, str], timeout_s: float | None) -> dict[str, Any]:
    """Return the headers, and where a time is given, the time for server and client."""
    if timeout_s is None:
        return {"headers": headers}
    # The server's own word comes first where it can.
    return {"headers": {**headers, "x-request-timeout": f"{timeout_s:g}"}, "timeout": timeout_s + 1}


def _announces_binary(metadata: Mapping[str, Any]) -> bool:
    extensions = metadata.get("extensions")
    return isinstance(extensions, list) and BINARY_EXTENSION in extensions


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    file = os.environ.get("SSL_CERT_FILE")
    if file:
        context.load_verify_locations(file)
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
