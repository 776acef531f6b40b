"""Inference: the short way from a request's bytes to an answer's.

Small answers are computed on the event loop, where that costs less than handing them to a thread.
"""

import asyncio
import re
from time import perf_counter

from maasnb.errors import RequestError
from maasnb.runtimes.protocol import Array
from maasnb.serve.access import principal_of
from maasnb.serve.answers import Receive, Scope, header, read_body, status_of
from maasnb.serve.models import LoadedModel
from maasnb.serve.services import Services
from maasnb.serve.wire import InferRequest, decode_infer, encode_infer

__all__ = ["INFER_PATH", "infer"]

INFER_PATH = re.compile(r"/v2/models/([^/]{1,200})(?:/versions/([^/]{1,40}))?/infer\Z")
INFER_LIMIT_BYTES = 64 << 20


async def infer(
    services: Services, name: str, segment: str | None, scope: Scope, receive: Receive
) -> bytes:
    """Answer an inference request.

    Args:
        services: the server's parts.
        name: the model's name.
        segment: the version as the path has it; None where it has none.
        scope: the request.
        receive: where its body comes from.

    Returns:
        The answer's bytes, JSON.

    Raises:
        MaasError: the request is refused; the kind of the error says why.
    """
    principal_of(scope).require("predict", name)
    if header(scope, b"inference-header-content-length"):
        message = "Binary tensor data is not spoken here; expected 'data' as a JSON list."
        raise RequestError(message)
    body = await read_body(scope, receive, INFER_LIMIT_BYTES)
    # From here on the time is the server's, not the sender's.
    started = perf_counter()
    traffic = services.traffic
    choice = traffic.ready(name, segment) or await traffic.find(name, segment)
    models = services.models
    loaded = models.ready(name, choice.version) or await models.get(name, choice.version)
    counts = services.counters.of(loaded.name, loaded.version)
    try:
        request = decode_infer(body, loaded.manifest.signature)
        arrays = await _run(loaded, request)
        counts.ran(request.rows)
        answer = encode_infer(loaded.name, loaded.version, request, arrays)
    except Exception as error:
        counts.count(perf_counter() - started, 0, status_of(error))
        raise
    counts.count(perf_counter() - started, request.rows, 200)
    if choice.shadow is not None:
        services.shadows.observe(name, loaded.version, choice.shadow, request.inputs, arrays)
    return answer


async def _run(loaded: LoadedModel, request: InferRequest) -> dict[str, Array]:
    numbers = sum(array.size for array in request.inputs.values())
    if loaded.inline(request.rows, numbers):
        return loaded.served.answer(request.inputs)
    return await asyncio.to_thread(loaded.served.answer, request.inputs)
