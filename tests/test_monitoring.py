"""A served model is watched: what it does is told as it is, and what is wrong in plain words."""

import numpy as np
import pytest

import maasnb
from maasnb.errors import ModelError, RequestError, UnknownNameError
from maasnb.monitoring import monitor
from maasnb.panels.pictures import report_png
from maasnb.publishing import publish
from maasnb.serve.embedded import stop_server
from tests.small_runs import small_run


@pytest.fixture
def endpoint(workspace):
    """The endpoint of a model of its own server, which nobody asked yet."""
    yield publish(small_run(dataset="breast_cancer"), "tumours")
    stop_server(workspace)


def ask(endpoint, rows):
    for row in rows:
        endpoint.predict(row)


def kinds(report):
    return [finding.kind for finding in report.findings]


def test_of_a_model_that_nobody_asked_only_that_is_said(endpoint):
    report = monitor(endpoint)
    assert "Nobody asked it yet" in str(report)
    assert report_png(report) is None


def test_a_model_that_is_asked_what_it_was_trained_on_is_well(endpoint):
    ask(endpoint, small_run(dataset="breast_cancer").data.train.x[:150])
    report = monitor("tumours")
    assert kinds(report) == []
    assert "Nothing is wrong with version 1" in str(report)
    assert report.rows[0][:3] == ("1", "150", "0")
    assert (report["requests"], report["errors"]) == (150, 0)
    assert report["rows"] >= 100
    assert 0 < report["p50_s"] <= report["p99_s"]
    assert report_png(report).startswith(b"\x89PNG")


@pytest.mark.coverage("E6")
def test_inputs_in_another_unit_are_found_and_the_feature_is_named(endpoint):
    moved = small_run(dataset="breast_cancer").data.train.x[:150].copy()
    moved[:, 0] *= 10
    ask(endpoint, moved)
    report = monitor(endpoint)
    assert kinds(report)[:2] == ["input_drift", "out_of_range"]
    drift, outside = report.findings[:2]
    assert (drift.severity, drift.where) == ("bad", ("mean radius",))
    assert "not like its training data: mean radius moved" in drift.words
    assert "100% of the values of mean radius are outside" in outside.words
    assert "the training data went from" in outside.evidence
    assert report["psi"] > 0.25
    assert "drift of inputs" in str(report)
    assert report_png(report).startswith(b"\x89PNG")


def test_answers_that_all_name_one_class_are_found(endpoint):
    run = small_run(dataset="breast_cancer")
    answers = run.predict(run.data.train.x).argmax(axis=1)
    rows = np.resize(run.data.train.x[answers == 0], (150, 30))
    ask(endpoint, rows)
    found = {finding.kind: finding for finding in monitor(endpoint).findings}
    assert "100% of its answers" in found["label_drift"].evidence
    assert found["label_drift"].where == (run.data.labels[0],)


def test_requests_that_fail_are_found_with_a_remedy(endpoint):
    ask(endpoint, small_run(dataset="breast_cancer").data.train.x[:20])
    wrong = {"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [1.0, 2.0]}
    for _ in range(8):
        with pytest.raises(RequestError):
            endpoint._connection.post("/v2/models/tumours/infer", {"inputs": [wrong]})
    report = monitor(endpoint)
    (finding,) = report.findings
    assert (finding.kind, finding.severity) == ("failing_requests", "bad")
    assert "8 with status 400, of 28 requests" in finding.evidence
    assert "endpoint.signature" in finding.remedy
    assert "Of drift nothing can be said yet: 20 examples" in str(report)


def test_a_model_that_is_not_there_and_what_is_no_endpoint_are_refused(endpoint):
    with pytest.raises(UnknownNameError, match="Did you mean 'tumours'"):
        monitor("tumour")
    with pytest.raises(ModelError, match="expected an endpoint or the name of a published model"):
        monitor(small_run())


def test_a_regression_shows_the_feature_that_moved_most(workspace):
    run = small_run(dataset="diabetes")
    try:
        endpoint = publish(run, "diabetes")
        ask(endpoint, run.data.train.x[:120])
        report = maasnb.monitor(endpoint)
    finally:
        stop_server(workspace)
    assert "labels" not in report.data
    assert len(report.data["edges"]) == len(report.data["live"])
    assert report_png(report).startswith(b"\x89PNG")
