"""Versions and traffic over HTTP: what there is, which version answers, and how that is changed.

A version is loaded before requests are sent to it, so no request waits for a change; whoever
changes something says what it was before, if another's change must not be overwritten.
"""

import asyncio
import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.errors import ConflictError, RequestError
from maasnb.registry.models import ModelState, stamp
from maasnb.registry.traffic import (
    MAIN_ALIAS,
    Canary,
    Plan,
    Stamp,
    check_alias,
    hide,
    move,
    remove_alias,
    roll_back,
    set_canary,
    set_shadow,
)
from maasnb.serve.access import principal_of
from maasnb.serve.answers import json_response, read_body
from maasnb.serve.audit import note
from maasnb.serve.description import described, fields
from maasnb.serve.services import Services
from maasnb.serve.wire import decode_object

__all__ = ["routes"]

BODY_LIMIT_BYTES = 4096
FACTS_KEPT = 1024
SETTLE_S = 1.0

Versions = tuple[int, ...]
Operation = Callable[[Plan, Versions, Stamp], Plan]


def routes(services: Services) -> list[Route]:
    """Return the routes of versions and traffic."""
    lifecycle = _Lifecycle(services)
    model = "/maas/v1/models/{name}"
    return [
        Route("/maas/v1/models", lifecycle.models),
        Route(model, lifecycle.model, methods=["GET"]),
        Route(model, lifecycle.unpublish, methods=["DELETE"]),
        Route(f"{model}/versions/{{version}}", lifecycle.unpublish, methods=["DELETE"]),
        Route(f"{model}/versions/{{version}}", lifecycle.restore, methods=["PUT"]),
        Route(f"{model}/versions/{{version}}/manifest", lifecycle.manifest),
        Route(f"{model}/aliases/{{alias}}", lifecycle.alias, methods=["PUT", "DELETE"]),
        Route(f"{model}/rollback", lifecycle.rollback, methods=["POST"]),
        Route(f"{model}/canary", lifecycle.canary, methods=["PUT", "DELETE"]),
        Route(f"{model}/shadow", lifecycle.shadow, methods=["PUT", "DELETE"]),
    ]


