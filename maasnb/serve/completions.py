"""Text from models that write: OpenAI's routes for models, completions and chats.

A model is run in threads of their own, some tokens at a time, so that the event loop stays free. A
sender that goes away ends the writing at the next token. Only so many texts are written at once;
who asks for one more is told to come again.
"""

import asyncio
import concurrent.futures
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from maasnb.datasets.text import TextStep
from maasnb.errors import (
    DeadlineError,
    ForbiddenError,
    MaasError,
    OverloadError,
    RequestError,
    UnknownNameError,
    unknown_name,
)
from maasnb.generation import Piece, generate_text, next_token_of
from maasnb.serve.access import principal_of
from maasnb.serve.answers import (
    DisconnectedError,
    Receive,
    Scope,
    Send,
    failure,
    header,
    json_response,
    read_body,
    status_of,
)
from maasnb.serve.description import described, fields
from maasnb.serve.models import LoadedModel
from maasnb.serve.prompts import Asked, read_chat, read_completion
from maasnb.serve.services import Services
from maasnb.serve.wire import decode_object, encode

__all__ = ["MOST_WRITING", "completion_failure", "routes"]

MOST_WRITING = 16
THREADS = 4
LIMIT_BYTES = 4 << 20
# One turn in a thread: long against handing over (0.1 ms), short against a reader's patience.
TURN_S = 0.02
LONGEST_S = 600.0
OPTIONS = {
    "max_tokens": "integer",
    "temperature": "number",
    "top_k": "integer",
    "top_p": "number",
    "seed": "integer",
    "stop": "array",
    "stream": "boolean",
}
FAILURE = {"type": "object", "properties": {"error": {"type": "object"}}, "required": ["error"]}
LEFT = 499  # what nginx counts where the sender went away
KINDS = {
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


def routes(services: Services) -> list[Route]:
    """Return OpenAI's routes."""
    completions = _Completions(services)
    return [
        Route("/v1/models", completions.models),
        Route("/v1/models/{name}", completions.model),
        Route("/v1/completions", completions.complete, methods=["POST"]),
        Route("/v1/chat/completions", completions.chat, methods=["POST"]),
    ]


def completion_failure(error: Exception) -> tuple[int, bytes]:
    """Return the status and the body that say why a request failed, in OpenAI's shape."""
    status, body = failure(error)
    words = decode_object(body)["error"]
    return status, encode({"error": _error(status, words)})


def _error(status: int, words: str) -> dict[str, Any]:
    kind, code = KINDS.get(status, ("invalid_request_error", None))
    return {
        "message": words,
        "type": "server_error" if status >= 500 else kind,
        "param": None,
        "code": code,
    }


class _Completions:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = services.models.registry
        self._writing = 0
        self._threads = concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="write")

    @described("List the models that write.", failure=FAILURE)
    async def models(self, request: Request) -> Response:
        principal_of(request.scope).require("predict")
        found = await asyncio.to_thread(self._writers, request)
        return json_response({"object": "list", "data": [_entry(*each) for each in found.items()]})

    @described("Return a model that writes.", failure=FAILURE)
    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        principal_of(request.scope).require("predict", name)
        found = await asyncio.to_thread(self._writers, request)
        if name not in found:
            raise unknown_name("model that writes text", name, found)
        return json_response(_entry(name, found[name]))

    @described(
        "Write on behind a prompt.",
        body=fields({"model": "string"}, {"prompt": "string", **OPTIONS}),
        failure=FAILURE,
    )
    async def complete(self, request: Request) -> Response:
        return await self._answer(request, read_completion)

    @described(
        "Answer the messages of a chat.",
        body=fields({"model": "string", "messages": "array"}, OPTIONS),
        failure=FAILURE,
    )
    async def chat(self, request: Request) -> Response:
        return await self._answer(request, read_chat)

    def _writers(self, request: Request) -> dict[str, float]:
        """Return the models that write and that the sender may use, and when they were made."""
        found = {}
        for state in self._registry.states():
            try:
                principal_of(request.scope).require("predict", state.name)
                manifest = self._registry.manifest(state.name, state.main)
            except (ForbiddenError, UnknownNameError):
                continue
            if manifest.generation is not None:
                found[state.name] = state.times[state.main]
        return found

    async def _answer(self, request: Request, read: Callable[[dict[str, Any]], Asked]) -> Response:
        principal_of(request.scope).require("predict")  # before anything is read
        body = await read_body(request.scope, request.receive, LIMIT_BYTES)
        asked = read(decode_object(body))
        principal_of(request.scope).require("predict", asked.name)
        choice = await self._services.traffic.find(asked.name, asked.segment)
        models = self._services.models
        loaded = models.ready(asked.name, choice.version) or await models.get(
            asked.name, choice.version
        )
        text = _vocabulary(loaded)
        ends = time.monotonic() + _allowed_s(request.scope)
        next_token = next_token_of(loaded.served.session.run, text.length)
        pieces = generate_text(next_token, text, asked.prompt, asked.sampling)
        shape = _Shape(asked, loaded, len(text.encode(asked.prompt or "\n")))
        self._begin()
        end = self._counted(loaded)
        if asked.stream:
            return _Stream(self._events(pieces, shape, ends), end)
        status = LEFT
        try:
            whole = await self._whole(pieces, shape, ends, request.is_disconnected)
            status = 200
        except MaasError as error:
            status = status_of(error)
            raise
        finally:
            end(status)
        return json_response(whole)

    def _begin(self) -> None:
        if self._writing >= MOST_WRITING:
            message = f"{MOST_WRITING} texts are being written; expected fewer. Ask again shortly."
            raise OverloadError(message)
        self._writing += 1

    def _counted(self, loaded: LoadedModel) -> Callable[..., None]:
        """Return what is called when a text ends: it makes room, and counts the time it took."""
        began = time.perf_counter()

        def end(status: int = 200) -> None:
            self._writing -= 1
            counts = self._services.counters.of(loaded.name, loaded.version)
            counts.count(time.perf_counter() - began, int(status == 200), status)

        return end

    async def _turns(self, pieces: Iterator[Piece], ends: float) -> AsyncIterator[list[Piece]]:
        loop = asyncio.get_running_loop()
        while True:
            turn = await loop.run_in_executor(self._threads, _turn, pieces)
            if turn:
                yield turn
            if not turn or turn[-1].finish is not None:
                return
            if time.monotonic() > ends:
                message = (
                    f"The text has {turn[-1].tokens} tokens and is not at its end after the time "
                    "that the request allows. Ask for fewer: max_tokens=100"
                )
                raise DeadlineError(message)

    async def _whole(
        self,
        pieces: Iterator[Piece],
        shape: "_Shape",
        ends: float,
        is_disconnected: Callable[[], Awaitable[bool]],
    ) -> dict[str, Any]:
        text, last = "", Piece(text="", tokens=0)
        async for turn in self._turns(pieces, ends):
            text += "".join(piece.text for piece in turn)
            last = turn[-1]
            if last.finish is None and await is_disconnected():
                raise DisconnectedError
        return shape.whole(text, last)

    async def _events(
        self, pieces: Iterator[Piece], shape: "_Shape", ends: float
    ) -> AsyncIterator[bytes]:
        last = Piece(text="", tokens=0)
        if shape.asked.chat:
            yield _event(shape.part({"role": "assistant", "content": ""}))
        try:
            async for turn in self._turns(pieces, ends):
                last = turn[-1]
                yield b"".join([_event(shape.piece(piece)) for piece in turn])
        except MaasError as error:
            status, body = completion_failure(error)
            yield _event({**decode_object(body), "status": status})
            return
        if shape.asked.usage:
            yield _event(shape.usage(last))
        yield b"data: [DONE]\n\n"


