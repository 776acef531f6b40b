"""What a version came with: its card, for whoever may ask it, and its blobs, for publishers."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.errors import UnknownNameError
from maasnb.serve.access import principal_of
from maasnb.serve.description import described
from maasnb.serve.services import Services

__all__ = ["routes"]

HEADERS = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'"}


def routes(services: Services) -> list[Route]:
    """Return the routes of what a version came with."""
    registry = services.models.registry

    @described(
        "Return the card of a version.", answer={"type": "string"}, answer_type="text/markdown"
    )
    async def card(request: Request) -> Response:
        name, segment = request.path_params["name"], request.path_params["version"]
        principal_of(request.scope).require("predict", name)
        choice = await services.traffic.find(name, segment)
        manifest = await asyncio.to_thread(registry.manifest, name, choice.version)
        if manifest.card is None:
            message = f"Version {choice.version} of the model {name!r} has no card."
            raise UnknownNameError(message)
        content = await asyncio.to_thread(registry.blob, manifest.card.digest)
        return Response(content, media_type="text/markdown; charset=utf-8", headers=HEADERS)

    @described(
        "Return a blob of a version.",
        answer={"type": "string", "format": "binary"},
        answer_type="application/octet-stream",
    )
    async def blob(request: Request) -> Response:
        name, digest = request.path_params["name"], request.path_params["digest"]
        # Weights are more than answers: they are for those who might have published them.
        principal_of(request.scope).require("publish", name)
        choice = await services.traffic.find(name, request.path_params["version"])
        manifest = await asyncio.to_thread(registry.manifest, name, choice.version)
        if all(digest != each.digest for each in manifest.blobs):
            message = (
                f"Version {choice.version} of the model {name!r} has no blob {digest!r:.80}; "
                "expected one of its manifest's digests."
            )
            raise UnknownNameError(message)
        content = await asyncio.to_thread(registry.blob, digest)
        return Response(content, media_type="application/octet-stream", headers=HEADERS)

    version = "/maas/v1/models/{name}/versions/{version}"
    return [Route(f"{version}/card", card), Route(f"{version}/blobs/{{digest}}", blob)]
