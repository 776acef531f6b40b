import numpy as np
import pytest

from maasnb.backends.protocol import Exported, ProgramFile
from maasnb.building import build
from maasnb.client.endpoint import Endpoint
from maasnb.datasets.loading import data
from maasnb.datasets.recipes import standardize
from maasnb.errors import (
    AccessError,
    ArtifactError,
    EndpointError,
    ExportError,
    ForbiddenError,
    ModelError,
    OptionError,
    WorkspaceError,
)
from maasnb.layers import Dense
from maasnb.publishing import connect, predict, publish
from maasnb.saving import load
from maasnb.serve.embedded import ensure_server, stop_server
from maasnb.serve.issued import issue
from maasnb.training.starting import train
from tests.small_runs import changed, small_run


@pytest.fixture
def home(workspace):
    yield workspace
    stop_server(workspace)


class Spoilt:
    """A backend that exports something else than it predicts."""

    def __init__(self, backend, content=None, error=None):
        self._backend, self._content, self._error = backend, content, error

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def export(self, model, task, inputs):
        if self._error:
            raise self._error
        if self._content:
            program = ProgramFile(format="onnx", content=self._content)
            return Exported(programs=(program,))
        return self._backend.export(small_run("torch").model, task, inputs)


@pytest.mark.coverage("E1", "E3")
def test_a_published_run_answers_over_http_as_in_the_notebook(backend, home):
    run = small_run(backend.name)
    endpoint = publish(run, "digits")
    assert (endpoint.name, endpoint.version) == ("digits", 1)
    x = run.data.test.x
    np.testing.assert_allclose(endpoint.predict(x), run.predict(x), atol=1e-5)
    np.testing.assert_allclose(predict("digits", x), predict(run, x), atol=1e-5)
    np.testing.assert_array_equal(predict(endpoint, x), predict(connect("digits"), x))


def test_a_published_model_is_loaded_from_its_endpoint(home):
    run, other = small_run(), small_run("jax")
    publish(run, "digits", alias="prod")
    publish(other, "digits")
    x = run.data.test.x
    newest, prod = load(connect("digits").at(2)), load(connect("digits"))
    assert (newest.manifest.framework.name, prod.manifest.framework.name) == ("jax", "torch")
    assert load(connect("digits").at("prod")).manifest == prod.manifest
    np.testing.assert_allclose(prod.predict(x), run.predict(x), atol=1e-5)
    bound = load(connect("digits"), into=build([Dense(16, "relu"), Dense(10)], data=run.data))
    for name, value in run.model.state_dict().items():
        np.testing.assert_array_equal(bound.state_dict()[name], value)


def test_weights_are_not_for_who_may_only_ask(home):
    token, _ = issue(home, "predict")
    endpoint = publish(small_run(), "digits")
    asks = Endpoint.open(endpoint.server, token, "digits")
    with pytest.raises(ForbiddenError, match="does not allow 'publish' of 'digits'"):
        load(asks)
    assert asks.predict(small_run().data.test.x[:1]).shape == (1, 10)


def test_a_published_model_that_was_damaged_is_not_loaded(home):
    endpoint = publish(small_run(), "digits")
    digest = load(endpoint).manifest.weights.digest
    (path,) = home.rglob(digest)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtifactError, match="is damaged"):
        load(endpoint)
    path.write_bytes(content + b"more")
    with pytest.raises(EndpointError, match="sends more than the .* bytes"):
        load(endpoint)


def test_a_run_is_published_under_the_name_of_its_data_by_default(home):
    assert publish(small_run()).name == small_run().data.name


def test_publishing_again_makes_a_version_only_if_something_changed(home):
    assert publish(small_run(), "digits").version == 1
    assert publish(small_run(), "digits").version == 1
    assert publish(small_run("jax"), "digits").version == 2
    assert connect("digits").versions == (1, 2)
    assert publish(small_run(), "digits").version == 3


def test_an_untrained_run_is_not_published(home):
    with pytest.raises(ExportError, match="Train it first"):
        publish(changed(small_run(), steps=0), "digits")
    assert not home.exists()


def test_something_that_is_no_run_is_refused():
    with pytest.raises(ModelError, match="expected the run that training returned"):
        publish(small_run().model, "digits")


def test_a_model_that_cannot_be_exported_is_refused_with_the_reason(home):
    spoilt = Spoilt(small_run().backend, error=ExportError("aten::odd has no form. Use another."))
    with pytest.raises(ExportError, match="aten::odd"):
        publish(changed(small_run(), backend=spoilt), "digits")
    assert not home.exists()


def test_an_export_that_answers_differently_is_not_sent(home):
    import torch

    other = torch.nn.Sequential(torch.nn.Linear(64, 10))
    wrong = small_run().backend.export(other, small_run().task, small_run().data.test.inputs[:2])
    spoilt = Spoilt(small_run().backend, content=wrong.programs[0].content)
    with pytest.raises(ExportError, match=r"'probabilities' differs by 0.*Nothing was sent"):
        publish(changed(small_run(), backend=spoilt), "digits")
    assert not home.exists()


@pytest.mark.parametrize("name", ["", "a b", "../digits", "x" * 65])
def test_a_name_that_cannot_be_served_is_refused(home, name):
    with pytest.raises(OptionError, match="cannot be the name"):
        publish(small_run(), name)


def test_a_server_that_is_not_there_is_said_so(home):
    with pytest.raises(EndpointError, match="Is the server running"):
        publish(small_run(), "digits", to="http://127.0.0.1:9")


def test_a_workspace_that_cannot_be_written_is_said_so(workspace):
    workspace.write_text("a file where the folder should be")
    with pytest.raises(WorkspaceError, match="MAASNB_HOME"):
        publish(small_run(), "digits")


def test_the_token_is_taken_from_the_argument_the_variable_or_the_workspace(home, monkeypatch):
    address = ensure_server(home)
    publish(small_run(), "digits", to=address.url)
    with pytest.raises(AccessError):
        connect("digits", to=address.url, token="wrong")
    monkeypatch.setenv("MAASNB_TOKEN", "wrong")
    with pytest.raises(AccessError):
        connect("digits", to=address.url)
    assert connect("digits", to=address.url, token=address.token).ready()
    monkeypatch.setenv("MAASNB_TOKEN", address.token)
    assert "$MAASNB_TOKEN" in connect("digits", to=address.url).curl()


def test_predict_takes_an_endpoint_a_name_or_a_run():
    with pytest.raises(ModelError, match="cannot predict; expected an endpoint"):
        predict(3, [[1.0]])


def test_a_model_of_raw_float64_examples_keeps_every_digit(home):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) * 1e-3 + 1e6  # float32 would lose what tells the examples apart
    examples = data(x, (x[:, 0] > 1e6).astype(int), prep=[standardize()])
    run = train(build([Dense(2)], data=examples), examples, epochs=1)
    endpoint = publish(run, "precise")
    assert endpoint.signature.inputs[0].datatype == "FP64"
    np.testing.assert_allclose(endpoint.predict(x), run.predict(x), atol=1e-6)


def test_two_classes_with_one_output_are_classified_by_its_half(home):
    examples = data("breast_cancer")
    run = train(build([Dense(1)], data=examples), examples, epochs=1)
    endpoint = publish(run, "cancer")
    x = examples.test.x
    expected = np.where(run.predict(x)[:, 0] > 0.5, examples.labels[1], examples.labels[0])
    assert endpoint.classify(x).tolist() == expected.tolist()
