"""Inference: the short way from a request's bytes to an answer's.

Most requests are answered on their connection, by `Express`: their bodies are small, the model is
in memory, and nothing is waited for but the run. The others take the way of all requests, through
the application, and come to the same steps.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from maasnb.errors import MaasError, RequestError
from maasnb.runtimes.protocol import Array
from maasnb.serve.access import principal_of
from maasnb.serve.answers import (
    DisconnectedError,
    Receive,
    Scope,
    failure,
    json_headers,
    message_headers,
    read_body,
    retry_headers,
    status_of,
)
from maasnb.serve.batching import Outcome
from maasnb.serve.models import LoadedModel
from maasnb.serve.services import Services
from maasnb.serve.traffic import Choice
from maasnb.serve.wire import InferRequest, Message, decode_infer, encode_infer, header_size

__all__ = ["INFER_PATH", "Express", "Reply", "infer"]

INFER_PATH = re.compile(r"/v2/models/([^/]{1,200})(?:/versions/([^/]{1,40}))?/infer\Z")
DEFAULT_TIMEOUT_S = 60.0
LONGEST_TIMEOUT_S = 3600.0
BINARY_LIMIT_BYTES = 64 << 20
# JSON takes up to 20 times its size in memory, and a core for 10 ms a MB, before it can be checked.
JSON_LIMIT_BYTES = 16 << 20
EXPRESS_LIMIT_BYTES = 64 << 10

Headers = Sequence[tuple[bytes, bytes]]
Reply = Callable[[int, Headers, bytes], None]
"""What sends an answer: its status, headers and body."""


async def infer(
    services: Services, name: str, segment: str | None, scope: Scope, receive: Receive
) -> Message:
    """Answer an inference request.

    Args:
        services: the server's parts.
        name: the model's name.
        segment: the version as the path has it; None where it has none.
        scope: the request.
        receive: where its body comes from.

    Returns:
        The answer, with binary data where the request asks for that.

    Raises:
        MaasError: the request is refused; the kind of the error says why.
    """
    principal_of(scope).require("predict", name)
    json_size, timeout_s = _head(dict(scope["headers"]))
    limit_bytes = JSON_LIMIT_BYTES if json_size is None else BINARY_LIMIT_BYTES
    body = await read_body(scope, receive, limit_bytes)
    # From here on the time is the server's, not the sender's.
    started = perf_counter()
    traffic, models = services.traffic, services.models
    choice = traffic.ready(name, segment) or await traffic.find(name, segment)
    loaded = models.ready(name, choice.version) or await models.get(name, choice.version)
    run = _Run(services, choice, loaded, started)
    try:
        request = run.read(body, json_size)
        gone = scope.get("maasnb.gone", _here)
        outputs = await loaded.batcher.answer(request.inputs, request.rows, timeout_s, gone)
        return run.end(request, outputs)
    except DisconnectedError:
        raise
    except Exception as error:
        run.fail(error)
        raise


class Express:
    """Answers inference on the connection that it comes by, without a task for each request."""

    def __init__(self, services: Services) -> None:
        """Take the server's parts."""
        self._services = services

    def take(self, scope: Scope) -> Callable[[bytes, Reply], bool] | None:
        """Look at the head of a request.

        Returns:
            What answers the request, once given its whole body and what sends the answer, or says
            that it does not; None where it is not for here. What is not answered here goes to the
            application, which also says what is wrong with a head.
        """
        path = INFER_PATH.match(scope["path"]) if scope["method"] == "POST" else None
        if path is None:
            return None
        headers = dict(scope["headers"])
        size = headers.get(b"content-length", b"")
        if not size.isdigit() or len(size) > 5 or int(size) > EXPRESS_LIMIT_BYTES:
            return None
        try:
            principal = scope["maasnb.principal"] = self._services.access.principal(scope)
            principal.require("predict", path[1])
            json_size, timeout_s = _head(headers)
        except MaasError:
            return None
        return functools.partial(self._answer, path[1], path[2], json_size, timeout_s, scope)

    def _answer(
        self,
        name: str,
        segment: str | None,
        json_size: int | None,
        timeout_s: float,
        scope: Scope,
        body: bytes,
        reply: Reply,
    ) -> bool:
        started = perf_counter()
        services = self._services
        choice = services.traffic.ready(name, segment)
        loaded = None if choice is None else services.models.ready(name, choice.version)
        if choice is None or loaded is None:
            return False  # It must be read or loaded first.
        run = _Run(services, choice, loaded, started)
        try:
            request = run.read(body, json_size)
            tell = functools.partial(self._tell, run, request, reply)
            gone = scope["maasnb.gone"]
            loaded.batcher.join(request.inputs, request.rows, timeout_s, gone, tell)
        except Exception as error:  # noqa: BLE001 - every failure is answered in words
            self._refuse(run, reply, error)
        return True

    def _tell(self, run: "_Run", request: InferRequest, reply: Reply, outcome: Outcome) -> None:
        if isinstance(outcome, DisconnectedError):
            return
        try:
            if isinstance(outcome, Exception):
                raise outcome
            message = run.end(request, outcome)
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(run, reply, error)
        else:
            reply(200, message_headers(message), message.body)

    def _refuse(self, run: "_Run", reply: Reply, error: Exception) -> None:
        run.fail(error)
        status, body = failure(error)
        self._services.counters.fail(status)
        reply(status, json_headers(status, body, retry_headers(error)), body)


