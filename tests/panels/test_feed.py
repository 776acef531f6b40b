"""What a panel is told of a run."""

import gc
import json

import numpy as np
import pytest

from maasnb.events import Warned
from maasnb.panels import feed as feeds
from maasnb.panels.buckets import bucketed
from tests.panels.watched import NAMES, Watched


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands still unless it is moved."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(feeds.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def watched(tmp_path, clock):
    return Watched(tmp_path)


def triples(frame):
    return np.frombuffer(frame.buffers[0], np.float32).reshape(-1, 3)


def kinds(watched):
    return [frame.content["type"] for frame in watched.told]


def test_a_page_that_comes_late_is_told_everything(watched):
    watched.step([3.0, 2.0])
    watched.measure()
    watched.validate(loss=1.5, accuracy=0.5)
    watched.intervene("lr", 0.01)
    watched.connect()
    content = watched.told[0].content
    assert content["type"] == "reset"
    assert content["run"]["name"] == watched.run.name
    assert content["validated"] == [[2, 1, {"loss": 1.5, "accuracy": 0.5}]]
    assert content["interventions"] == [[2, "lr", 0.01, "button"]]
    assert content["parameters"] == list(NAMES)
    assert content["measured"] == [2]
    assert triples(watched.told[0])[:, 1].tolist() == [3.0, 2.0]


def test_what_came_since_is_told_once(watched, clock):
    watched.connect()
    clock.now += 1
    watched.step([3.0, 2.0])
    clock.now += 1
    watched.step([1.0])
    first, second = watched.told[1:]
    assert [each.content["number"] for each in watched.told] == [1, 2, 3]
    assert triples(first)[:, 1].tolist() == [3.0, 2.0]
    assert (second.content["first"], triples(second)[:, 1].tolist()) == (2, [1.0])


def test_appends_put_together_are_the_whole(watched, clock):
    losses = np.random.default_rng(0).normal(size=5000)
    watched.connect()
    rows = np.empty((0, 3), np.float32)
    width = 1
    for part in np.split(losses, 200):
        clock.now += 0.2
        watched.step(part)
        frame = watched.told[-1]
        while width < frame.content["width"]:
            width *= 2
            known = watched.run.history.losses[: frame.content["first"] * frame.content["width"]]
            rows = bucketed(known, width)
        rows = np.concatenate([rows[: frame.content["first"]], triples(frame)])
    assert rows == pytest.approx(bucketed(losses, width))


def test_at_most_ten_frames_go_out_a_second(watched, clock):
    watched.connect()
    for _ in range(1000):
        clock.now += 0.001
        watched.step([1.0])
    assert len(watched.told) - 1 <= 10


def test_nothing_is_put_together_while_nobody_looks(watched):
    watched.step([1.0])
    assert watched.feed._number == 0


def test_a_pause_is_told_at_once(watched):
    watched.connect()
    watched.step([1.0])
    watched.run.status = "paused"
    watched.intervene("pause")
    assert watched.told[-1].content["now"]["status"] == "paused"
    assert watched.told[-1].content["count"] == 1


def test_a_callback_that_sets_the_rate_at_every_step_does_not_flood(watched, clock):
    watched.connect()
    watched.step([1.0])
    before = len(watched.told)
    for _ in range(500):
        watched.intervene("lr", 0.1, "callback")
    assert len(watched.told) == before
    clock.now += 1
    watched.step([1.0])
    assert len(watched.told[-1].content["interventions"]) == 500


def test_the_end_is_told_with_its_reason(watched):
    watched.connect()
    watched.step([1.0])
    watched.end("stopped", "stopped by hand")
    now = watched.told[-1].content["now"]
    assert (now["status"], now["reason"]) == ("stopped", "stopped by hand")


def test_after_a_roll_back_everything_is_told_anew(watched, clock):
    watched.connect()
    clock.now += 1
    watched.step([5.0, 4.0, 3.0, 2.0])
    watched.intervene("rollback", 2)
    last = watched.told[-1]
    assert last.content["type"] == "reset"
    assert last.content["now"]["step"] == 2
    assert triples(last)[:, 1].tolist() == [5.0, 4.0]


