"""Of two programs of one model the one that is faster here answers."""

import dataclasses

import numpy as np
import pytest

from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import ArtifactError, MissingPackageError
from maasnb.runtimes import served
from maasnb.runtimes.choosing import BATCHES, measure
from maasnb.runtimes.served import load
from maasnb.serve.tokens import workspace_token
from tests.servers import serving
from tests.small_runs import small_artifact, small_run


class Working:
    """A program that does an amount of work for each example."""

    def __init__(self, work):
        self.work, self.rows = work, []

    def run(self, inputs, deadline_s=None):
        self.rows.append(len(inputs))
        for _ in range(self.work):
            np.linalg.norm(inputs)
        return inputs

    def prompt(self, rows):
        return True


def test_a_program_that_does_a_hundredth_of_the_work_is_measured_as_faster():
    sessions = {"onnx": Working(2000), "stablehlo": Working(20)}
    found = measure(sessions, np.ones((8, 4), np.float32))
    assert found["stablehlo"] < found["onnx"]
    assert set(sessions["onnx"].rows) == set(BATCHES)


@pytest.mark.parametrize(("fast", "slow"), [("onnx", "stablehlo"), ("stablehlo", "onnx")])
def test_the_faster_program_is_kept_and_what_was_measured_recorded(monkeypatch, fast, slow):
    artifact = small_artifact("jax")
    monkeypatch.setattr(served, "measure", lambda sessions, _: {fast: 10.0, slow: 20.0})
    model = load(artifact.manifest, artifact.blobs)
    assert (model.format, dict(model.measured_us)) == (fast, {fast: 10.0, slow: 20.0})
    x = small_run("jax").data.test.x[:5]
    np.testing.assert_allclose(
        model.answer({"x": x})["probabilities"], small_run("jax").predict(x), atol=1e-5
    )


def test_both_programs_are_measured_for_real():
    artifact = small_artifact("jax")
    model = load(artifact.manifest, artifact.blobs)
    assert set(model.measured_us) == {"onnx", "stablehlo"}
    assert model.measured_us[model.format] == min(model.measured_us.values())


@pytest.mark.parametrize("name", ["onnx", "stablehlo"])
def test_a_server_of_one_format_measures_nothing(name):
    artifact = small_artifact("jax")
    model = load(artifact.manifest, artifact.blobs, (name,))
    assert (model.format, model.measured_us) == (name, {})


def test_a_format_whose_package_is_missing_is_passed_over(monkeypatch):
    artifact = small_artifact("jax")
    monkeypatch.setitem(
        served.RUNTIMES, "stablehlo", ("a_package_that_is_not_there", "", "", "jax")
    )
    assert load(artifact.manifest, artifact.blobs).format == "onnx"
    with pytest.raises(MissingPackageError, match="stablehlo"):
        load(artifact.manifest, artifact.blobs, ("stablehlo",))


def test_a_refusal_says_why_there_is_no_program_of_the_format():
    artifact = small_artifact("jax")
    manifest = dataclasses.replace(
        artifact.manifest,
        programs=artifact.manifest.programs[1:],
        provenance={"not_exported": {"onnx": "Type: %pip install 'maasnb[jax-onnx]'"}},
    )
    with pytest.raises(ArtifactError, match=r"maasnb\[jax-onnx\].*--runtimes onnx,stablehlo"):
        load(manifest, artifact.blobs, ("onnx",))


def test_a_server_says_which_program_answers_and_what_was_measured(workspace):
    with serving(workspace, "--runtimes", "onnx,stablehlo") as url:
        connection = Connection(url, workspace_token(workspace))
        upload(small_artifact("jax"), connection)
        found = connection.get("/v2/models/small")
        connection.close()
    measured = found["parameters"]["measured_us"]
    assert set(measured) == {"onnx", "stablehlo"}
    faster = min(measured, key=lambda name: measured[name])
    assert found["platform"] == {"onnx": "onnx_onnxv1", "stablehlo": "jax_stablehlo"}[faster]
