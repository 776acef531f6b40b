"""A connection to a server: keep-alive, and every failure as one of maasnb's own errors."""

import ipaddress
import json
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from maasnb.errors import (
    AccessError,
    ArtifactError,
    ConflictError,
    DeadlineError,
    EndpointError,
    ForbiddenError,
    OptionError,
    OverloadError,
    RequestError,
    UnknownNameError,
    missing_package,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Connection"]

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
        except ImportError as error:
            raise missing_package("Calling a server", "httpx", "serve") from error
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = f"{url!r} is no server; expected an address such as 'http://127.0.0.1:8080'."
            raise OptionError(message)
        self.url = url.rstrip("/")
        self._httpx = httpx
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # A proxy of the environment cannot reach this machine's own loopback.
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=not _is_loopback(parts.hostname),
        )
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
        except self._httpx.TimeoutException as error:
            message = (
                f"The server at {self.url} did not answer {method} {path} in time "
                f"({type(error).__name__}). Is it busy? Try again, or send fewer examples."
            )
            raise EndpointError(message) from error
        except self._httpx.HTTPError as error:
            message = (
                f"There is no answer from {self.url} ({error}). Is the server running? Start it "
                "with: maasnb serve; or type mb.connect('name') again, which starts the "
                "workspace's own."
            )
            raise EndpointError(message, lost=True) from error

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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