def test_every_page_is_told_when_one_asks(watched):
    other = []
    watched.connect()
    watched.feed.connect(other.append)
    watched.feed.tell_all()
    assert watched.told[-1] is other[-1]


def test_a_page_that_left_is_told_nothing(watched):
    told = []
    leave = watched.feed.connect(told.append)
    leave()
    watched.feed.tell_all()
    assert told == []


def test_statistics_travel_as_two_bytes_each(watched, clock):
    watched.connect()
    watched.step([1.0])
    watched.measure(0.25)
    clock.now += 1
    watched.step([1.0])
    frame = watched.told[-1]
    read = (np.frombuffer(frame.buffers[1], np.uint16).astype(np.uint32) << 16).view(np.float32)
    assert frame.content["measured"] == [1]
    assert read.tolist() == [0.25] * 8


def test_warnings_are_told(watched, clock):
    watched.connect()
    watched.step([1.0])
    watched.tell(Warned(step=1, time=0.0, message="slow"))
    clock.now += 1
    watched.step([1.0])
    assert watched.told[-1].content["warnings"] == [[1, "slow"]]


def test_numbers_that_json_lacks_are_left_out(watched, clock):
    watched.connect()
    watched.step([1.0])
    watched.validate(loss=float("nan"))
    clock.now += 1
    watched.step([float("inf")])
    content = watched.told[-1].content
    json.dumps(content, allow_nan=False)
    assert content["now"]["loss"] is None
    assert content["validated"][0][2] == {"loss": None}


@pytest.mark.parametrize("per_update", [1, 40, 400])
def test_an_update_of_a_long_run_is_at_most_a_kilobyte(watched, clock, per_update):
    watched.step(np.random.default_rng(0).normal(size=10_000))
    watched.connect()
    for _ in range(20):
        clock.now += 0.2
        watched.step(np.full(per_update, 1 / 3), lr=1 / 3e4)
        watched.measure(1 / 3)
        frame = watched.told[-1]
        size = len(json.dumps(frame.content)) + sum(map(len, frame.buffers))
        assert frame.content["type"] == "append"
        assert size <= 1000


def test_a_million_steps_are_told_in_few_kilobytes(watched):
    watched.run.history.add(
        feeds.Stepped(
            step=1_000_000, time=0.0, losses=tuple(np.ones(1_000_000)), lr=1.0, samples=1,
            seconds=1.0,
        )
    )  # fmt: skip
    watched.connect()
    assert sum(map(len, watched.told[-1].buffers)) < 20_000


def test_many_validations_are_thinned_and_the_last_one_stays(watched):
    for _ in range(5000):
        watched.run.steps += 1
        watched.validate(loss=float(watched.run.steps))
    watched.connect()
    validated = watched.told[-1].content["validated"]
    assert len(validated) <= 513
    assert (validated[0][0], validated[-1][0]) == (1, 5000)


def test_a_part_can_be_had_in_detail(watched):
    losses = np.random.default_rng(0).normal(size=100_000)
    watched.step(losses)
    frame = watched.feed.detail(5000, 5100)
    assert frame.content == {"type": "detail", "first": 5000, "width": 1, "count": 100}
    assert triples(frame)[:, 1] == pytest.approx(losses[5000:5100])


@pytest.mark.parametrize(
    ("first", "last", "count"), [(-5, 3, 3), (8, 99, 2), (50, 60, 0), (5, 2, 0)]
)
def test_a_part_that_is_not_there_is_cut_off(watched, first, last, count):
    watched.step(np.arange(10.0))
    assert watched.feed.detail(first, last).content["count"] == count


def test_a_feed_is_found_by_its_run_as_long_as_that_is_held(watched):
    name = watched.run.name
    assert feeds.feed_of(name) is watched.feed
    watched.feed = None
    gc.collect()
    assert feeds.feed_of(name) is None
