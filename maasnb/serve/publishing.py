"""Publishing over HTTP: taking blobs and manifests.

Nothing is believed before it was checked and run.
"""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.artifacts.blobs import digest_of
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import RequestError
from maasnb.serve.access import principal_of
from maasnb.serve.answers import json_response, read_body
from maasnb.serve.audit import note
from maasnb.serve.gate import verify
from maasnb.serve.services import Services

__all__ = ["routes"]

MANIFEST_LIMIT_BYTES = 8 << 20
BLOB_LIMIT_BYTES = 512 << 20


def routes(services: Services) -> list[Route]:
    """Return the routes of publishing."""
    publishing = _Publishing(services)
    return [
        Route("/maas/v1/models/{name}/versions", publishing.version, methods=["POST"]),
        Route("/maas/v1/blobs/{digest}", publishing.blob, methods=["HEAD", "PUT"]),
    ]


class _Publishing:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = services.models.registry

    async def blob(self, request: Request) -> Response:
        principal_of(request.scope).require("publish")
        digest = request.path_params["digest"]
        if request.method == "HEAD":
            found = await asyncio.to_thread(self._registry.has_blob, digest)
            return Response(status_code=200 if found else 404)
        self._services.gate.expect()
        content = await read_body(request.scope, request.receive, BLOB_LIMIT_BYTES)
        created = await asyncio.to_thread(self._registry.put_blob, digest, content)
        return json_response({"digest": digest, "created": created}, 201 if created else 200)

    async def version(self, request: Request) -> Response:
        name = request.path_params["name"]
        note(request.scope, "publish", model=name)
        principal_of(request.scope).require("publish", name)
        body = await read_body(request.scope, request.receive, MANIFEST_LIMIT_BYTES)
        manifest = await asyncio.to_thread(Manifest.from_bytes, body)
        if manifest.name != name:
            message = (
                f"The manifest is for {manifest.name!r}, the path for {name!r:.80}; expected one."
            )
            raise RequestError(message)
        note(request.scope, "publish", digest=digest_of(manifest.to_bytes()))
        await verify(self._services, manifest)
        published = await asyncio.to_thread(self._registry.publish, manifest)
        note(request.scope, "publish", version=published.version)
        # The next request finds it in memory.
        await self._services.models.get(name, published.version)
        await asyncio.to_thread(self._services.traffic.reload, name)
        answer = {"name": name, "version": published.version, "created": published.created}
        return json_response(answer, 201 if published.created else 200)
