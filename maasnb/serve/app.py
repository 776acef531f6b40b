"""The server's application: inference on a short way, everything else by the router.

Inference is recognised by its path and costs little more than the model itself. Health needs no
token, all else does.
"""

from starlette.exceptions import HTTPException

from maasnb.serve.answers import (
    DisconnectedError,
    Receive,
    Scope,
    Send,
    failure,
    retry_headers,
    send_json,
    send_message,
)
from maasnb.serve.audit import note_failure
from maasnb.serve.completions import completion_failure
from maasnb.serve.infer import INFER_PATH, infer
from maasnb.serve.routes import PUBLIC_PATHS, make_router
from maasnb.serve.services import Services
from maasnb.serve.wire import encode

__all__ = ["Application"]


class Application:
    """The ASGI application of one workspace."""

    def __init__(self, services: Services) -> None:
        """Take the server's parts."""
        self._services = services
        self._router = make_router(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            if scope["path"] not in PUBLIC_PATHS and "maasnb.principal" not in scope:
                scope["maasnb.principal"] = self._services.access.principal(scope)
            path = INFER_PATH.match(scope["path"])
            if path and scope["method"] == "POST":
                message = await infer(self._services, path[1], path[2], scope, receive)
                await send_message(send, message)
            else:
                send = self._services.audit.following(scope, send)
                # A router that finds "app" raises for an unknown route instead of answering itself.
                await self._router({**scope, "app": self}, receive, send)
        except DisconnectedError:
            return
        except HTTPException as error:
            self._services.counters.fail(error.status_code)
            await send_json(send, error.status_code, _no_route(scope))
        except Exception as error:  # noqa: BLE001 - every failure is answered in words
            note_failure(scope, error)
            shaped = completion_failure if scope["path"].startswith("/v1/") else failure
            status, body = shaped(error)
            self._services.counters.fail(status)
            await send_json(send, status, body, retry_headers(error))


def _no_route(scope: Scope) -> bytes:
    message = (
        f"There is no route {scope['method']} {scope['path']!r:.200}; expected those of the Open "
        "Inference Protocol below /v2, such as POST /v2/models/NAME/infer."
    )
    return encode({"error": message})
