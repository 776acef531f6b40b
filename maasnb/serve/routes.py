"""The routes that need not be fast: health, metadata, and publishing below `/maas/v1`."""

import asyncio
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from maasnb.artifacts.manifest import Manifest
from maasnb.errors import RequestError, unknown_name
from maasnb.serve.answers import read_body
from maasnb.serve.models import LoadedModel, Models
from maasnb.serve.tokens import identity_proof
from maasnb.serve.wire import encode
from maasnb.settings import VERSION

__all__ = ["PUBLIC_PATHS", "make_router", "version_number"]

PUBLIC_PATHS = frozenset({"/v2/health/live", "/v2/health/ready", "/maas/v1/identity"})
"""What is answered without a token: nothing of a model, a proof that does not show the token."""

NONCE = re.compile(r"[0-9a-f]{32,128}\Z")
MANIFEST_LIMIT_BYTES = 8 << 20
BLOB_LIMIT_BYTES = 512 << 20
LARGEST_EXAMPLE_SHOWN = 1 << 16
PLATFORMS = {"onnx": "onnx_onnxv1", "stablehlo": "jax_stablehlo"}


def make_router(models: Models, token: str) -> Router:
    """Return the router of everything but inference.

    Args:
        models: the models that are served.
        token: the token, which the server proves to hold.
    """
    queries, publishing = _Queries(models, token), _Publishing(models)
    version = "/v2/models/{name}/versions/{version}"
    return Router(
        routes=[
            Route("/v2", queries.server),
            Route("/v2/health/live", queries.live),
            Route("/v2/health/ready", queries.ready),
            Route("/v2/models/{name}", queries.model),
            Route("/v2/models/{name}/ready", queries.model_ready),
            Route(version, queries.model),
            Route(f"{version}/ready", queries.model_ready),
            Route("/maas/v1/identity", queries.identity),
            Route("/maas/v1/models", queries.models),
            Route("/maas/v1/models/{name}/versions", publishing.version, methods=["POST"]),
            Route("/maas/v1/blobs/{digest}", publishing.blob, methods=["HEAD", "PUT"]),
        ]
    )


def version_number(models: Models, name: str, version: str | None) -> int | None:
    """Return the number that a path names, or None where the newest version is meant.

    Raises:
        UnknownNameError: it is no number of a version.
    """
    if version is None:
        return None
    if not (version.isascii() and version.isdecimal() and 0 < int(version) < 1 << 31):
        known = map(str, models.registry.versions(name))
        raise unknown_name(f"version of the model {name!r} called", version, known)
    return int(version)


class _Queries:
    """What the server and its models say of themselves."""

    def __init__(self, models: Models, token: str) -> None:
        self._models = models
        self._token = token

    async def server(self, _: Request) -> Response:
        return _json({"name": "maasnb", "version": VERSION, "extensions": []})

    async def live(self, _: Request) -> Response:
        return _json({"live": True})

    async def ready(self, _: Request) -> Response:
        return _json({"ready": True})

    async def identity(self, request: Request) -> Response:
        nonce = request.query_params.get("nonce", "")
        if not NONCE.match(nonce):
            message = f"The nonce is {nonce!r:.40}; expected 32 to 128 hexadecimal digits."
            raise RequestError(message)
        return _json({"proof": identity_proof(self._token, nonce), "version": VERSION})

    async def model(self, request: Request) -> Response:
        loaded = await self._loaded(request)
        versions = await asyncio.to_thread(self._models.registry.versions, loaded.name)
        return _json(_metadata(loaded, versions))

    async def model_ready(self, request: Request) -> Response:
        loaded = await self._loaded(request)
        return _json({"name": loaded.name, "ready": True})

    async def models(self, _: Request) -> Response:
        return _json({"models": await asyncio.to_thread(self._listing)})

    async def _loaded(self, request: Request) -> LoadedModel:
        name = request.path_params["name"]
        version = version_number(self._models, name, request.path_params.get("version"))
        return await self._models.get(name, version)

    def _listing(self) -> list[dict[str, Any]]:
        registry = self._models.registry
        return [
            {"name": name, "versions": [str(each) for each in registry.versions(name)]}
            for name in registry.names()
        ]


class _Publishing:
    """Taking blobs and manifests; nothing is believed before it was checked and run."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def blob(self, request: Request) -> Response:
        registry = self._models.registry
        digest = request.path_params["digest"]
        if request.method == "HEAD":
            found = await asyncio.to_thread(registry.has_blob, digest)
            return Response(status_code=200 if found else 404)
        content = await read_body(request.scope, request.receive, BLOB_LIMIT_BYTES)
        created = await asyncio.to_thread(registry.put_blob, digest, content)
        return _json({"digest": digest, "created": created}, 201 if created else 200)

    async def version(self, request: Request) -> Response:
        body = await read_body(request.scope, request.receive, MANIFEST_LIMIT_BYTES)
        manifest = await asyncio.to_thread(Manifest.from_bytes, body)
        name = request.path_params["name"]
        if manifest.name != name:
            message = (
                f"The manifest is for {manifest.name!r}, the path for {name!r:.80}; expected one."
            )
            raise RequestError(message)
        published = await self._models.publish(manifest)
        answer = {"name": name, "version": published.version, "created": published.created}
        return _json(answer, 201 if published.created else 200)


def _metadata(loaded: LoadedModel, versions: tuple[int, ...]) -> dict[str, Any]:
    manifest = loaded.manifest
    example = list(loaded.example) if len(loaded.example) <= LARGEST_EXAMPLE_SHOWN else None
    return {
        "name": loaded.name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORMS[manifest.programs[0].format],
        **manifest.signature.to_json(),
        "parameters": {
            "version": str(loaded.version),
            "framework": f"{manifest.framework.name} {manifest.framework.version}",
            "kind": manifest.task.kind,
            "labels": list(manifest.task.labels),
            "features": manifest.provenance.get("features", []),
            "metrics": dict(manifest.metrics),
            "example": example,
        },
    }


def _json(data: dict[str, Any], status: int = 200) -> Response:
    return Response(encode(data), status, media_type="application/json")
