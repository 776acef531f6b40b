"""The server's application: inference on a short way, everything else by the router.

Inference is recognised by its path, answered on the event loop where it is small, and costs little
more than the model itself. Health needs no token, all else does.
"""

import asyncio
import re

from starlette.exceptions import HTTPException

from maasnb.errors import AccessError, RequestError
from maasnb.serve.answers import (
    DisconnectedError,
    Receive,
    Scope,
    Send,
    failure,
    header,
    read_body,
    send_json,
)
from maasnb.serve.models import Models
from maasnb.serve.routes import PUBLIC_PATHS, make_router, version_number
from maasnb.serve.tokens import same_token
from maasnb.serve.wire import decode_infer, encode, encode_infer

__all__ = ["Application"]

INFER_PATH = re.compile(r"/v2/models/([^/]{1,200})(?:/versions/([^/]{1,40}))?/infer\Z")
INFER_LIMIT_BYTES = 64 << 20


class Application:
    """The ASGI application of one workspace."""

    def __init__(self, models: Models, token: str) -> None:
        """Take the models that are served and the token that requests must show."""
        self._models = models
        self._token = token
        self._router = make_router(models, token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            if scope["path"] not in PUBLIC_PATHS:
                self._check_token(scope)
            infer = INFER_PATH.match(scope["path"])
            if infer and scope["method"] == "POST":
                body = await self._infer(infer[1], infer[2], scope, receive)
                await send_json(send, 200, body)
            else:
                # A router that finds "app" raises for an unknown route instead of answering itself.
                await self._router({**scope, "app": self}, receive, send)
        except DisconnectedError:
            return
        except HTTPException as error:
            await send_json(send, error.status_code, _no_route(scope))
        except Exception as error:  # noqa: BLE001 - every failure is answered in words
            await send_json(send, *failure(error))

    def _check_token(self, scope: Scope) -> None:
        given = header(scope, b"authorization")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not same_token(token.strip(), self._token):
            what = "is not the token of this server" if given else "is missing"
            message = (
                f"The token {what}; expected the header 'Authorization: Bearer ...' with the "
                "content of the file 'token' in the server's workspace."
            )
            raise AccessError(message)

    async def _infer(self, name: str, version: str | None, scope: Scope, receive: Receive) -> bytes:
        if header(scope, b"inference-header-content-length"):
            message = "Binary tensor data is not spoken here; expected 'data' as a JSON list."
            raise RequestError(message)
        body = await read_body(scope, receive, INFER_LIMIT_BYTES)
        number = version_number(self._models, name, version)
        loaded = self._models.ready(name, number) or await self._models.get(name, number)
        request = decode_infer(body, loaded.manifest.signature)
        numbers = sum(array.size for array in request.inputs.values())
        if loaded.inline(request.rows, numbers):
            arrays = loaded.served.answer(request.inputs)
        else:
            arrays = await asyncio.to_thread(loaded.served.answer, request.inputs)
        return encode_infer(loaded.name, loaded.version, request, arrays)


def _no_route(scope: Scope) -> bytes:
    message = (
        f"There is no route {scope['method']} {scope['path']!r:.200}; expected those of the Open "
        "Inference Protocol below /v2, such as POST /v2/models/NAME/infer."
    )
    return encode({"error": message})
