"""Inference: the short way from a request's bytes to an answer's.

Small answers are computed on the event loop, where that costs less than handing them to a thread.
"""

import asyncio
import re
from time import perf_counter

from maasnb.runtimes.protocol import Array
from maasnb.serve.access import principal_of
from maasnb.serve.answers import Receive, Scope, header, read_body, status_of
from maasnb.serve.models import LoadedModel
from maasnb.serve.services import Services
from maasnb.serve.wire import InferRequest, Message, decode_infer, encode_infer, header_size

__all__ = ["INFER_PATH", "infer"]

INFER_PATH = re.compile(r"/v2/models/([^/]{1,200})(?:/versions/([^/]{1,40}))?/infer\Z")
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
    json_size = header_size(header(scope, b"inference-header-content-length"))
    limit_bytes = JSON_LIMIT_BYTES if json_size is None else BINARY_LIMIT_BYTES
    body = await read_body(scope, receive, limit_bytes)
    # From here on the time is the server's, not the sender's.
    started = perf_counter()
    choice = services.traffic.choose(name, segment)
    models = services.models
    loaded = models.ready(name, choice.version) or await models.get(name, choice.version)
    counts = services.counters.of(loaded.name, loaded.version)
    try:
        request = decode_infer(body, loaded.manifest.signature, json_size)
        arrays = await _run(loaded, request)
        counts.ran(request.rows)
        answer = encode_infer(loaded.name, loaded.version, request, arrays)
    except Exception as error:
        counts.count(perf_counter() - started, 0, status_of(error))
        raise
    counts.count(perf_counter() - started, request.rows, 200)
    return answer


async def _run(loaded: LoadedModel, request: InferRequest) -> dict[str, Array]:
    numbers = sum(array.size for array in request.inputs.values())
    if loaded.inline(request.rows, numbers):
        return loaded.served.answer(request.inputs)
    return await asyncio.to_thread(loaded.served.answer, request.inputs)