class _Run:
    """One request whose version is known and in memory: run, answered and counted."""

    __slots__ = ("_choice", "_counts", "_loaded", "_services", "_started")

    def __init__(
        self, services: Services, choice: Choice, loaded: LoadedModel, started: float
    ) -> None:
        self._services, self._choice, self._loaded = services, choice, loaded
        self._counts = services.counters.of(loaded.name, loaded.version)
        self._started = started

    def read(self, body: bytes, json_size: int | None) -> InferRequest:
        """Return the request that a body holds."""
        manifest = self._loaded.manifest
        request = decode_infer(body, manifest.signature, json_size)
        # Before it is in a batch with others, whom it would spoil.
        manifest.check(request.inputs)
        self._loaded.batcher.counts = self._counts
        return request

    def end(self, request: InferRequest, outputs: Mapping[str, Array]) -> Message:
        """Return the answer, and count the request."""
        services, loaded, choice = self._services, self._loaded, self._choice
        message = encode_infer(loaded.name, loaded.version, request, outputs)
        self._counts.count(perf_counter() - self._started, request.rows, 200)
        inputs = request.inputs
        services.drift.observe(loaded.name, loaded.version, inputs, outputs, loaded.summary)
        if choice.shadow is not None:
            shadows = services.shadows
            shadows.observe(loaded.name, loaded.version, choice.shadow, inputs, outputs)
        return message

    def fail(self, error: Exception) -> None:
        """Count the request as one that failed."""
        self._counts.count(perf_counter() - self._started, 0, status_of(error))


def _head(headers: Mapping[bytes, bytes]) -> tuple[int | None, float]:
    """Return how many bytes of a body are JSON, None for all, and how long its answer may take."""
    json_size = header_size(headers.get(b"inference-header-content-length", b""))
    return json_size, _timeout(headers.get(b"x-request-timeout"))


def _timeout(value: bytes | None) -> float:
    """Return how long an answer may take, seconds, as the request says."""
    if value is None:
        return DEFAULT_TIMEOUT_S
    try:
        timeout_s = float(value)
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s <= LONGEST_TIMEOUT_S:
        message = (
            f"The header X-Request-Timeout is {value.decode('latin-1')!r:.40}; expected seconds, "
            f"more than 0 and at most {LONGEST_TIMEOUT_S:g}."
        )
        raise RequestError(message)
    return timeout_s


def _here() -> bool:
    return False
