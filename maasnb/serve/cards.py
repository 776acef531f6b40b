"""The card of a version: what a person should know of a model, as it was published."""

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
    """Return the route of cards."""
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

    return [Route("/maas/v1/models/{name}/versions/{version}/card", card)]
