import re

import jsonschema
import pytest
from starlette.testclient import TestClient

from maasnb.serve.app import Application
from maasnb.serve.description import INFER_PATHS
from maasnb.serve.routes import PUBLIC_PATHS, make_router
from maasnb.serve.services import open_services
from maasnb.serve.tokens import workspace_token


@pytest.fixture
def client(workspace):
    headers = {"authorization": f"Bearer {workspace_token(workspace)}"}
    return TestClient(Application(open_services(workspace, ())), headers=headers)


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def operations(document):
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_and_method_is_described(document, workspace):
    routes = make_router(open_services(workspace, ())).routes
    wanted = {(method, route.path) for route in routes for method in route.methods}
    # Whatever can be read can be asked for by HEAD too, which needs no line of its own.
    wanted = {(m, path) for m, path in wanted if m != "HEAD" or ("GET", path) not in wanted}
    assert wanted | {("POST", path) for path in INFER_PATHS} == set(operations(document))


def test_operations_have_names_of_their_own_and_summaries(document):
    found = operations(document).values()
    assert len({each["operationId"] for each in found}) == len(found)
    assert all(each["summary"].endswith(".") for each in found)


def test_the_parameters_of_a_path_are_all_described(document):
    for (_, path), operation in operations(document).items():
        told = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert told == set(re.findall(r"{(\w+)}", path))


def test_what_needs_no_token_is_said_so_and_nothing_else(document):
    free = {path for (_, path), each in operations(document).items() if each.get("security") == []}
    assert free == PUBLIC_PATHS
    assert document["security"] == [{"token": []}]


def test_every_schema_is_one_and_every_reference_leads_somewhere(document):
    def schemas(node):
        if isinstance(node, dict):
            if "schema" in node:
                yield node["schema"]
            for each in node.values():
                yield from schemas(each)
        elif isinstance(node, list):
            for each in node:
                yield from schemas(each)

    found = [*schemas(document["paths"]), *document["components"]["schemas"].values()]
    assert len(found) > 20
    for schema in found:
        jsonschema.Draft202012Validator.check_schema(schema)
    references = {part.split('"')[0] for part in str(document).replace("'", '"').split("#/")[1:]}
    assert references
    for reference in references:
        place = document
        for part in reference.split("/"):
            place = place[part]


def test_failures_are_what_the_description_says(client, document):
    error = document["components"]["schemas"]["Error"]
    for (method, path), operation in operations(document).items():
        if method == "HEAD":
            continue
        url = path.replace("{name}", "nothing").replace("{version}", "1")
        url = url.replace("{digest}", "0" * 64).replace("{alias}", "prod")
        answer = client.request(method, url, content=b"\xff")
        assert answer.status_code < 500, (method, url, answer.text)
        if answer.status_code >= 400:
            told = operation["responses"]["default"]["content"]["application/json"]["schema"]
            jsonschema.validate(answer.json(), error if "$ref" in told else told)
        elif "application/json" in operation["responses"]["2XX"]["content"]:
            answer.json()
