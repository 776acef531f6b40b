"""Completions over HTTP from a real server process: by httpx, and by OpenAI's own client."""

import contextlib
import json
import time

import httpx
import openai
import pytest

from maasnb.client.endpoint import Endpoint
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import EndpointError, OptionError, RequestError, UnknownNameError
from maasnb.generation import Sampling, Stream, generate_text, next_token_of
from maasnb.serve.completions import MOST_WRITING
from maasnb.serve.tokens import workspace_token
from tests.servers import serving
from tests.small_runs import small_artifact
from tests.text_runs import text_artifact, text_run


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The URL and the token of a server with a model that writes and one that does not."""
    workspace = tmp_path_factory.mktemp("served") / "maas"
    with serving(workspace, "--runtimes", "onnx,stablehlo") as url:
        connection = Connection(url, workspace_token(workspace))
        for artifact in (text_artifact(), small_artifact()):
            upload(artifact, connection)
        connection.close()
        yield url, workspace_token(workspace)


@pytest.fixture
def http(address):
    url, token = address
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def client(address):
    """OpenAI's own client."""
    url, token = address
    with openai.OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0) as made:
        yield made


@pytest.fixture
def endpoint(address):
    return Endpoint.open(*address, "cats")


def in_notebook(prompt, **options):
    """Return what the notebook's own model writes."""
    run = text_run()
    text = run.data.recipe.text
    next_token = next_token_of(lambda x: run.backend.predict(run.model, run.task, x), text.length)
    return Stream(generate_text(next_token, text, prompt, Sampling(**options))).read()


def test_the_models_that_write_are_listed(client):
    assert [model.id for model in client.models.list()] == ["cats"]
    assert client.models.retrieve("cats").owned_by == "maasnb"
    with pytest.raises(openai.NotFoundError, match="no model that writes text 'small'"):
        client.models.retrieve("small")


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 1.7, "seed": 5, "top_p": 0.9},
        {"temperature": 2.0, "seed": 6, "stop": ("cat", "坐")},
    ],
)
def test_a_completion_is_what_the_notebook_writes(client, options):
    expected = in_notebook("the c", max_tokens=80, **options)
    given = {**options, "stop": list(options.get("stop", ())) or None}
    answer = client.completions.create(model="cats", prompt="the c", max_tokens=80, **given)
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason) == (str(expected), expected.finish)
    assert answer.usage.prompt_tokens == 5
    assert answer.usage.completion_tokens == expected.tokens
    assert answer.usage.total_tokens == 5 + expected.tokens
    assert (answer.object, answer.system_fingerprint) == ("text_completion", "cats@1")


@pytest.mark.coverage("E10")
def test_a_stream_brings_the_same_text_in_pieces(client):
    expected = in_notebook("the c", max_tokens=50, seed=7, temperature=1.5)
    stream = client.completions.create(
        model="cats@1",
        prompt="the c",
        max_tokens=50,
        seed=7,
        temperature=1.5,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == expected
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 49 + ["length"]
    assert (last.choices, last.usage.completion_tokens) == ([], 50)


def test_a_stream_is_made_of_events_and_ends_with_done(http):
    request = {"model": "cats", "prompt": "the", "max_tokens": 3, "stream": True}
    with http.stream("POST", "/v1/completions", json=request) as answer:
        lines = list(answer.iter_lines())
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in lines if line]
    assert events.pop() == "[DONE]"
    assert [json.loads(event)["choices"][0]["index"] for event in events] == [0, 0, 0]


