"""A run saved as a folder is a model again without its code, and into a model of one's own."""

import json
import shutil

import numpy as np
import pytest
from numpy.testing import assert_allclose

import maasnb
from maasnb.artifacts.artifact import read
from maasnb.errors import (
    ArtifactError,
    DataError,
    ExportError,
    ModelError,
    OptionError,
    ShapeError,
    WorkspaceError,
)
from maasnb.saving import load, save
from tests.small_runs import changed, small_run


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.coverage("E2")
def test_a_saved_model_answers_as_the_notebook_did(backend, tmp_path):
    run = small_run(backend.name)
    save(run, tmp_path / "digits")
    again = load(tmp_path / "digits")
    x = run.data.test.x
    np.testing.assert_allclose(again.predict(x), run.predict(x), atol=1e-5)
    assert (again.predict(x[0]).shape, again.name) == ((1, 10), "digits")
    assert again.classify(x[:1])[0] == run.data.labels[run.predict(x[:1]).argmax()]


def test_a_regression_is_loaded_in_the_unit_of_its_targets(tmp_path):
    run = small_run(dataset="diabetes")
    again = save(run, tmp_path / "diabetes")
    np.testing.assert_allclose(
        again.predict(run.data.test.x), run.predict(run.data.test.x), rtol=1e-4
    )
    with pytest.raises(OptionError, match="has no classes"):
        again.classify(run.data.test.x)


def test_a_run_that_is_saved_twice_gives_the_same_bytes(backend, tmp_path):
    run = small_run(backend.name)
    save(run, tmp_path / "one" / "digits")
    save(run, tmp_path / "two" / "digits")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_two_equal_runs_give_the_same_bytes(backend, tmp_path):
    for place in ("one", "two"):
        data = maasnb.data("breast_cancer")
        net = maasnb.build([maasnb.Dense(2)], data=data, backend=backend.name)
        run = maasnb.train(net, data, epochs=1)
        save(run, tmp_path / place / "cancer")
    assert run.name == f"breast_cancer-{backend.name}-2"
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_folder_holds_the_manifest_the_card_and_blobs(tmp_path):
    saved = save(small_run(), tmp_path / "digits")
    names = set(contents(tmp_path / "digits"))
    blobs = {f"blobs/{blob.digest}" for blob in saved.manifest.blobs}
    assert names == {"manifest.json", "README.md"} | blobs
    assert (tmp_path / "digits" / "README.md").read_text() == saved.card


def test_saving_again_replaces_the_older_model_and_its_blobs(tmp_path):
    save(small_run(), tmp_path / "model")
    newer = save(small_run(dataset="diabetes"), tmp_path / "model")
    assert load(tmp_path / "model").manifest == newer.manifest
    left = {path.name for path in (tmp_path / "model" / "blobs").iterdir()}
    assert left == {blob.digest for blob in newer.manifest.blobs}


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(OptionError, match="is no saved model and not empty; nothing was written"):
        save(small_run(), tmp_path, name="digits")
    assert contents(tmp_path) == {"thesis.txt": b"three years"}


@pytest.mark.parametrize("name", ["my model", "模型", "-x"])
def test_a_folder_whose_name_a_model_cannot_have_takes_a_name_beside_it(tmp_path, name):
    with pytest.raises(OptionError, match=f"'{name}' cannot be the model's.*name='my-model'"):
        save(small_run(), tmp_path / name)
    assert save(small_run(), tmp_path / name, name="digits").name == "digits"
    assert load(tmp_path / name).name == "digits"


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be made"):
        save(small_run(), tmp_path / "file" / "digits")


