import json
import socket
import subprocess
import sys

import numpy as np
import pytest

from maasnb.client import endpoint as endpoints
from maasnb.client.endpoint import Endpoint
from maasnb.client.http import Connection
from maasnb.errors import (
    AccessError,
    DataError,
    EndpointError,
    OptionError,
    RequestError,
    ShapeError,
    UnknownNameError,
)
from maasnb.publishing import connect, publish
from maasnb.serve.embedded import stop_server
from tests.servers import REPOSITORY
from tests.small_runs import small_run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A workspace whose embedded server holds versions 1 and 2 of the model `digits`."""
    folder = tmp_path_factory.mktemp("client") / "maas"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", str(folder))
        for backend in ("torch", "jax"):
            publish(small_run(backend), "digits")
        publish(small_run("torch", "diabetes"), "diabetes")
    yield folder
    stop_server(folder)


@pytest.fixture
def at_home(home, monkeypatch):
    """Work in that workspace."""
    monkeypatch.setenv("MAASNB_HOME", str(home))
    return home


@pytest.fixture
def digits(at_home):
    return connect("digits", version=1)


def test_an_endpoint_answers_raw_examples_as_the_notebook_does(digits):
    run = small_run()
    np.testing.assert_allclose(
        digits.predict(run.data.test.x), run.predict(run.data.test.x), atol=1e-5
    )
    assert digits.predict(run.data.test.x[:3]).dtype == np.float32


def test_a_single_example_counts_as_a_batch_of_one(digits):
    x = small_run().data.test.x
    np.testing.assert_array_equal(digits.predict(x[0]), digits.predict(x[:1]))


def test_lists_and_other_number_types_are_taken(digits):
    x = small_run().data.test.x[:2]
    for same in (x.tolist(), x.astype(np.float64), x.astype(np.int64), np.asfortranarray(x)):
        np.testing.assert_array_equal(digits.predict(same), digits.predict(x))


def test_many_examples_are_sent_in_several_requests(digits, monkeypatch):
    x = small_run().data.test.x[:10]
    whole = digits.predict(x)
    monkeypatch.setattr(endpoints, "NUMBERS_A_REQUEST", 3 * 64)
    np.testing.assert_allclose(digits.predict(x), whole, atol=1e-6)


def test_classify_gives_the_label_of_the_most_probable_class(digits):
    run = small_run()
    expected = run.predict(run.data.test.x).argmax(axis=1)
    assert digits.classify(run.data.test.x).tolist() == [str(each) for each in expected]


def test_a_model_without_classes_cannot_classify(at_home):
    with pytest.raises(OptionError, match=r"endpoint\.predict"):
        connect("diabetes").classify(small_run(dataset="diabetes").data.test.x)


def test_a_regression_answers_in_the_targets_own_unit(at_home):
    run = small_run(dataset="diabetes")
    values, expected = connect("diabetes").predict(run.data.test.x), run.predict(run.data.test.x)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


def test_an_endpoint_without_a_version_answers_with_the_newest(at_home):
    newest, x = connect("digits"), small_run().data.test.x[:5]
    assert newest.version is None
    assert newest.versions == (1, 2)
    np.testing.assert_allclose(newest.predict(x), small_run("jax").predict(x), atol=1e-5)


def test_an_endpoint_shows_what_it_is(digits):
    shown = repr(digits)
    assert shown.startswith(
        "Endpoint('digits', version 1, x FP32 [-1, 64] -> probabilities FP32 [-1, 10]"
    )
    assert digits.url in shown
    assert digits.labels == tuple(str(digit) for digit in range(10))
    assert digits.ready()


@pytest.mark.coverage("E1")
@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_the_curl_command_works_as_it_is_and_does_not_show_the_token(at_home, name):
    endpoint = connect(name, version=1)
    command = endpoint.curl()
    assert (at_home / "token").read_text().strip() not in command
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    output = json.loads(done.stdout)["outputs"][0]
    run = small_run(dataset=name)
    expected = run.predict(run.data.test.x[:1])
    np.testing.assert_allclose(output["data"], expected[0], rtol=1e-5, atol=1e-5)


def test_a_long_curl_command_reads_its_request_from_a_here_document(digits, monkeypatch):
    monkeypatch.setattr(endpoints, "SHORT_REQUEST", 10)
    command = digits.curl()
    assert "<<'END'" in command
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["model_name"] == "digits"


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 63)), r"shape \(2, 63\); expected \[n, 64\].*or one example \[64\]"),
        (np.zeros((2, 8, 8)), r"expected \[n, 64\]"),
        (np.zeros((0, 64)), "n at least 1"),
        (3.0, r"expected \[n, 64\]"),
    ],
)
def test_examples_of_another_shape_are_refused_before_they_are_sent(digits, x, words):
    with pytest.raises(ShapeError, match=words):
        digits.predict(x)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.full((3, 64), np.nan), r"rows \[0, 1, 2\]"),
        (np.full((1, 64), 1e39), "FP32 cannot hold"),
        (np.full((1, 64), "a"), "expected numbers"),
        (np.full((1, 64), None), "expected numbers"),
        (np.full((1, 64), 1j), "expected numbers"),
    ],
)
def test_examples_that_are_no_finite_numbers_are_refused(digits, x, words):
    with pytest.raises(DataError, match=words):
        digits.predict(x)


def test_a_server_that_is_not_there_is_said_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(EndpointError, match=r"Is the server running.*maasnb serve"):
        Endpoint.open(url, "token", "digits")


def test_a_server_that_went_away_is_said_so(digits):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    gone = Endpoint(Connection(url), "digits", version=1, metadata=digits.metadata)
    assert not gone.ready()
    with pytest.raises(EndpointError, match="Is the server running"):
        gone.predict(small_run().data.test.x[:1])


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_token_that_is_refused_is_said_so(digits, token):
    with pytest.raises(AccessError, match=r"refused the token.*token=\.\.\."):
        Endpoint.open(digits.server, token, "digits")


def test_an_unknown_model_gets_the_nearest_match(at_home):
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'") as caught:
        connect("digit")
    assert caught.value.known == ("diabetes", "digits")


def test_an_unknown_version_is_refused_with_those_that_there_are(at_home):
    with pytest.raises(UnknownNameError, match=r"'digits' called '9'.*Known: 1, 2\."):
        connect("digits", version=9)


def test_a_refused_request_carries_the_words_of_the_server(digits, at_home):
    metadata = {**digits.metadata, "inputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 64]}]}
    connection = Connection(digits.server, (at_home / "token").read_text().strip())
    wrong = Endpoint(connection, "digits", version=1, metadata=metadata)
    with pytest.raises(RequestError, match="has the inputs 'y'; expected exactly 'x'"):
        wrong.predict(np.zeros((1, 64)))


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://host", "http://", "/path"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(OptionError, match="is no server"):
        Connection(url)


def test_metadata_that_cannot_be_used_is_said_so(digits):
    with pytest.raises(EndpointError, match="metadata of the model"):
        Endpoint(Connection(digits.server), "digits", version=None, metadata={"inputs": 3})


def test_the_client_imports_no_server_and_no_framework():
    heavy = {"torch", "jax", "onnxruntime", "sklearn", "starlette", "uvicorn"}
    script = (
        "import sys, maasnb.client.endpoint, maasnb.client.uploads\n"
        f"found = {heavy} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=REPOSITORY)