class _Stream(StreamingResponse):
    """Send events, and say when that ended, however it did."""

    def __init__(self, events: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # In this version of ASGI the response itself watches for a sender that goes away, also
        # while a token is computed; in later ones it would notice at the next event only.
        watched = {**scope, "asgi": {**scope.get("asgi", {}), "spec_version": "2.3"}}
        try:
            await super().__call__(watched, receive, send)
        finally:
            self._ended()


class _Shape:
    """The objects of one answer."""

    def __init__(self, asked: Asked, loaded: LoadedModel, prompt_tokens: int) -> None:
        self.asked = asked
        self._prompt_tokens = prompt_tokens
        self._begun = False
        kind = "chat.completion" if asked.chat else "text_completion"
        self._common = {
            "id": f"{'chatcmpl' if asked.chat else 'cmpl'}-{secrets.token_hex(12)}",
            "object": kind,
            "created": int(time.time()),
            "model": asked.name,
            "system_fingerprint": f"{loaded.name}@{loaded.version}",
        }

    def whole(self, text: str, last: Piece) -> dict[str, Any]:
        message = {"message": {"role": "assistant", "content": text.lstrip()}}
        said = message if self.asked.chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": last.finish}
        return {**self._common, "choices": [choice], "usage": self._counts(last)}

    def piece(self, piece: Piece) -> dict[str, Any]:
        if not self.asked.chat:
            choice = {"index": 0, "text": piece.text, "logprobs": None}
            return self._chunk([{**choice, "finish_reason": piece.finish}])
        # The space behind "Assistant:" is no part of what is said.
        text = piece.text if self._begun else piece.text.lstrip()
        self._begun = self._begun or bool(text)
        return self.part({"content": text} if text or piece.finish is None else {}, piece.finish)

    def part(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._chunk([choice])

    def usage(self, last: Piece) -> dict[str, Any]:
        return {**self._chunk([]), "usage": self._counts(last)}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self.asked.chat else "text_completion"
        return {**self._common, "object": kind, "choices": choices}

    def _counts(self, last: Piece) -> dict[str, int]:
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": last.tokens,
            "total_tokens": self._prompt_tokens + last.tokens,
        }


def _turn(pieces: Iterator[Piece]) -> list[Piece]:
    """Return some pieces: at least one, and those of the next milliseconds."""
    found: list[Piece] = []
    ends = time.perf_counter() + TURN_S
    for piece in pieces:
        found.append(piece)
        if time.perf_counter() > ends:
            break
    return found


def _vocabulary(loaded: LoadedModel) -> TextStep:
    text = loaded.manifest.recipe.text
    if loaded.manifest.generation is None or text is None:
        message = (
            f"The model {loaded.name!r} does not write text; GET /v1/models lists those that do. "
            f"Ask it by POST /v2/models/{loaded.name}/infer."
        )
        raise RequestError(message)
    return text


def _allowed_s(scope: Scope) -> float:
    given = header(scope, b"x-request-timeout")
    try:
        seconds = float(given) if given else LONGEST_S
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        message = f"The header X-Request-Timeout is {given!r:.40}; expected seconds above 0."
        raise RequestError(message)
    return min(seconds, LONGEST_S)


def _entry(name: str, created: float) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(created), "owned_by": "maasnb"}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + encode(data) + b"\n\n"
