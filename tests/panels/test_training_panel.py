"""The widget's Python half, spoken to as a page does."""

import pytest

from maasnb.panels.training import PROTOCOL, TrainingPanel
from tests.panels.watched import Watched


@pytest.fixture
def panel(tmp_path, monkeypatch):
    watched = Watched(tmp_path)
    panel = TrainingPanel(watched.feed)
    panel.watched, panel.told = watched, []
    monkeypatch.setattr(
        TrainingPanel, "send", lambda self, content, buffers=None: self.told.append(content)
    )
    yield panel
    panel.end()


def say(panel, **message):
    panel._heard(panel, message, [])
    return panel.told


def hello(panel, page="a", request=1):
    return say(panel, type="hello", protocol=PROTOCOL, page=page, request=request)


def test_a_page_that_says_hello_is_told_everything(panel):
    assert [each["type"] for each in hello(panel)] == ["reset", "front end"]


def test_a_request_that_was_repeated_while_it_waited_is_answered_once(panel):
    for _ in range(5):
        hello(panel)
    assert [each["type"] for each in panel.told] == ["reset", "front end"]
    hello(panel, request=2)
    assert len(panel.told) == 4


def test_a_page_is_told_sentences_in_its_language_unless_the_kernel_has_been_told_another(
    panel, monkeypatch
):
    panel.watched.end("stopped", "stopped by hand")
    monkeypatch.delenv("MAASNB_LANG", raising=False)
    say(panel, type="hello", protocol=PROTOCOL, page="a", request=1, language="zh")
    assert panel.told[0]["now"]["reason"] == "手动停止"
    assert say(panel, type="dance")[-1]["words"].startswith("这个页面")
    monkeypatch.setenv("MAASNB_LANG", "en")
    assert say(panel, type="dance")[-1]["words"].startswith("This page")


def test_two_pages_are_counted(panel):
    hello(panel, "a")
    hello(panel, "b")
    assert len(panel.pages) == 2


@pytest.mark.parametrize(
    "message",
    [{"type": "hello", "protocol": 0}, {"type": "dance"}, {}, {"type": "hello"}],
    ids=["an older one", "an unknown word", "nothing", "no protocol"],
)
def test_a_stale_page_is_asked_to_load_again(panel, message):
    (answer,) = say(panel, **message)
    assert answer == {
        "type": "answer", "good": False,
        "words": "This page is older or newer than the kernel: load it again.",
    }  # fmt: skip


@pytest.mark.parametrize("message", [None, 7, "hello", ["hello"]])
def test_what_is_no_message_is_answered_too(panel, message):
    panel._heard(panel, message, [])
    assert panel.told[0]["good"] is False


def test_a_question_that_cannot_be_answered_is_reported_and_not_raised(panel, monkeypatch):
    panel.watched.run.folder = None
    (answer,) = say(panel, type="steps")
    assert answer["words"].startswith("The kernel could not do this: TypeError")


def test_detail_needs_two_whole_numbers(panel):
    assert say(panel, type="detail", first="a", last=None) == []
    panel.watched.step([1.0, 2.0])
    assert say(panel, type="detail", first=0, last=2)[0]["count"] == 2


def test_a_panel_that_ended_hears_nothing_of_the_run(panel):
    hello(panel)
    panel.end()
    before = len(panel.told)
    panel.watched.end()
    assert len(panel.told) == before
