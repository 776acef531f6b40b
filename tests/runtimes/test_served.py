import dataclasses

import numpy as np
import pytest

from maasnb.errors import ArtifactError, UnknownNameError
from maasnb.runtimes.served import Golden, difference, load, read_golden, runtime_for
from tests.small_runs import small_artifact, small_run


@pytest.mark.parametrize("dataset", ["digits", "diabetes"])
@pytest.mark.parametrize("rows", [1, 2, 3, 36])
def test_a_served_model_answers_as_the_notebook_does(backend, dataset, rows):
    run, artifact = small_run(backend.name, dataset), small_artifact(backend.name, dataset)
    model = load(artifact.manifest, artifact.blobs)
    raw = run.data.test.x[:rows]
    answers = model.answer({"x": raw})
    expected = run.predict(raw)
    scale = np.maximum(1.0, np.abs(expected))
    assert answers[run.task.output_name].shape == expected.shape
    assert np.max(np.abs(answers[run.task.output_name] - expected) / scale) <= 1e-5


def test_golden_pairs_reproduce(backend):
    artifact = small_artifact(backend.name)
    golden = read_golden(artifact.manifest, artifact.blobs[artifact.manifest.golden.digest])
    assert difference(load(artifact.manifest, artifact.blobs), golden).largest <= 1e-5


def test_a_difference_names_the_tensor_and_its_size():
    artifact = small_artifact()
    golden = read_golden(artifact.manifest, artifact.blobs[artifact.manifest.golden.digest])
    shifted = {name: array + np.float32(0.25) for name, array in golden.outputs.items()}
    found = difference(load(artifact.manifest, artifact.blobs), Golden(golden.inputs, shifted))
    assert found.tensor == "probabilities"
    assert found.largest == pytest.approx(0.25, abs=1e-4)


def test_an_answer_that_is_not_finite_differs_infinitely():
    artifact = small_artifact()
    golden = read_golden(artifact.manifest, artifact.blobs[artifact.manifest.golden.digest])
    nan = {name: np.full_like(array, np.nan) for name, array in golden.outputs.items()}
    found = difference(load(artifact.manifest, artifact.blobs), Golden(golden.inputs, nan))
    assert found.largest == float("inf")


def test_a_program_of_a_format_that_may_not_run_here_is_refused_with_the_way_out():
    artifact = small_artifact("jax")
    programs = artifact.manifest.programs[1:]
    manifest = dataclasses.replace(artifact.manifest, programs=programs)
    with pytest.raises(ArtifactError, match="maasnb serve --runtimes onnx,stablehlo"):
        load(manifest, artifact.blobs, ("onnx",))


def test_an_unknown_format_gets_the_nearest_match():
    with pytest.raises(UnknownNameError, match="Did you mean 'onnx'"):
        runtime_for("onx")


def test_a_program_that_returns_another_shape_than_promised_is_refused():
    artifact = small_artifact()
    output = dataclasses.replace(artifact.manifest.output, shape=(-1, 3))
    signature = dataclasses.replace(artifact.manifest.signature, outputs=(output,))
    manifest = dataclasses.replace(artifact.manifest, signature=signature)
    with pytest.raises(ArtifactError, match="the signature promises"):
        load(manifest, artifact.blobs).answer({"x": small_run().data.test.x[:2]})


def test_golden_pairs_that_do_not_fit_the_signature_are_refused():
    artifact = small_artifact()
    with pytest.raises(ArtifactError, match="do not fit the signature"):
        read_golden(artifact.manifest, artifact.blobs[artifact.manifest.weights.digest])