def test_a_chat_is_a_plain_prompt_and_ends_before_the_next_user(client):
    messages = [
        {"role": "system", "content": "the cat"},
        {"role": "user", "content": [{"type": "text", "text": "sat on"}]},
    ]
    prompt = "System: the cat\nUser: sat on\nAssistant:"
    options = {"temperature": 1.2, "seed": 4}
    expected = in_notebook(prompt, max_tokens=40, stop=("\nUser:",), **options)
    answer = client.chat.completions.create(
        model="cats", messages=messages, max_completion_tokens=40, **options
    )
    assert answer.choices[0].message.content == expected.lstrip()
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.prompt_tokens == len(prompt)
    stream = client.chat.completions.create(
        model="cats", messages=messages, max_tokens=40, stream=True, **options
    )
    deltas = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(deltas) == answer.choices[0].message.content


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"model": "cat"}, 404, "no model 'cat'. Did you mean 'cats'"),
        ({"model": "cats@9"}, 404, "'9'"),
        ({"model": "small"}, 400, "does not write text"),
        ({"model": None}, 400, "'model' must be the name"),
        ({"prompt": [1, 2]}, 400, "'prompt' must be a text"),
        ({"temperature": -1}, 400, "temperature=-1"),
        ({"top_p": "x"}, 400, "top_p='x'"),
        ({"max_tokens": 0}, 400, "max_tokens=0"),
        ({"seed": "x"}, 400, "seed='x'"),
        ({"stop": [""]}, 400, "stop="),
        ({"stream": "yes"}, 400, "expected true or false"),
        ({"n": 2}, 400, "'n' is 2, which is not done here"),
        ({"logprobs": 5}, 400, "'logprobs'"),
        ({"echo": True}, 400, "'echo'"),
        ({"prompt": "x" * ((1 << 18) + 1)}, 400, "expected at most 262144"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_the_shape_of_openai(http, changes, status, words):
    request = {"model": "cats", "prompt": "the", **changes}
    answer = http.post("/v1/completions", json=request)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert words in error["message"]


@pytest.mark.parametrize(
    "messages",
    [None, [], "hello", [{"role": "robot", "content": "x"}], [{"role": "user", "content": 3}], [7],
     [{"role": "user", "content": [{"type": "image_url"}]}]],
)  # fmt: skip
def test_messages_that_are_none_are_refused(http, messages):
    answer = http.post("/v1/chat/completions", json={"model": "cats", "messages": messages})
    assert answer.status_code == 400
    assert "message" in answer.json()["error"]["message"]


def test_a_wrong_token_is_refused_in_the_shape_of_openai(address):
    wrong = openai.OpenAI(base_url=f"{address[0]}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="is not known") as refused, wrong:
        wrong.models.list()
    assert refused.value.code == "invalid_api_key"


def test_a_deadline_ends_a_text_that_takes_too_long(http):
    request = {"model": "cats", "prompt": "the", "max_tokens": 60_000}
    headers = {"x-request-timeout": "0.2"}
    answer = http.post("/v1/completions", json=request, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "server_error")
    with http.stream(
        "POST", "/v1/completions", json={**request, "stream": True}, headers=headers
    ) as streamed:
        (*_, last) = [line for line in streamed.iter_lines() if line]
    error = json.loads(last.removeprefix("data: "))
    assert "not at its end after the time" in error["error"]["message"]


def test_only_so_many_texts_are_written_at_once_and_who_leaves_makes_room(http, endpoint):
    request = {"model": "cats", "prompt": "the", "max_tokens": 60_000, "stream": True}
    small = {**request, "max_tokens": 1, "stream": False}
    with contextlib.ExitStack() as open_streams:
        read = []  # an iterator that is forgotten would close its stream
        for _ in range(MOST_WRITING):
            answer = open_streams.enter_context(
                http.stream("POST", "/v1/completions", json=request)
            )
            read.append(answer.iter_lines())
            assert next(read[-1]).startswith("data: ")
        refused = http.post("/v1/completions", json=small)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        # The event loop is free meanwhile.
        assert http.get("/v2/health/live").status_code == 200
        assert endpoint.predict("the").shape[0] == 1
    deadline = time.monotonic() + 30
    while (left := http.post("/v1/completions", json=small)).status_code == 429:
        assert time.monotonic() < deadline, "the senders are gone, but their texts are written on"
    assert left.status_code == 200


def test_an_endpoint_streams_and_generates_what_the_notebook_writes(endpoint):
    options = {"max_tokens": 30, "seed": 2, "temperature": 1.5, "top_k": 5}
    expected = in_notebook("the cat ", **options)
    stream = endpoint.stream("the cat ", **options)
    pieces = list(stream)
    assert "".join(pieces) == stream.text == expected
    assert len(pieces) > 1
    text = endpoint.generate("the cat ", **options)
    assert (text, text.tokens, text.finish) == (expected, 30, "length")


def test_an_endpoint_says_why_it_cannot_write(address):
    small = Endpoint.open(*address, "small")
    with pytest.raises(RequestError, match="'small' does not write text"):
        small.generate("the")
    with pytest.raises(OptionError, match="temperature=-1"):
        small.stream("the", temperature=-1)


def test_a_server_that_is_gone_is_named(tmp_path):
    with serving(tmp_path / "maas", "--runtimes", "onnx,stablehlo") as url:
        connection = Connection(url, workspace_token(tmp_path / "maas"))
        upload(text_artifact(), connection)
        connection.close()
        gone = Endpoint.open(url, workspace_token(tmp_path / "maas"), "cats")
    with pytest.raises(EndpointError, match="Is the server running"):
        gone.generate("the")


def test_texts_are_taken_as_bytes_tensors(endpoint, http):
    found = http.get("/v2/models/cats").json()
    assert found["inputs"] == [{"name": "x", "datatype": "BYTES", "shape": [-1]}]
    texts = ["the cat", "", "a much longer text than the model takes", "猫坐 \0 ☃"]
    expected = text_run().predict(texts)
    assert abs(endpoint.predict(texts) - expected).max() < 1e-5
    wrong = {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": [7]}]}
    refused = http.post("/v2/models/cats/infer", json=wrong)
    assert "expected texts" in refused.json()["error"]


def test_an_unknown_model_is_named_by_the_client(address):
    with pytest.raises(UnknownNameError, match="Did you mean 'cats'"):
        Endpoint.open(*address, "cat")
