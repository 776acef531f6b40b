"""The publish button, to a real server."""

import gc
import queue

import pytest

import maasnb as mb
from maasnb.panels.feed import Feed
from maasnb.panels.publication import Publication
from maasnb.panels.training import TrainingPanel
from maasnb.serve.embedded import stop_server
from tests.training.steered import background, end

SOON_S = 60


@pytest.fixture
def server(workspace):
    """End the server that a publish starts."""
    yield
    stop_server(workspace)


class Told(queue.Queue):
    """Gather what a panel is told; `ended` waits for how it went."""

    def __call__(self, frame):
        self.put(frame.content)

    def ended(self):
        content = self.get(timeout=SOON_S)
        while content["state"] == "working":
            content = self.get(timeout=SOON_S)
        return content


def finished(backend):
    data = mb.data("digits")
    net = mb.build([mb.Dense(4, "relu"), mb.Dense(10)], backend=backend.name, data=data)
    return mb.train(net, data, epochs=1)


def test_a_run_becomes_a_model_that_answers(backend, server):
    run, told = finished(backend), Told()
    Publication(run, told).begin("from-a-panel")
    content = told.ended()
    assert content["state"] == "done", content["words"]
    assert content["version"] == 1
    assert content["curl"].startswith(f"curl -sS {content['url']}")
    x = run.data.test.x[:3]
    answers = mb.connect("from-a-panel").predict(x)
    assert abs(answers - run.predict(x)).max() < 1e-5


def test_an_empty_name_is_the_datas(backend, server):
    told = Told()
    Publication(finished(backend), told).begin("  ")
    assert told.ended()["words"].startswith("Version 1 of digits answers.")


def test_a_run_in_training_is_asked_to_stand_still(backend):
    run, told = background(backend), Told()
    Publication(run, told).begin("net")
    content = told.ended()
    end(run)
    assert content["state"] == "failed"
    assert content["words"].endswith("is training; pause or stop it, then publish.")


def test_a_run_that_is_only_a_record_says_how_to_go_on(backend):
    name = finished(backend).name
    gc.collect()
    past = mb.panel(name).feed.run
    told = Told()
    Publication(past, told).begin("net")
    content = told.ended()
    assert content["state"] == "failed"
    assert f"resume={name!r}" in content["words"]


@pytest.mark.parametrize("name", ["no/name", "a b", 7])
def test_a_name_that_cannot_be_used_is_refused_in_words(name):
    from maasnb.backends import backend_named

    told = Told()
    Publication(finished(backend_named("torch")), told).begin(name)
    content = told.ended()
    assert content["state"] == "failed"
    assert "name" in content["words"]


def test_two_clicks_publish_once(backend, server):
    told = Told()
    publication = Publication(finished(backend), told)
    publication.begin("net")
    publication.begin("net")
    assert told.ended()["version"] == 1
    assert told.empty()


def test_a_page_that_comes_later_is_told_what_was_published(backend, server, monkeypatch):
    told = queue.Queue()
    monkeypatch.setattr(
        TrainingPanel, "send", lambda self, content, buffers=None: told.put(content)
    )
    panel = TrainingPanel(Feed(finished(backend)))
    try:
        panel._heard(panel, {"type": "publish", "name": "net"}, [])
        states = [told.get(timeout=SOON_S)["state"] for _ in range(2)]
        panel._heard(panel, {"type": "hello", "protocol": 1, "page": "a", "request": 1}, [])
        again = [told.get(timeout=SOON_S) for _ in range(3)]
    finally:
        panel.end()
    assert states == ["working", "done"]
    assert [each["type"] for each in again] == ["reset", "front end", "publication"]
    assert again[2]["version"] == 1
