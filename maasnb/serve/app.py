"""The server's application: Open Inference Protocol V2, and the publishing routes below `/maas/v1`.

Inference does not go through the router: it is recognised by its path, answered on the event loop where it is small, and costs
little more than the model itself. Everything else is a Starlette route. Health needs no token, all else does.
"""

import asyncio
import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from maasnb import __version__
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import AccessError, RequestError, unknown_name
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
from maasnb.serve.models import LoadedModel, Models
from maasnb.serve.tokens import identity_proof, same_token
from maasnb.serve.wire import decode_infer, encode, encode_infer

__all__ = ["Application"]

INFER_PATH = re.compile(r"/v2/models/([^/]{1,200})(?:/versions/([^/]{1,40}))?/infer\Z")
PUBLIC_PATHS = frozenset({"/v2/health/live", "/v2/health/ready", "/maas/v1/identity"})
NONCE = re.compile(r"[0-9a-f]{32,128}\Z")
INFER_LIMIT_BYTES = 64 << 20
MANIFEST_LIMIT_BYTES = 8 << 20
BLOB_LIMIT_BYTES = 512 << 20
LARGEST_EXAMPLE_SHOWN = 1 << 16
PLATFORMS = {"onnx": "onnx_onnxv1", "stablehlo": "jax_stablehlo"}


class Application:
    """The ASGI application of one workspace."""

    def __init__(self, models: Models, token: str) -> None:
        """Take the models that are served and the token that requests must show."""
        self._models = models
        self._token = token
        self._routes = _routes(models, token)

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
                await self._routes({**scope, "app": self}, receive, send)
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
        number = _version(self._models, name, version)
        loaded = self._models.ready(name, number) or await self._models.get(name, number)
        request = decode_infer(body, loaded.manifest.signature)
        numbers = sum(array.size for array in request.inputs.values())
        if loaded.inline(request.rows, numbers):
            arrays = loaded.served.answer(request.inputs)
        else:
            arrays = await asyncio.to_thread(loaded.served.answer, request.inputs)
        return encode_infer(loaded.name, loaded.version, request, arrays)


def _routes(models: Models, token: str) -> Router:
    """Return the router of everything but inference."""

    async def server(_: Request) -> Response:
        return _json({"name": "maasnb", "version": __version__, "extensions": []})

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        return _json({"ready": True})

    async def identity(request: Request) -> Response:
        nonce = request.query_params.get("nonce", "")
        if not NONCE.match(nonce):
            message = "The nonce must be 32 to 128 lower-case hexadecimal digits."
            raise RequestError(message)
        return _json({"proof": identity_proof(token, nonce), "version": __version__})

    async def model(request: Request) -> Response:
        loaded = await _loaded(models, request)
        return _json(_metadata(loaded, models.registry.versions(loaded.name)))

    async def model_ready(request: Request) -> Response:
        loaded = await _loaded(models, request)
        return _json({"name": loaded.name, "ready": True})

    async def listing(_: Request) -> Response:
        return _json({"models": await asyncio.to_thread(_listing, models)})

    async def blob(request: Request) -> Response:
        digest = request.path_params["digest"]
        if request.method == "HEAD":
            found = await asyncio.to_thread(models.registry.has_blob, digest)
            return Response(status_code=200 if found else 404)
        content = await read_body(request.scope, request.receive, BLOB_LIMIT_BYTES)
        created = await asyncio.to_thread(models.registry.put_blob, digest, content)
        return _json({"digest": digest, "created": created}, 201 if created else 200)

    async def publish(request: Request) -> Response:
        body = await read_body(request.scope, request.receive, MANIFEST_LIMIT_BYTES)
        manifest = await asyncio.to_thread(Manifest.from_bytes, body)
        name = request.path_params["name"]
        if manifest.name != name:
            message = (
                f"The manifest is for {manifest.name!r}, the path for {name!r:.80}; expected one."
            )
            raise RequestError(message)
        published = await models.publish(manifest)
        answer = {"name": name, "version": published.version, "created": published.created}
        return _json(answer, 201 if published.created else 200)

    version_path = "/v2/models/{name}/versions/{version}"
    return Router(
        routes=[
            Route("/v2", server),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            Route("/v2/models/{name}", model),
            Route("/v2/models/{name}/ready", model_ready),
            Route(version_path, model),
            Route(f"{version_path}/ready", model_ready),
            Route("/maas/v1/identity", identity),
            Route("/maas/v1/models", listing),
            Route("/maas/v1/models/{name}/versions", publish, methods=["POST"]),
            Route("/maas/v1/blobs/{digest}", blob, methods=["HEAD", "PUT"]),
        ]
    )


def _no_route(scope: Scope) -> bytes:
    message = (
        f"There is no route {scope['method']} {scope['path']!r:.200}; expected those of the Open "
        "Inference Protocol below /v2, such as POST /v2/models/NAME/infer."
    )
    return encode({"error": message})


async def _loaded(models: Models, request: Request) -> LoadedModel:
    name = request.path_params["name"]
    return await models.get(name, _version(models, name, request.path_params.get("version")))


def _version(models: Models, name: str, version: str | None) -> int | None:
    """Return a version's number, or None where the newest is meant."""
    if version is None:
        return None
    if not (version.isascii() and version.isdecimal() and 0 < int(version) < 1 << 31):
        known = map(str, models.registry.versions(name))
        raise unknown_name(f"version of the model {name!r} called", version, known)
    return int(version)


def _listing(models: Models) -> list[dict[str, Any]]:
    registry = models.registry
    return [
        {"name": name, "versions": [str(each) for each in registry.versions(name)]}
        for name in registry.names()
    ]


def _metadata(loaded: LoadedModel, versions: tuple[int, ...]) -> dict[str, Any]:
    manifest = loaded.manifest
    program = next(each.format for each in manifest.programs)
    example = list(loaded.example) if len(loaded.example) <= LARGEST_EXAMPLE_SHOWN else None
    return {
        "name": loaded.name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORMS[program],
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
