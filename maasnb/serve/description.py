"""The description of every route as OpenAPI 3.1, made from the routes themselves.

An endpoint says with `described` what its path alone does not: its summary, what it takes and
returns. A route without that is still listed, with what its path and methods say.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from maasnb.serve.access import principal_of
from maasnb.serve.answers import json_response
from maasnb.settings import VERSION
from maasnb.tensors import DATATYPES

__all__ = ["Description", "described", "description_route", "fields"]

Schema = Mapping[str, Any]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

PARAMETER = re.compile(r"\{(\w+)\}")
OBJECT: Schema = {"type": "object"}
FAILURE: Schema = {"$ref": "#/components/schemas/Error"}
PATTERNS = {
    "name": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    "digest": "^[0-9a-f]{64}$",
    "alias": "^[A-Za-z][A-Za-z0-9_-]{0,31}$",
}
MEANINGS = {
    "name": "the model's name",
    "version": "a version's number, or an alias",
    "digest": "the SHA-256 of the blob",
    "alias": "the alias",
}
BODY_METHODS = {"PUT", "POST", "PATCH"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Say what an endpoint does.

    Attributes:
        summary: in one sentence.
        body: the schema of what it takes; None for nothing.
        body_type: the media type of that.
        needs_body: whether it must be there.
        answer: the schema of what it returns.
        answer_type: the media type of that.
        query: the query's parameters: name -> what it means.
        failure: the schema of what it answers where it fails.
    """

    summary: str
    body: Schema | None = None
    body_type: str = "application/json"
    needs_body: bool = True
    answer: Schema = dataclasses.field(default_factory=lambda: OBJECT)
    answer_type: str = "application/json"
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    failure: Schema = dataclasses.field(default_factory=lambda: FAILURE)


def described(summary: str, **more: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - fields
    """Return a decorator that describes an endpoint; takes the fields of `Description`."""
    description = Description(summary=summary, **more)

    def describe(endpoint: Endpoint) -> Endpoint:
        endpoint.description = description  # type: ignore[attr-defined]
        return endpoint

    return describe


def fields(required: Mapping[str, str], optional: Mapping[str, str] | None = None) -> Schema:
    """Return the schema of an object.

    Args:
        required: its fields: name -> JSON type, such as `integer`.
        optional: those that may be missing.
    """
    properties = {name: {"type": kind} for name, kind in {**required, **(optional or {})}.items()}
    return {"type": "object", "properties": properties, "required": list(required)}


PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
TENSOR: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string", "enum": list(DATATYPES)},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "parameters": {"$ref": "#/components/schemas/Parameters"},
        "data": {"type": "array"},
    },
    "required": ["name", "datatype", "shape"],
}
INFER = Description(
    summary="Answer examples.",
    body={
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "parameters": {"$ref": "#/components/schemas/Parameters"},
            "inputs": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/components/schemas/Tensor"},
            },
            "outputs": {"type": "array", "items": fields({"name": "string"})},
        },
        "required": ["inputs"],
    },
    answer={
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
        },
        "required": ["model_name", "outputs"],
    },
)
INFER_PATHS = ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer")


def description_route(others: Iterable[BaseRoute], public: Iterable[str]) -> Route:
    """Return the route that describes the others, inference and itself.

    Args:
        others: the routes of the server.
        public: the paths that need no token.
    """
    routes = [each for each in others if isinstance(each, Route)]

    @described("Return this description.")
    async def openapi(request: Request) -> Response:
        principal_of(request.scope).require("predict")
        return json_response(document)

    route = Route("/openapi.json", openapi)
    document = _document([*routes, route], frozenset(public))
    return route


def _document(routes: Iterable[Route], public: frozenset[str]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        description = getattr(route.endpoint, "description", None)
        for method in sorted((route.methods or {"GET"}) - {"HEAD"} or {"HEAD"}):
            told = description or Description(
                summary=f"{method} {route.path}.",
                body=OBJECT if method in BODY_METHODS else None,
                needs_body=False,
            )
            operation = _operation(route.path, method, told, is_public=route.path in public)
            paths.setdefault(route.path, {})[method.lower()] = operation
        if "HEAD" in (route.methods or ()) and "PUT" in (route.methods or ()):
            head = Description(summary=f"Say whether there is {route.path}.")
            paths[route.path]["head"] = _operation(route.path, "HEAD", head, is_public=False)
    for path in INFER_PATHS:
        paths[path] = {"post": _infer_operation(path)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "maasnb",
            "version": VERSION,
            "description": (
                "Models that came out of notebooks, behind the Open Inference Protocol V2. Every "
                "failure is an object with the field `error`."
            ),
        },
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": fields({"error": "string"}),
                "Parameters": PARAMETERS,
                "Tensor": TENSOR,
            },
        },
    }


def _operation(path: str, method: str, told: Description, *, is_public: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": told.summary,
        "operationId": _identifier(path, method),
        "parameters": [
            *(_path_parameter(name) for name in PARAMETER.findall(path)),
            *(
                {"name": name, "in": "query", "description": words, "schema": {"type": "string"}}
                for name, words in told.query.items()
            ),
        ],
        "responses": {
            "2XX": _content("It is done.", told.answer_type, told.answer),
            "default": _content("What failed, in words.", "application/json", told.failure),
        },
    }
    if method == "HEAD":
        operation["responses"] = {
            "200": {"description": "It is there."},
            "default": {"description": "It is not there, or may not be asked for."},
        }
    if told.body is not None and method in BODY_METHODS:
        content = {told.body_type: {"schema": told.body}}
        operation["requestBody"] = {"required": told.needs_body, "content": content}
    if is_public:
        operation["security"] = []
    return operation


def _infer_operation(path: str) -> dict[str, Any]:
    operation = _operation(path, "POST", INFER, is_public=False)
    binary = {"schema": {"type": "string", "format": "binary"}}
    operation["requestBody"]["content"]["application/octet-stream"] = binary
    operation["responses"]["2XX"]["content"]["application/octet-stream"] = binary
    operation["parameters"] += [
        _header("Inference-Header-Content-Length", "integer", "bytes of JSON before binary data"),
        _header("X-Request-Timeout", "number", "seconds that the answer may take"),
    ]
    return operation


def _header(name: str, kind: str, words: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": words, "schema": {"type": kind}}


def _path_parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name in PATTERNS:
        schema["pattern"] = PATTERNS[name]
    words = MEANINGS.get(name, name)
    return {"name": name, "in": "path", "required": True, "description": words, "schema": schema}


def _content(words: str, kind: str, schema: Schema) -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": schema}}}


def _identifier(path: str, method: str) -> str:
    words = re.findall(r"\w+", path)
    return "_".join([method.lower(), *words])
