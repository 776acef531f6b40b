"""The protocol as another project's client speaks it: NVIDIA's `tritonclient`."""

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token
from tests.servers import serving
from tests.small_runs import small_artifact, small_run


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address and the token of a server that holds version 1 of the model `small`."""
    workspace = tmp_path_factory.mktemp("triton") / "maas"
    with serving(workspace) as url:
        token = workspace_token(workspace)
        connection = Connection(url, token)
        upload(small_artifact(), connection)
        connection.close()
        yield url.removeprefix("http://"), token


@pytest.fixture
def client(served):
    with triton.InferenceServerClient(served[0]) as client:
        yield client


@pytest.fixture
def token(served):
    """A fresh dict for each use: the client writes into the one that it is given."""
    return lambda: {"Authorization": f"Bearer {served[1]}"}


def examples(rows, *, binary):
    x = small_run().data.test.x[:rows]
    given = triton.InferInput("x", list(x.shape), "FP32")
    given.set_data_from_numpy(x, binary_data=binary)
    return given


def test_server_and_model_say_what_they_are(client, token):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("small", headers=token())
    assert client.is_model_ready("small", "1", headers=token())
    assert not client.is_model_ready("nothing", headers=token())
    server = client.get_server_metadata(headers=token())
    assert server["extensions"] == ["binary_tensor_data", "model_repository"]
    assert client.get_model_metadata("small", headers=token())["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 64]}
    ]


@pytest.mark.parametrize("rows", [1, 64])
@pytest.mark.parametrize("binary_in", [True, False], ids=["binary-in", "json-in"])
@pytest.mark.parametrize("binary_out", [True, False], ids=["binary-out", "json-out"])
def test_answers_are_the_notebooks_in_every_mixture(client, token, rows, binary_in, binary_out):
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary_out)]
    answer = client.infer(
        "small",
        [examples(rows, binary=binary_in)],
        outputs=wanted,
        request_id="seven",
        model_version="1",
        headers=token(),
    )
    expected = small_run().predict(small_run().data.test.x[:rows])
    np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, atol=1e-5)
    told = answer.get_response()
    assert (told["id"], told["model_name"], told["model_version"]) == ("seven", "small", "1")
    assert ("data" in told["outputs"][0]) is not binary_out


def test_all_outputs_come_as_binary_data_where_none_is_named(client, token):
    answer = client.infer("small", [examples(2, binary=True)], headers=token())
    assert answer.get_output("probabilities")["parameters"] == {"binary_data_size": 80}


def test_a_compressed_request_is_refused_in_words(client, token):
    with pytest.raises(InferenceServerException, match="not JSON|gzip"):
        client.infer(
            "small",
            [examples(1, binary=False)],
            headers=token(),
            request_compression_algorithm="gzip",
        )


def test_what_is_refused_reaches_the_caller_in_words(client, token):
    given = triton.InferInput("x", [1, 63], "FP32")
    given.set_data_from_numpy(np.zeros((1, 63), np.float32))
    with pytest.raises(InferenceServerException, match=r"expected \[n, 64\] for n examples"):
        client.infer("small", [given], headers=token())
    with pytest.raises(InferenceServerException, match="There is no model 'nothing'"):
        client.infer("nothing", [given], headers=token())


def test_a_model_is_taken_out_of_service_and_back(client, token):
    ready = [{"name": "small", "version": "1", "state": "READY", "reason": ""}]
    assert client.get_model_repository_index(headers=token()) == ready
    client.unload_model("small", headers=token())
    assert client.get_model_repository_index(headers=token()) == [
        {"name": "small", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
    ]
    assert not client.is_model_ready("small", headers=token())
    with pytest.raises(InferenceServerException, match="'small' was unloaded from this server"):
        client.infer("small", [examples(1, binary=True)], headers=token())
    client.load_model("small", headers=token())
    assert client.is_model_ready("small", headers=token())
    assert client.infer("small", [examples(1, binary=True)], headers=token())
    with pytest.raises(InferenceServerException, match="There is no model 'nothing'"):
        client.unload_model("nothing", headers=token())
    with pytest.raises(InferenceServerException, match="There is no model 'nothing'"):
        client.load_model("nothing", headers=token())