class _Lifecycle:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = services.models.registry
        self._facts = functools.lru_cache(maxsize=FACTS_KEPT)(self._read_facts)

    @described("List models and versions.")
    async def models(self, request: Request) -> Response:
        principal = principal_of(request.scope)
        principal.require("predict")
        states = await asyncio.to_thread(self._registry.states)
        seen = [_summary(state) for state in states if principal.sees(state.name)]
        return json_response({"models": seen})

    @described("Return a model's versions, aliases and traffic.")
    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        principal_of(request.scope).require("predict", name)
        # Whoever sent a request sees what its copy came to.
        await self._services.shadows.settle(SETTLE_S)
        return await self._described(name)

    @described("Return the manifest of a version.")
    async def manifest(self, request: Request) -> Response:
        name = request.path_params["name"]
        principal_of(request.scope).require("predict", name)
        choice = await self._services.traffic.find(name, request.path_params["version"])
        manifest = await asyncio.to_thread(self._registry.manifest, name, choice.version)
        return Response(manifest.to_bytes(), media_type="application/json")

    @described(
        "Point an alias to a version, or remove it.",
        body=fields({"version": "integer"}, {"expected": "integer"}),
    )
    async def alias(self, request: Request) -> Response:
        _begin(request, "promote" if request.method == "PUT" else "alias remove")
        alias = check_alias(request.path_params["alias"])
        note(request.scope, alias=alias)
        if request.method == "DELETE":
            return await self._change(request, lambda plan, _, who: remove_alias(plan, alias, who))
        body = await _body(request, {"version", "expected"})
        version = _whole(body, "version")
        expected = _whole(body, "expected") if body.get("expected") is not None else None

        def operation(plan: Plan, versions: Versions, who: Stamp) -> Plan:
            found = plan.aliases.get(alias)
            if "expected" in body and found != expected:
                raise _moved_meanwhile(alias, found, expected)
            return move(plan, versions, alias, version, who)

        note(request.scope, version=version)
        return await self._change(request, operation)

    @described(
        "Point an alias back to where it was.",
        body=fields({}, {"alias": "string"}),
        needs_body=False,
    )
    async def rollback(self, request: Request) -> Response:
        _begin(request, "rollback")
        body = await _body(request, {"alias"})
        alias = check_alias(body.get("alias", MAIN_ALIAS))
        note(request.scope, alias=alias)
        return await self._change(
            request, lambda plan, versions, who: roll_back(plan, versions, alias, who)
        )

    @described(
        "Send a share of the requests to a version, or end that.",
        body=fields({"version": "integer", "percent": "number"}),
    )
    async def canary(self, request: Request) -> Response:
        _begin(request, "canary" if request.method == "PUT" else "canary end")
        canary = None
        if request.method == "PUT":
            body = await _body(request, {"version", "percent"})
            canary = Canary(version=_whole(body, "version"), percent=_number(body, "percent"))
            note(request.scope, version=canary.version, percent=canary.percent)
        return await self._change(
            request, lambda plan, versions, who: set_canary(plan, versions, canary, who)
        )

    @described(
        "Send a copy of the requests to a version, or end that.",
        body=fields({"version": "integer"}),
    )
    async def shadow(self, request: Request) -> Response:
        _begin(request, "shadow" if request.method == "PUT" else "shadow end")
        version = None
        if request.method == "PUT":
            version = _whole(await _body(request, {"version"}), "version")
            note(request.scope, version=version)
        return await self._change(
            request, lambda plan, versions, who: set_shadow(plan, versions, version, who)
        )

    @described("Take a model, or a version, off the list.")
    async def unpublish(self, request: Request) -> Response:
        _begin(request, "unpublish")
        name, segment = request.path_params["name"], request.path_params.get("version")
        note(request.scope, version=segment)
        version = None
        if segment is not None:
            version = (await self._services.traffic.find(name, segment)).version
        who = stamp(principal_of(request.scope).name)
        plan = await asyncio.to_thread(
            self._registry.change, name, lambda plan, versions: hide(plan, versions, version, who)
        )
        self._services.traffic.forget(name)
        return json_response({"name": name, "version": version, "hidden": sorted(plan.hidden)})

    @described("Publish a version again that was unpublished.")
    async def restore(self, request: Request) -> Response:
        _begin(request, "restore")
        name, segment = request.path_params["name"], request.path_params["version"]
        note(request.scope, version=segment)
        await _body(request, set())
        version = int(segment) if segment.isascii() and segment.isdecimal() else 0
        who = stamp(principal_of(request.scope).name)
        await asyncio.to_thread(self._registry.restore, name, version, who)
        await asyncio.to_thread(self._services.traffic.reload, name)
        return await self._described(name)

    async def _change(self, request: Request, operation: Operation) -> Response:
        name = request.path_params["name"]
        who = stamp(principal_of(request.scope).name)
        state = await asyncio.to_thread(self._registry.state, name)
        planned = operation(state.plan, state.versions, who)
        await self._load(state, planned)
        await asyncio.to_thread(
            self._registry.change, name, lambda plan, versions: operation(plan, versions, who)
        )
        await asyncio.to_thread(self._services.traffic.reload, name)
        return await self._described(name)

    async def _load(self, state: ModelState, planned: Plan) -> None:
        """Load what is going to answer, or refuse the change if it cannot run here."""
        wanted = {planned.main(state.versions), planned.shadow}
        wanted |= {planned.canary.version} if planned.canary else set()
        for version in sorted(version for version in wanted if version is not None):
            await self._services.models.get(state.name, version)

    async def _described(self, name: str) -> Response:
        return json_response(await asyncio.to_thread(self._describe, name))

    def _describe(self, name: str) -> dict[str, Any]:
        state = self._registry.state(name)
        aliases: dict[int, list[str]] = {}
        for alias, version in sorted(state.plan.aliases.items()):
            aliases.setdefault(version, []).append(alias)
        return {
            **_summary(state),
            "versions": [
                {
                    "version": version,
                    "created": _iso(state.times[version]),
                    "aliases": aliases.get(version, []),
                    **self._facts(name, version),
                }
                for version in state.versions
            ],
            "shadowed": self._services.shadows.counted(name),
            "history": [
                {**change.to_json(), "time": _iso(change.time)} for change in state.plan.history
            ],
        }

    def _read_facts(self, name: str, version: int) -> dict[str, Any]:
        manifest = self._registry.manifest(name, version)
        return {
            "metrics": dict(manifest.metrics),
            "framework": f"{manifest.framework.name} {manifest.framework.version}",
            "formats": [program.format for program in manifest.programs],
            "size_bytes": sum(blob.size_bytes for blob in manifest.blobs),
        }


def _begin(request: Request, action: str) -> None:
    """Say what a request is about, and refuse it where its token does not allow a change."""
    name = request.path_params["name"]
    note(request.scope, action, model=name)
    principal_of(request.scope).require("publish", name)


def _summary(state: ModelState) -> dict[str, Any]:
    plan = state.plan
    canary = plan.canary
    return {
        "name": state.name,
        "versions": [str(version) for version in state.versions],
        "serves": state.main,
        "aliases": dict(plan.aliases),
        "canary": None
        if canary is None
        else {"version": canary.version, "percent": canary.percent},
        "shadow": plan.shadow,
    }


def _moved_meanwhile(alias: str, found: int | None, expected: int | None) -> ConflictError:
    def named(version: int | None) -> str:
        return "no version" if version is None else f"version {version}"

    message = (
        f"The alias {alias!r} points to {named(found)}; you expected {named(expected)}. Somebody "
        "else moved it. Look at what is there before you move it again."
    )
    return ConflictError(message)


async def _body(request: Request, known: set[str]) -> dict[str, Any]:
    content = await read_body(request.scope, request.receive, BODY_LIMIT_BYTES)
    data = decode_object(content) if content else {}
    unknown = sorted(data.keys() - known)
    if unknown:
        message = f"The body has the field {unknown[0]!r:.80}; expected {', '.join(sorted(known))}."
        raise RequestError(message)
    return data


def _whole(body: dict[str, Any], field: str) -> int:
    value = body.get(field)
    if type(value) is not int or not 0 < value < 1 << 31:
        message = f"The field {field!r} is {value!r:.80}; expected the number of a version."
        raise RequestError(message)
    return value


def _number(body: dict[str, Any], field: str) -> float:
    value = body.get(field)
    if not isinstance(value, int | float) or isinstance(value, bool):
        message = f"The field {field!r} is {value!r:.80}; expected a number, such as 10."
        raise RequestError(message)
    return value


def _iso(time_s: float) -> str:
    return dt.datetime.fromtimestamp(time_s, dt.UTC).isoformat(timespec="milliseconds")
