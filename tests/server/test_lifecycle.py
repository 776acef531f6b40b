"""Versions and traffic over HTTP: real servers, real processes, several versions of a model."""

import contextlib
import dataclasses
import itertools
import tempfile
import threading
import time

import httpx
import numpy as np
import pytest

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.freezing import freeze
from maasnb.building import build
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.layers import Dense
from maasnb.serve.tokens import workspace_token
from maasnb.training.starting import train
from tests.object_stores import new_bucket, s3_service, s3_variables
from tests.servers import serving
from tests.small_runs import small_artifact, small_run

PATIENCE_S = 30
NUMBERS = itertools.count(1)


def artifact(name, number):
    """Return one of several artifacts of the same name; they differ in their metrics."""
    same = small_artifact()
    manifest = dataclasses.replace(same.manifest, name=name, metrics={"accuracy": number / 100})
    return Artifact(manifest=manifest, blobs=same.blobs)


def publish(url, workspace, name, *numbers):
    connection = Connection(url, workspace_token(workspace))
    versions = [upload(artifact(name, number), connection).version for number in numbers]
    connection.close()
    return versions


@contextlib.contextmanager
def client(url, workspace):
    headers = {"authorization": f"Bearer {workspace_token(workspace)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as http:
        yield http


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("lifecycle") / "maas"


@pytest.fixture(scope="module")
def server(home):
    with serving(home) as url:
        yield url


@pytest.fixture
def http(server, home):
    with client(server, home) as http:
        yield http


@pytest.fixture
def model(server, home):
    """The name of a model of this test alone, with the versions 1, 2 and 3."""
    name = f"model-{next(NUMBERS)}"
    assert publish(server, home, name, 1, 2, 3) == [1, 2, 3]
    return name


def body(rows=1):
    x = small_run().data.test.x[:rows]
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}
    return {"inputs": [tensor]}


def answering(http, model, segment=""):
    """Return the version that answers a request."""
    answer = http.post(f"/v2/models/{model}{segment}/infer", json=body())
    assert answer.status_code == 200, answer.text
    return int(answer.json()["model_version"])


def until(found, wanted):
    """Wait until a function returns what is wanted; return how long it took."""
    started = time.monotonic()
    while found() != wanted:
        assert time.monotonic() - started < PATIENCE_S, found()
        threading.Event().wait(0.02)
    return time.monotonic() - started


def described(http, model):
    return http.get(f"/maas/v1/models/{model}").json()


def promote(http, model, version, **more):
    return http.put(f"/maas/v1/models/{model}/aliases/prod", json={"version": version, **more})


def test_the_promoted_version_answers_and_the_one_before_after_a_rollback(http, model):
    assert answering(http, model) == 3
    for version in (1, 2):
        answer = promote(http, model, version)
        assert (answer.status_code, answer.json()["serves"]) == (200, version)
        assert answering(http, model) == version
    assert http.post(f"/maas/v1/models/{model}/rollback").json()["serves"] == 1
    assert answering(http, model) == 1
    again = http.post(f"/maas/v1/models/{model}/rollback", json={"alias": "prod"})
    assert again.json()["serves"] == 3  # what answered before anything was promoted


def test_a_path_may_name_a_number_or_an_alias(http, model):
    http.put(f"/maas/v1/models/{model}/aliases/staging", json={"version": 2})
    assert answering(http, model, "/versions/staging") == 2
    assert answering(http, model, "/versions/1") == 1
    assert answering(http, model) == 3
    found = http.get(f"/v2/models/{model}/versions/staging").json()
    assert found["parameters"]["version"] == "2"
    manifest = http.get(f"/maas/v1/models/{model}/versions/staging/manifest").json()
    assert manifest["metrics"] == {"accuracy": 0.02}
    http.delete(f"/maas/v1/models/{model}/aliases/staging")
    missing = http.post(f"/v2/models/{model}/versions/staging/infer", json=body())
    assert missing.status_code == 404
    assert "Known: 1, 2, 3." in missing.json()["error"]


def test_a_model_tells_its_versions_its_traffic_and_who_changed_it(http, model):
    promote(http, model, 2)
    http.put(f"/maas/v1/models/{model}/canary", json={"version": 3, "percent": 2.5})
    found = described(http, model)
    assert [each["version"] for each in found["versions"]] == [1, 2, 3]
    assert found["versions"][1]["aliases"] == ["prod"]
    assert found["versions"][1]["metrics"] == {"accuracy": 0.02}
    assert found["versions"][1]["created"].endswith("+00:00")
    assert (found["serves"], found["aliases"]) == (2, {"prod": 2})
    assert found["canary"] == {"version": 3, "percent": 2.5}
    first, second = found["history"]
    assert (first["action"], first["version"], first["before"]) == ("promote", 2, 3)
    assert (second["action"], second["percent"], second["by"]) == ("canary", 2.5, "workspace")
    listed = http.get("/maas/v1/models").json()["models"]
    (mine,) = [each for each in listed if each["name"] == model]
    assert (mine["versions"], mine["serves"]) == (["1", "2", "3"], 2)


