import numpy as np
import pytest

from maasnb.artifacts.blobs import arrays_from_bytes
from maasnb.artifacts.freezing import freeze
from maasnb.errors import ExportError, OptionError
from tests.small_runs import changed, small_artifact, small_run


def test_the_same_run_gives_the_same_bytes(backend):
    first, second = (freeze(small_run(backend.name), "small") for _ in range(2))
    assert first.manifest.to_bytes() == second.manifest.to_bytes()
    assert first.blobs == second.blobs


def test_no_path_of_this_machine_is_in_an_artifact(backend):
    for content in small_artifact(backend.name).blobs.values():
        assert b".py" not in content


def test_the_weights_are_those_of_the_model(backend):
    artifact = small_artifact(backend.name)
    stored = arrays_from_bytes(artifact.blobs[artifact.manifest.weights.digest])
    weights = backend.weights(small_run(backend.name).model)
    assert stored.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(stored[name], array)


def test_golden_pairs_are_raw_examples_and_the_answers_of_the_notebook(backend):
    run, artifact = small_run(backend.name), small_artifact(backend.name)
    golden = arrays_from_bytes(artifact.blobs[artifact.manifest.golden.digest])
    np.testing.assert_array_equal(golden["x"], run.data.test.x[:8])
    np.testing.assert_array_equal(golden["probabilities"], run.predict(run.data.test.x[:8]))


def test_the_signature_keeps_the_datatype_of_the_raw_data():
    manifest = small_artifact(dataset="diabetes").manifest
    assert manifest.input.dtype == small_run(dataset="diabetes").data.test.x.dtype
    assert manifest.input.shape == (-1, 10)
    assert (manifest.output.name, manifest.output.shape) == ("values", (-1, 1))


def test_an_untrained_run_is_refused():
    with pytest.raises(ExportError, match=r"has taken no training step.*Train it first"):
        freeze(changed(small_run(), steps=0), "small")


def test_a_run_that_is_still_training_is_refused():
    with pytest.raises(ExportError, match="still training"):
        freeze(changed(small_run(), status="running"), "small")


def test_a_name_that_is_a_path_is_refused():
    with pytest.raises(OptionError, match="cannot be the name"):
        freeze(small_run(), "../small")


def test_a_model_that_answers_nan_is_refused():
    class Broken:
        name = "torch"

        def predict(self, model, task, inputs):
            return np.full((len(inputs), 10), np.nan, dtype=np.float32)

    with pytest.raises(ExportError, match="NaN or infinite"):
        freeze(changed(small_run(), backend=Broken()), "small")
