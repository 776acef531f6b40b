"""The model repository extension: which models there are, and taking one out of service.

A model is loaded at its first request, so every version is ready until its model is unloaded. That
holds for this server alone, until it is loaded again or the server ends.
"""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.errors import RequestError
from maasnb.serve.access import Principal, principal_of
from maasnb.serve.answers import json_response, read_body
from maasnb.serve.description import described, fields
from maasnb.serve.services import Services
from maasnb.serve.wire import decode_object

__all__ = ["routes"]

BODY_LIMIT_BYTES = 64 << 10


def routes(services: Services) -> list[Route]:
    """Return the routes of the repository extension."""
    repository = _Repository(services)
    model = "/v2/repository/models/{name}"
    return [
        Route("/v2/repository/index", repository.index, methods=["POST"]),
        Route(f"{model}/load", repository.load, methods=["POST"]),
        Route(f"{model}/unload", repository.unload, methods=["POST"]),
    ]


class _Repository:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = services.models.registry

    @described(
        "List every version with its state.",
        body=fields({}, {"ready": "boolean"}),
        needs_body=False,
        answer={"type": "array", "items": {"type": "object"}},
    )
    async def index(self, request: Request) -> Response:
        principal = principal_of(request.scope)
        principal.require("predict")
        data = await self._body(request)
        only_ready = data.get("ready", False)
        if not isinstance(only_ready, bool):
            message = f"The field 'ready' is {only_ready!r:.40}; expected true or false."
            raise RequestError(message)
        found = await asyncio.to_thread(self._listing, principal)
        return json_response([each for each in found if not only_ready or each["state"] == "READY"])

    @described("Load a model.", body=fields({}, {"parameters": "object"}), needs_body=False)
    async def load(self, request: Request) -> Response:
        name = request.path_params["name"]
        principal_of(request.scope).require("admin", name)
        await self._body(request)
        choice = await asyncio.to_thread(self._services.traffic.choose, name)
        self._services.models.allow(name)
        await self._services.models.get(name, choice.version)
        return json_response({})

    @described(
        "Take a model out of service.", body=fields({}, {"parameters": "object"}), needs_body=False
    )
    async def unload(self, request: Request) -> Response:
        name = request.path_params["name"]
        principal_of(request.scope).require("admin", name)
        await self._body(request)
        await asyncio.to_thread(self._registry.versions, name)
        self._services.models.unload(name)
        return json_response({})

    async def _body(self, request: Request) -> dict[str, Any]:
        body = await read_body(request.scope, request.receive, BODY_LIMIT_BYTES)
        return decode_object(body) if body else {}

    def _listing(self, principal: Principal) -> list[dict[str, str]]:
        listing = []
        for name in self._registry.names():
            if not principal.sees(name):
                continue
            gone = self._services.models.unloaded(name)
            state, reason = ("UNAVAILABLE", "unloaded") if gone else ("READY", "")
            listing += [
                {"name": name, "version": str(version), "state": state, "reason": reason}
                for version in self._registry.versions(name)
            ]
        return listing
