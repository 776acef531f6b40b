import json
import re

import httpx
import pytest

from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.issued import issue
from maasnb.serve.routes import PUBLIC_PATHS, make_router
from maasnb.serve.services import open_services
from maasnb.serve.tokens import workspace_token
from tests.servers import serving
from tests.small_runs import small_artifact

VALUES = {"digest": "0" * 64, "version": "1", "alias": "prod"}
# These name their model in the body, which is not read before the token may predict at all.
NAMED_INSIDE = ("/v1/completions", "/v1/chat/completions")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("permissions") / "maas"


@pytest.fixture(scope="module")
def tokens(home):
    """Tokens by what they are for, made before the server starts."""
    made = {
        "predict": issue(home, "predict", name="predict")[0],
        "publish": issue(home, "publish", name="publish")[0],
        "admin": issue(home, "admin", name="admin")[0],
        "other": issue(home, "publish", name="other", models=("other*",))[0],
        "nothing": issue(home, "predict", name="nothing")[0],
        "slow": issue(home, "predict", name="slow", rate=0.001)[0],
    }
    path = home / "tokens" / "nothing.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "permissions": []}))
    return made


@pytest.fixture(scope="module")
def server(home, tokens):
    """The URL of a server that holds version 1 of the model `small`."""
    with serving(home) as url:
        connection = Connection(url, workspace_token(home))
        upload(small_artifact(), connection)
        connection.close()
        yield url


def client(server, token=None):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=server, headers=headers, timeout=60)


def all_routes(home):
    """Return every (method, path) that the server answers, with names in place of parameters."""
    found = {("POST", "/v2/models/{name}/infer"), ("POST", "/v2/models/{name}/versions/1/infer")}
    for route in make_router(open_services(home, ())).routes:
        found |= {(method, route.path) for method in route.methods}
    return sorted((method, filled(path)) for method, path in found if path not in PUBLIC_PATHS)


def filled(path, name="small"):
    return re.sub(r"{(\w+)[^}]*}", lambda found: {"name": name, **VALUES}.get(found[1], "x"), path)


def refused(http, method, path):
    answer = http.request(method, path, content=b"{}")
    return answer.status_code


def test_without_a_token_nothing_but_the_public_paths_answers(server, home):
    with client(server) as http:
        answers = {each: refused(http, *each) for each in all_routes(home)}
        assert len(answers) >= 12
        assert {each: status for each, status in answers.items() if status != 401} == {}
        assert {http.get(path).status_code for path in PUBLIC_PATHS} <= {200, 400}


def test_with_a_token_that_allows_nothing_every_route_is_forbidden(server, home, tokens):
    with client(server, tokens["nothing"]) as http:
        answers = {each: refused(http, *each) for each in all_routes(home)}
    assert {each: status for each, status in answers.items() if status != 403} == {}


def test_with_a_token_for_other_models_every_route_of_a_model_is_forbidden(server, home, tokens):
    routes = [each for each in all_routes(home) if "/small" in each[1]]
    with client(server, tokens["other"]) as http:
        answers = {each: refused(http, *each) for each in routes}
    assert len(answers) >= 8
    assert {each: status for each, status in answers.items() if status != 403} == {}


@pytest.mark.parametrize("path", NAMED_INSIDE)
def test_a_model_that_is_named_in_the_body_is_forbidden_too(server, tokens, path):
    fields = {"prompt": "x"} if path == NAMED_INSIDE[0] else {"messages": []}
    fields["messages"] = [{"role": "user", "content": "x"}]
    with client(server, tokens["other"]) as http:
        for name in ("small", "nowhere"):
            assert http.post(path, json={"model": name, **fields}).status_code == 403
        assert http.get("/v1/models").json()["data"] == []


def test_the_metrics_of_a_token_for_other_models_do_not_name_this_one(server, tokens):
    x = [0.0] * 64
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 64], "data": x}
    with client(server, tokens["predict"]) as http:
        assert http.post("/v2/models/small/infer", json={"inputs": [tensor]}).status_code == 200
        assert 'model="small"' in http.get("/metrics").text
    with client(server, tokens["other"]) as http:
        assert "small" not in http.get("/metrics").text
        assert http.post("/v2/repository/index", json={}).json() == []


def test_a_token_for_other_models_does_not_learn_that_there_are_more(server, tokens):
    with client(server, tokens["other"]) as http:
        assert http.get("/maas/v1/models").json() == {"models": []}
        known, unknown = (http.get(f"/v2/models/{name}") for name in ("small", "nowhere"))
    assert known.status_code == unknown.status_code == 403
    assert known.text.replace("small", "nowhere") == unknown.text


def test_a_token_that_may_predict_cannot_change_anything(server, home, tokens):
    routes = [each for each in all_routes(home) if each[0] in ("PUT", "POST", "DELETE", "PATCH")]
    with client(server, tokens["predict"]) as http:
        answers = {each: refused(http, *each) for each in routes}
        assert http.get("/v2/models/small").status_code == 200
    changing = {each: s for each, s in answers.items() if each[1].startswith("/maas/")}
    assert set(changing.values()) == {403}


def test_a_name_in_disguise_is_still_that_name(server, tokens):
    with client(server, tokens["other"]) as http:
        for name in ("%73mall", "other/../small", "other%2f..%2fsmall", "small%00", "./small"):
            for method, path in [("GET", ""), ("POST", "/infer")]:
                answer = http.request(method, f"/v2/models/{name}{path}", content=b"{}")
                assert answer.status_code in (403, 404), name


def test_the_audit_log_is_for_admins_and_holds_publishes_and_refusals(server, home, tokens):
    with client(server, tokens["publish"]) as http:
        assert http.get("/maas/v1/audit").status_code == 403
        data = small_artifact().manifest.to_json()
        data["golden"]["digest"] = "1" * 64
        assert http.post("/maas/v1/models/small/versions", json=data).status_code == 422
    with client(server, tokens["admin"]) as http:
        entries = http.get("/maas/v1/audit?model=small&limit=1000").json()["entries"]
        assert http.get("/maas/v1/audit?limit=x").status_code == 400
    (made,) = [each for each in entries if each["status"] == 201]
    assert (made["who"], made["action"], made["version"]) == ("workspace", "publish", 1)
    assert len(made["digest"]) == 64
    last = [each for each in entries if each["status"] == 422][-1]
    assert (last["who"], last["action"]) == ("publish", "publish")
    assert "is not in the registry" in last["error"]


def test_strangers_leave_no_line_in_the_audit_log(server, home):
    size = (home / "audit.jsonl").stat().st_size
    with client(server, "wrong") as http:
        assert http.put("/maas/v1/blobs/" + "0" * 64, content=b"x").status_code == 401
    assert (home / "audit.jsonl").stat().st_size == size


def test_a_token_that_sends_too_much_is_told_when_to_ask_again(server, tokens):
    with client(server, tokens["slow"]) as http:
        assert http.get("/v2").status_code == 200
        answer = http.get("/v2")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 900
    assert "may send 0.001 requests a second" in answer.json()["error"]
