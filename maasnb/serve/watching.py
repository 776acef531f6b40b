"""Watching a server: what was counted, as JSON for one model and as text for Prometheus."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.errors import missing_package
from maasnb.serve.access import principal_of
from maasnb.serve.answers import json_response
from maasnb.serve.description import described
from maasnb.serve.services import Services

__all__ = ["routes", "stats"]


def routes(services: Services) -> list[Route]:
    """Return the routes of watching."""
    watching = _Watching(services)
    return [
        Route("/maas/v1/models/{name}/stats", watching.stats),
        Route("/metrics", watching.metrics),
    ]


def stats(services: Services, name: str) -> dict[str, Any]:
    """Return what was counted for a model since the server started, as JSON data."""
    counters = services.counters
    versions = [
        {
            "version": version,
            **counts.to_json(),
            "drift": services.drift.to_json(name, version),
        }
        for _, version, counts in counters.known(name)
    ]
    return {"name": name, "uptime_s": counters.uptime_s, "versions": versions}


class _Watching:
    def __init__(self, services: Services) -> None:
        self._services = services

    @described("Return what was counted for a model.")
    async def stats(self, request: Request) -> Response:
        name = request.path_params["name"]
        principal_of(request.scope).require("predict", name)
        await asyncio.to_thread(self._services.models.registry.versions, name)
        return json_response(stats(self._services, name))

    @described(
        "Return what was counted for Prometheus.",
        answer={"type": "string"},
        answer_type="text/plain",
    )
    async def metrics(self, request: Request) -> Response:
        principal = principal_of(request.scope)
        principal.require("predict")
        counters = self._services.counters
        # Read here, where nothing is counted meanwhile; written by a thread.
        snapshot = {
            "versions": [
                ((name, version), counts.to_json())
                for name, version, counts in counters.known()
                if principal.sees(name)
            ],
            "failures": dict(counters.failures),
            "loaded": self._services.models.count,
        }
        accepted = request.headers.get("accept", "")
        content, kind = await asyncio.to_thread(_exposed, snapshot, accepted)
        return Response(content, headers={"content-type": kind})


def _exposed(snapshot: Mapping[str, Any], accepted: str) -> tuple[bytes, str]:
    try:
        from maasnb.serve.exposition import expose  # noqa: PLC0415 - slow to import
    except ImportError as error:
        raise missing_package("/metrics", "prometheus_client", "serve") from error
    return expose(snapshot, accepted)