def test_a_token_that_the_model_does_not_know_is_refused_wherever_it_answers(backend, tmp_path):
    x = np.random.default_rng(0).integers(0, 6, (60, 4))
    data = maasnb.data(x, (x > 2).sum(1) % 2)
    layers = [maasnb.Embed(6, 4), maasnb.GlobalPool(), maasnb.Dense(2)]
    run = maasnb.train(maasnb.build(layers, backend=backend.name, data=data), data, epochs=1)
    saved = save(run, tmp_path / "tokens")
    endpoint = maasnb.publish(run, "tokens")
    for asked in (run, saved, endpoint):
        assert_allclose(asked.predict(x[:3]), run.predict(x[:3]), atol=1e-5)
        for wrong in ([[0, 1, 2, 6]], [[-1, 0, 1, 2]]):
            with pytest.raises(ValueError, match=r"whole numbers from 0 to 5, which the model"):
                asked.predict(np.array(wrong))


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_layer_of_which_the_exporter_makes_a_program_that_does_not_run_is_told(tmp_path):
    import torch

    class Projected(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.LSTM(3, 6, batch_first=True, proj_size=4)

        def forward(self, x):
            return self.layer(x)[0][:, -1]

    x = np.random.default_rng(0).normal(size=(40, 5, 3)).astype(np.float32)
    data = maasnb.data(x, np.arange(40) % 4)
    run = maasnb.train(Projected(), data, epochs=1)
    with pytest.raises(ExportError, match=r"does not run \(.*\)\. Nothing was sent.*proj_size"):
        save(run, tmp_path / "projected")
    assert not (tmp_path / "projected").exists()


def test_an_untrained_run_and_what_is_no_run_are_refused(tmp_path):
    with pytest.raises(ExportError, match="Train it first"):
        save(changed(small_run(), steps=0), tmp_path / "digits")
    with pytest.raises(ModelError, match="expected the run that training returned"):
        save(small_run().model, tmp_path / "digits")
    assert not (tmp_path / "digits").exists()


def test_examples_of_another_shape_or_kind_are_refused(tmp_path):
    saved = save(small_run(), tmp_path / "digits")
    with pytest.raises(ShapeError, match=r"expected \[n, 64\]"):
        saved.predict(np.zeros((2, 3)))
    with pytest.raises(DataError, match="NaN"):
        saved.predict(np.full((1, 64), np.nan))


def test_a_single_column_may_have_no_axis_of_its_own(tmp_path):
    values = maasnb.data(np.arange(40.0), np.arange(40.0), split=(1, 0, 0))
    run = maasnb.train(maasnb.build([maasnb.Dense(1)], data=values), values, epochs=1)
    saved = save(run, tmp_path / "line")
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(saved.predict(x), run.predict(x), rtol=1e-5)


@pytest.mark.coverage("C10")
def test_weights_are_put_into_a_model_of_the_same_structure(backend, tmp_path):
    run = small_run(backend.name)
    save(run, tmp_path / "digits")
    layers = [maasnb.Dense(16, "relu"), maasnb.Dense(10)]
    fresh = maasnb.build(layers, data=run.data, backend=backend.name, seed=5)
    assert load(tmp_path / "digits", into=fresh) is fresh
    inputs = run.data.test.inputs
    np.testing.assert_array_equal(
        backend.predict(fresh, run.task, inputs), backend.predict(run.model, run.task, inputs)
    )


def test_a_model_of_another_structure_is_refused_and_left_as_it_was(backend, tmp_path):
    run = small_run(backend.name)
    save(run, tmp_path / "digits")
    other = maasnb.build(
        [maasnb.Dense(17, "relu"), maasnb.Dense(10)], data=run.data, backend=backend.name
    )
    before = backend.weights(other)
    with pytest.raises(ModelError, match=r"has the shape .*17.*, stored is .*16.*more differences"):
        load(tmp_path / "digits", into=other)
    for name, array in backend.weights(other).items():
        np.testing.assert_array_equal(array, before[name])
    deeper = maasnb.build(
        [maasnb.Dense(16, "relu"), maasnb.Dense(10), maasnb.Dense(10)],
        data=run.data,
        backend=backend.name,
    )
    with pytest.raises(ModelError, match="which is not among them"):
        load(tmp_path / "digits", into=deeper)


def test_a_model_of_the_other_framework_is_refused(tmp_path):
    save(small_run("torch"), tmp_path / "digits")
    with pytest.raises(ModelError, match="was trained in torch, but the given"):
        load(tmp_path / "digits", into=small_run("jax").model)
    with pytest.raises(ModelError, match="is not a model"):
        load(tmp_path / "digits", into="digits")


def test_a_class_is_made_where_it_needs_nothing(tmp_path):
    import torch

    class Net(torch.nn.Sequential):
        def __init__(self):
            super().__init__(torch.nn.Linear(64, 10))

    class Sized(torch.nn.Linear):
        def __init__(self, size):
            super().__init__(64, size)

    run = maasnb.train(Net(), maasnb.data("digits"), epochs=1)
    save(run, tmp_path / "digits")
    again = load(tmp_path / "digits", into=Net)
    assert torch.equal(again[0].weight, run.model[0].weight.cpu())
    with pytest.raises(ModelError, match=r"into=Sized\(\.\.\.\)"):
        load(tmp_path / "digits", into=Sized)


def test_buffers_and_random_streams_survive(tmp_path):
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.first, self.norm = nnx.Linear(64, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
            self.drop, self.last = nnx.Dropout(0.5, rngs=rngs), nnx.Linear(8, 10, rngs=rngs)

        def __call__(self, x):
            return self.last(self.drop(self.norm(self.first(x))))

    run = maasnb.train(Net(nnx.Rngs(0)), maasnb.data("digits"), epochs=1)
    save(run, tmp_path / "digits")
    again = load(tmp_path / "digits", into=Net(nnx.Rngs(7)))
    np.testing.assert_array_equal(again.norm.mean[...], run.model.norm.mean[...])
    assert maasnb.train(again, run.data, epochs=1).steps == run.steps


def test_a_folder_without_a_saved_model_is_refused(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ArtifactError, match="holds no whole artifact"):
        load(tmp_path / "nothing")


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(
        ArtifactError, match=r"no folder .*nothere'; expected one that mb.save wrote"
    ):
        load(tmp_path / "nothere")


def test_a_damaged_folder_is_refused(tmp_path):
    saved = save(small_run(), tmp_path / "digits")
    path = tmp_path / "digits" / "blobs" / saved.manifest.weights.digest
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ArtifactError, match="is damaged"):
        load(tmp_path / "digits")


def test_a_folder_may_be_moved_and_needs_no_training_data(tmp_path):
    run = small_run()
    save(run, tmp_path / "digits")
    shutil.move(tmp_path / "digits", tmp_path / "elsewhere")
    again = load(str(tmp_path / "elsewhere"))
    assert again.name == "digits"
    np.testing.assert_allclose(
        again.predict(run.data.test.x[:3]), run.predict(run.data.test.x[:3]), atol=1e-5
    )


def test_where_it_comes_from_is_written_down(tmp_path):
    save(small_run(), tmp_path / "digits")
    data = json.loads((tmp_path / "digits" / "manifest.json").read_text())
    made = data["provenance"]
    assert made["data_fingerprint"] == small_run().data.fingerprint
    assert made["packages"]["torch"]
    assert len(made["code"]["commit"]) == 40
    assert (made["seed"], made["run"]) == (0, "digits-torch")


def test_what_is_saved_says_what_it_is(tmp_path):
    words = str(save(small_run(), tmp_path / "digits"))
    assert words.startswith("Saved model 'digits'\n")
    assert "onnx" in words
    assert read(tmp_path / "digits").manifest.summary is not None
