"""Health and metadata: what the server and its models say of themselves."""

import asyncio
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.errors import RequestError
from maasnb.serve.access import principal_of
from maasnb.serve.answers import json_response
from maasnb.serve.description import described
from maasnb.serve.models import LoadedModel
from maasnb.serve.services import Services
from maasnb.serve.tokens import identity_proof
from maasnb.settings import VERSION

__all__ = ["routes"]

NONCE = re.compile(r"[0-9a-f]{32,128}\Z")
LARGEST_EXAMPLE_SHOWN = 1 << 16
MOST_LINES = 10_000
EXTENSIONS = ["binary_tensor_data", "model_repository"]
PLATFORMS = {"onnx": "onnx_onnxv1", "stablehlo": "jax_stablehlo"}


def routes(services: Services) -> list[Route]:
    """Return the routes of health and metadata."""
    queries = _Queries(services)
    version = "/v2/models/{name}/versions/{version}"
    return [
        Route("/v2", queries.server),
        Route("/v2/health/live", queries.live),
        Route("/v2/health/ready", queries.ready),
        Route("/v2/models/{name}", queries.model),
        Route("/v2/models/{name}/ready", queries.model_ready),
        Route(version, queries.model),
        Route(f"{version}/ready", queries.model_ready),
        Route("/maas/v1/identity", queries.identity),
        Route("/maas/v1/audit", queries.audit),
    ]


class _Queries:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = services.models.registry

    @described("Say what the server is.")
    async def server(self, request: Request) -> Response:
        principal_of(request.scope).require("predict")
        return json_response({"name": "maasnb", "version": VERSION, "extensions": EXTENSIONS})

    @described("Say whether the server runs.")
    async def live(self, _: Request) -> Response:
        return json_response({"live": True})

    @described("Say whether the server wants requests.")
    async def ready(self, _: Request) -> Response:
        if not self._services.readiness.draining:
            return json_response({"ready": True})
        message = "The server is about to end; expected requests elsewhere from now on."
        return json_response({"ready": False, "error": message}, 503)

    @described(
        "Prove that the server knows the workspace's token.",
        query={"nonce": "32 to 128 hexadecimal digits"},
    )
    async def identity(self, request: Request) -> Response:
        nonce = request.query_params.get("nonce", "")
        if not NONCE.match(nonce):
            message = f"The nonce is {nonce!r:.40}; expected 32 to 128 hexadecimal digits."
            raise RequestError(message)
        return json_response(
            {"proof": identity_proof(self._services.access.token, nonce), "version": VERSION}
        )

    @described("Say what a model takes and returns.")
    async def model(self, request: Request) -> Response:
        loaded = await self._loaded(request)
        versions = await asyncio.to_thread(self._registry.versions, loaded.name)
        return json_response(_metadata(loaded, versions))

    @described("Say whether a model can answer.")
    async def model_ready(self, request: Request) -> Response:
        loaded = await self._loaded(request)
        return json_response({"name": loaded.name, "ready": True})

    @described(
        "List who changed what.",
        query={"limit": "how many of the last entries", "model": "of one model alone"},
    )
    async def audit(self, request: Request) -> Response:
        principal_of(request.scope).require("admin")
        limit = request.query_params.get("limit", "100")
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= MOST_LINES):
            message = f"The limit is {limit!r:.40}; expected a number from 1 to {MOST_LINES}."
            raise RequestError(message)
        model = request.query_params.get("model")
        lines = await asyncio.to_thread(self._services.audit.read, int(limit), model)
        return json_response({"entries": lines})

    async def _loaded(self, request: Request) -> LoadedModel:
        name = request.path_params["name"]
        principal_of(request.scope).require("predict", name)
        segment = request.path_params.get("version")
        choice = await self._services.traffic.find(name, segment)
        return await self._services.models.get(name, choice.version)


def _metadata(loaded: LoadedModel, versions: tuple[int, ...]) -> dict[str, Any]:
    manifest = loaded.manifest
    example = list(loaded.example) if len(loaded.example) <= LARGEST_EXAMPLE_SHOWN else None
    return {
        "name": loaded.name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORMS[loaded.served.format or manifest.programs[0].format],
        **manifest.signature.to_json(),
        "parameters": {
            "version": str(loaded.version),
            "framework": f"{manifest.framework.name} {manifest.framework.version}",
            "kind": manifest.task.kind,
            "labels": list(manifest.task.labels),
            "features": manifest.provenance.get("features", []),
            "metrics": dict(manifest.metrics),
            "example": example,
            **({"gaps": True} if manifest.input.gaps else {}),
            **({"tokens": manifest.tokens} if manifest.tokens is not None else {}),
            **(
                {"measured_us": dict(loaded.served.measured_us)}
                if loaded.served.measured_us
                else {}
            ),
            **({"generation": dict(manifest.generation)} if manifest.generation else {}),
        },
    }