def test_each_change_stands_in_the_audit_log(http, model):
    promote(http, model, 2)
    promote(http, model, 9)
    http.put(f"/maas/v1/models/{model}/canary", json={"version": 3, "percent": 5})
    http.delete(f"/maas/v1/models/{model}/canary")
    http.delete(f"/maas/v1/models/{model}/versions/1")
    entries = http.get("/maas/v1/audit", params={"model": model}).json()["entries"]
    found = [(each["action"], each["status"]) for each in entries if each["action"] != "publish"]
    assert found == [
        ("promote", 200),
        ("promote", 404),
        ("canary", 200),
        ("canary end", 200),
        ("unpublish", 200),
    ]
    assert {each["who"] for each in entries} == {"workspace"}


def test_an_alias_that_somebody_else_moved_is_not_moved(http, model):
    assert promote(http, model, 1, expected=None).status_code == 200
    late = promote(http, model, 2, expected=None)
    assert late.status_code == 409
    assert "points to version 1; you expected no version" in late.json()["error"]
    assert promote(http, model, 2, expected=1).status_code == 200
    assert described(http, model)["aliases"] == {"prod": 2}


def test_of_many_who_move_an_alias_from_the_same_version_one_succeeds(server, home, model):
    barrier, statuses = threading.Barrier(6), []

    def move(version):
        with client(server, home) as own:
            barrier.wait(PATIENCE_S)
            statuses.append(promote(own, model, version, expected=None).status_code)

    threads = [threading.Thread(target=move, args=(1 + number % 3,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]


def test_a_canary_answers_its_part_of_the_requests(http, model):
    promote(http, model, 1)
    http.put(f"/maas/v1/models/{model}/canary", json={"version": 2, "percent": 50})
    answers = [answering(http, model) for _ in range(60)]
    # Chance gives fewer than 10 or more than 50 of one kind once in ten million tries.
    assert set(answers) == {1, 2}
    assert 10 <= answers.count(2) <= 50
    assert {answering(http, model, "/versions/prod") for _ in range(10)} == {1}
    http.delete(f"/maas/v1/models/{model}/canary")
    assert {answering(http, model) for _ in range(20)} == {1}


def test_a_shadow_answers_copies_that_are_compared_and_never_returned(http, model):
    promote(http, model, 1)
    http.put(f"/maas/v1/models/{model}/shadow", json={"version": 2})
    for rows in (1, 2, 3):
        answer = http.post(f"/v2/models/{model}/infer", json=body(rows)).json()
        assert answer["model_version"] == "1"

    def compared():
        return [each["requests"] for each in described(http, model)["shadowed"]]

    until(compared, [3])
    (row,) = described(http, model)["shadowed"]
    assert row == {
        "version": 1,
        "shadow": 2,
        "requests": 3,
        "rows": 6,
        "dropped": 0,
        "failed": 0,
        "disagreements": 0,
        "largest_difference": 0.0,
    }


def other_run():
    """Return a run of the same data that learnt other weights."""
    examples = small_run().data
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", folder)
        return train(build([Dense(10)], data=examples, seed=5), examples, epochs=1)


def test_how_a_shadow_differs_is_what_the_notebook_says(server, home, http, model):
    other, x = other_run(), small_run().data.test.x[:60]
    connection = Connection(server, workspace_token(home))
    assert upload(freeze(other, model), connection).version == 4
    connection.close()
    promote(http, model, 1)
    http.put(f"/maas/v1/models/{model}/shadow", json={"version": 4})
    assert http.post(f"/v2/models/{model}/infer", json=body(60)).status_code == 200
    until(lambda: [each["requests"] for each in described(http, model)["shadowed"]], [1])
    (row,) = described(http, model)["shadowed"]
    mine, others = small_run().predict(x), other.predict(x)
    assert row["disagreements"] == np.sum(mine.argmax(axis=1) != others.argmax(axis=1)) > 0
    assert row["largest_difference"] == pytest.approx(np.abs(mine - others).max(), abs=1e-5)


def test_an_unpublished_version_answers_nobody_until_it_is_published_again(server, home, model):
    with client(server, home) as http:
        promote(http, model, 1)
        refused = http.delete(f"/maas/v1/models/{model}/versions/prod")
        assert refused.status_code == 409
        assert "the alias 'prod' is using it" in refused.json()["error"]
        assert http.delete(f"/maas/v1/models/{model}/versions/3").json()["hidden"] == [3]
        gone = http.post(f"/v2/models/{model}/versions/3/infer", json=body())
        assert gone.status_code == 404
        assert "Known: 1, 2, prod." in gone.json()["error"]
        assert publish(server, home, model, 3) == [3]
        assert answering(http, model, "/versions/3") == 3


def test_an_unpublished_model_is_gone_with_its_aliases(http, model):
    promote(http, model, 1)
    assert http.delete(f"/maas/v1/models/{model}").json()["hidden"] == [1, 2, 3]
    for path in (f"/v2/models/{model}", f"/maas/v1/models/{model}"):
        assert http.get(path).status_code == 404
    assert http.post(f"/v2/models/{model}/infer", json=body()).status_code == 404
    assert promote(http, model, 1).status_code == 404
    assert model not in {each["name"] for each in http.get("/maas/v1/models").json()["models"]}


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "words"),
    [
        ("PUT", "aliases/prod", {"version": 9}, 404, "Known: 1, 2, 3."),
        ("PUT", "aliases/prod", {"version": "3"}, 400, "expected the number of a version"),
        ("PUT", "aliases/prod", {}, 400, "'version' is None"),
        ("PUT", "aliases/prod", {"version": 3, "when": 0}, 400, "the field 'when'"),
        ("PUT", "aliases/prod", [], 400, "expected a JSON object"),
        ("PUT", "aliases/7", {"version": 3}, 400, "cannot be an alias"),
        ("DELETE", "aliases/prod", None, 404, "no alias 'prod'"),
        ("PUT", "canary", {"version": 2, "percent": 0}, 400, "more than 0"),
        ("PUT", "canary", {"version": 2, "percent": True}, 400, "expected a number"),
        ("PUT", "canary", {"version": 3, "percent": 5}, 400, "it is the newest"),
        ("PUT", "shadow", {"version": 1 << 40}, 400, "number of a version"),
        ("DELETE", "versions/9", None, 404, "Known: 1, 2, 3."),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_in_words(
    http, model, method, path, data, status, words
):
    answer = http.request(method, f"/maas/v1/models/{model}/{path}", json=data)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert described(http, model)["history"] == []


def test_switching_versions_under_load_drops_no_request(server, home, http, model):
    ended, failures, versions = threading.Event(), [], set()

    def ask():
        with client(server, home) as own:
            while not ended.is_set():
                answer = own.post(f"/v2/models/{model}/infer", json=body())
                if answer.status_code == 200:
                    versions.add(answer.json()["model_version"])
                else:
                    failures.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for version in (1, 2, 3, 1, 2):
            assert promote(http, model, version).status_code == 200
            assert answering(http, model) == version
        for expected in (1, 3, 2, 1):
            assert http.post(f"/maas/v1/models/{model}/rollback").json()["serves"] == expected
            assert answering(http, model) == expected
        publish(server, home, model, 4)
        promote(http, model, 4)
        until(lambda: "4" in versions, True)
        http.delete(f"/maas/v1/models/{model}/versions/3")
    finally:
        ended.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert failures == []
    assert versions >= {"1", "2", "3", "4"}


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path, monkeypatch):
    """Where a registry is that two servers share."""
    if request.param == "folder":
        yield str(tmp_path / "shared")
        return
    with s3_service() as service:
        for name, value in s3_variables(service).items():
            monkeypatch.setenv(name, value)
        yield new_bucket(service)


def test_two_servers_of_one_registry_see_each_others_changes(place, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    with (
        serving(one, "--store", place) as first,
        serving(two, "--store", place) as second,
        client(first, one) as here,
        client(second, two) as there,
    ):
        assert publish(first, one, "shared", 1, 2) == [1, 2]
        assert answering(there, "shared") == 2
        promote(here, "shared", 1)
        until(lambda: answering(there, "shared"), 1)
        promote(there, "shared", 2)
        until(lambda: answering(here, "shared"), 2)
        assert publish(second, two, "shared", 3) == [3]
        here.delete("/maas/v1/models/shared/aliases/prod")
        until(lambda: answering(there, "shared"), 3)
        there.delete("/maas/v1/models/shared")
        until(lambda: here.get("/v2/models/shared").status_code, 404)
        assert publish(first, one, "shared", 4) == [4]
        assert answering(here, "shared") == 4
