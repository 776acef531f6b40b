"""Inference: the short way from a request's bytes to an answer's."""

import math
import re
from time import perf_counter

from maasnb.errors import RequestError
from maasnb.serve.access import principal_of
from maasnb.serve.answers import DisconnectedError, Receive, Scope, read_body, status_of
from maasnb.serve.services import Services
from maasnb.serve.wire import Message, decode_infer, encode_infer, header_size

__all__ = ["INFER_PATH", "infer"]

INFER_PATH = re.compile(r"/v2/models/([^/]{1,200})(?:/versions/([^/]{1,40}))?/infer\Z")
DEFAULT_TIMEOUT_S = 60.0
LONGEST_TIMEOUT_S = 3600.0
BINARY_LIMIT_BYTES = 64 << 20
# JSON takes up to 20 times its size in memory, and a core for 10 ms a MB, before it can be checked.
JSON_LIMIT_BYTES = 16 << 20


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
    headers = dict(scope["headers"])
    json_size = header_size(headers.get(b"inference-header-content-length", b""))
    timeout_s = _timeout(headers.get(b"x-request-timeout"))
    limit_bytes = JSON_LIMIT_BYTES if json_size is None else BINARY_LIMIT_BYTES
    body = await read_body(scope, receive, limit_bytes)
    # From here on the time is the server's, not the sender's.
    started = perf_counter()
    traffic = services.traffic
    choice = traffic.ready(name, segment) or await traffic.find(name, segment)
    models = services.models
    loaded = models.ready(name, choice.version) or await models.get(name, choice.version)
    counts = services.counters.of(loaded.name, loaded.version)
    try:
        request = decode_infer(body, loaded.manifest.signature, json_size)
        # Before it is in a batch with others, whom it would spoil.
        loaded.manifest.check(request.inputs)
        batcher = loaded.batcher
        batcher.counts = counts
        arrays = batcher.at_once(request.inputs, request.rows)
        if arrays is None:
            gone = scope.get("maasnb.gone", _here)
            arrays = await batcher.answer(request.inputs, request.rows, timeout_s, gone)
        answer = encode_infer(loaded.name, loaded.version, request, arrays)
    except DisconnectedError:
        raise
    except Exception as error:
        counts.count(perf_counter() - started, 0, status_of(error))
        raise
    counts.count(perf_counter() - started, request.rows, 200)
    services.drift.observe(name, loaded.version, request.inputs, arrays, loaded.summary)
    if choice.shadow is not None:
        services.shadows.observe(name, loaded.version, choice.shadow, request.inputs, arrays)
    return answer


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
