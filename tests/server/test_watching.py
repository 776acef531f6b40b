import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token
from tests.servers import serving
from tests.small_runs import small_artifact, small_run


@pytest.fixture
def http(workspace):
    """A client of a server of its own, which holds version 1 of the model `small`."""
    with serving(workspace) as url:
        token = workspace_token(workspace)
        connection = Connection(url, token)
        upload(small_artifact(), connection)
        connection.close()
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            yield client


def ask(http, rows=1, path="small", **changes):
    x = small_run().data.test.x[:rows]
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}
    return http.post(f"/v2/models/{path}/infer", json={"inputs": [{**tensor, **changes}]})


def test_a_model_that_nobody_asked_has_no_numbers(http):
    found = http.get("/maas/v1/models/small/stats").json()
    assert (found["name"], found["versions"]) == ("small", [])
    assert found["uptime_s"] >= 0


def test_requests_are_counted_for_the_version_that_answered(http):
    for rows in (1, 2, 3):
        assert ask(http, rows).status_code == 200
    assert ask(http, path="small/versions/1").status_code == 200
    assert ask(http, datatype="INT64").status_code == 400
    (found,) = http.get("/maas/v1/models/small/stats").json()["versions"]
    assert (found["version"], found["requests"], found["errors"]) == (1, 5, 1)
    assert found["statuses"] == {"200": 4, "400": 1}
    assert found["examples"] == 7
    assert sum(found["latency"]["counts"]) == 5
    assert 0 < found["latency"]["p50_s"] <= found["latency"]["p99_s"]
    assert (found["batches"]["runs"], found["batches"]["examples"]) == (4, 7)
    assert found["last_minute"]["requests"] == 5
    assert found["queued"] == 0


@pytest.mark.parametrize("path", ["nothing/infer", "small/versions/7/infer"])
def test_what_there_is_not_is_never_counted_as_a_version(http, path):
    assert http.post(f"/v2/models/{path}", json={}).status_code == 404
    assert "nothing" not in http.get("/metrics").text
    assert http.get("/maas/v1/models/small/stats").json()["versions"] == []


def test_the_numbers_of_an_unknown_model_are_refused(http):
    answer = http.get("/maas/v1/models/smal/stats")
    assert answer.status_code == 404
    assert "Did you mean 'small'" in answer.json()["error"]


def samples(text):
    """Return the value of each sample by its name and labels, as Prometheus's own parser reads."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_the_metrics(http):
    for rows in (1, 3):
        ask(http, rows)
    ask(http, datatype="INT64")
    http.get("/nowhere")
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    labels = (("model", "small"), ("version", "1"))
    assert found["maasnb_requests_total", *labels[:1], ("status", "200"), labels[1]] == 2
    assert found["maasnb_requests_total", *labels[:1], ("status", "400"), labels[1]] == 1
    assert found["maasnb_examples_total", *labels] == 4
    assert found["maasnb_request_duration_seconds_count", *labels] == 3
    assert found["maasnb_request_duration_seconds_sum", *labels] > 0
    assert found["maasnb_batch_examples_count", *labels] == 2
    assert found["maasnb_batch_examples_bucket", ("le", "1.0"), *labels] == 1
    assert found["maasnb_batch_examples_bucket", ("le", "+Inf"), *labels] == 2
    assert found["maasnb_queued_requests", *labels] == 0
    assert found["maasnb_failures_total", ("status", "404")] == 1
    assert found["maasnb_failures_total", ("status", "400")] == 1
    assert found["maasnb_loaded_versions",] == 1
    assert found["process_resident_memory_bytes",] > 1 << 20


def test_a_scraper_that_wants_openmetrics_gets_it(http):
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    answer = http.get("/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_metrics_and_numbers_need_the_token(http):
    http.headers.pop("authorization")
    for path in ("/metrics", "/maas/v1/models/small/stats"):
        assert http.get(path).status_code == 401


def test_what_is_asked_is_compared_with_the_training_data(http):
    for _ in range(8):
        assert ask(http, 36).status_code == 200
    (found,) = http.get("/maas/v1/models/small/stats").json()["versions"]
    drift = found["drift"]
    assert (drift["requests"], drift["rows"], drift["of"]) == (8, 288, "features")
    assert drift["training_rows"] == len(small_run().data.train)
    assert {each["name"] for each in drift["inputs"]} == set(small_run().data.features)
    named = small_run().predict(small_run().data.test.x[:36]).argmax(axis=1)
    assert drift["labels"]["live"] == (8 * np.bincount(named, minlength=10)).tolist()
    assert max(each["outside"] for each in drift["inputs"]) < 0.1


def test_inputs_in_another_unit_have_drifted(http):
    x = small_run().data.test.x[:36] / 16
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}
    for _ in range(8):
        assert http.post("/v2/models/small/infer", json={"inputs": [tensor]}).status_code == 200
    (found,) = http.get("/maas/v1/models/small/stats").json()["versions"]
    worst = found["drift"]["inputs"][0]
    assert worst["psi"] > 0.25
    assert worst["ks"] > worst["ks_limit"]
