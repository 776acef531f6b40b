"""Publishing over HTTP: taking blobs and manifests.

Nothing is believed before it was checked and run.
"""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.artifacts.blobs import digest_of
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ConflictError, RequestError, UnknownNameError
from maasnb.registry.models import Published, stamp
from maasnb.registry.traffic import Plan, Stamp, check_alias, move
from maasnb.serve.access import principal_of
from maasnb.serve.answers import json_response, read_body
from maasnb.serve.audit import note
from maasnb.serve.description import described
from maasnb.serve.gate import verify
from maasnb.serve.services import Services
from maasnb.serve.uploads import Uploads

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
        self._uploads = Uploads(self._registry, BLOB_LIMIT_BYTES)

    @described(
        "Store a blob.",
        body={"type": "string", "format": "binary"},
        body_type="application/octet-stream",
    )
    async def blob(self, request: Request) -> Response:
        principal_of(request.scope).require("publish")
        digest = request.path_params["digest"]
        if request.method == "HEAD":
            if await asyncio.to_thread(self._registry.keep_blob, digest):
                return Response(status_code=200)
            offset = await asyncio.to_thread(self._uploads.offset, digest)
            return Response(status_code=404, headers={"upload-offset": str(offset)})
        self._services.gate.expect()
        arrived = await self._uploads.take(digest, request.scope, request.receive)
        if not arrived.whole:
            return json_response({"digest": digest, "offset": arrived.size_bytes}, 202)
        answer = {"digest": digest, "created": arrived.created}
        return json_response(answer, 201 if arrived.created else 200)

    @described(
        "Publish a manifest as the next version.",
        body={"type": "object"},
        query={"alias": "what to point to the version, such as prod"},
    )
    async def version(self, request: Request) -> Response:
        name, principal = request.path_params["name"], principal_of(request.scope)
        note(request.scope, "publish", model=name)
        principal.require("publish", name)
        alias = request.query_params.get("alias")
        before = None
        if alias is not None:
            note(request.scope, alias=check_alias(alias))
            before = await asyncio.to_thread(self._alias, name, alias)
        body = await read_body(request.scope, request.receive, MANIFEST_LIMIT_BYTES)
        manifest = await asyncio.to_thread(Manifest.from_bytes, body)
        if manifest.name != name:
            message = (
                f"The manifest is for {manifest.name!r}, the path for {name!r:.80}; expected one."
            )
            raise RequestError(message)
        note(request.scope, "publish", digest=digest_of(manifest.to_bytes()))
        await verify(self._services, manifest)
        published = await asyncio.to_thread(self._registry.publish, manifest, principal.name)
        note(request.scope, "publish", version=published.version)
        # The next request finds it in memory.
        await self._services.models.get(name, published.version)
        try:
            if alias is not None:
                who = stamp(principal.name)
                await asyncio.to_thread(self._point, published, alias, before, who)
        finally:
            await asyncio.to_thread(self._services.traffic.reload, name)
        answer = {"name": name, "version": published.version, "created": published.created}
        return json_response(answer, 201 if published.created else 200)

    def _alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias points to, or None."""
        try:
            return self._registry.state(name).plan.aliases.get(alias)
        except UnknownNameError:
            return None

    def _point(self, published: Published, alias: str, before: int | None, who: Stamp) -> None:
        """Have an alias point to a new version, unless somebody else moved it meanwhile."""
        version = published.version

        def operation(plan: Plan, versions: tuple[int, ...]) -> Plan:
            found = plan.aliases.get(alias)
            if found not in (before, version):
                message = (
                    f"Version {version} is published, but the alias {alias!r} was moved to version "
                    f"{found} meanwhile and stays there. Type: endpoint.promote({version})"
                )
                raise ConflictError(message)
            return move(plan, versions, alias, version, who)

        self._registry.change(published.name, operation)
