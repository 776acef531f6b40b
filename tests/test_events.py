"""Events: one line of JSON each, which later versions and torn files do not break."""

import json
import math

import pytest

from maasnb.events import (
    SCHEMA_VERSION,
    Ended,
    Measured,
    Started,
    Stepped,
    Validated,
    Warned,
    decode,
    encode,
    read,
)

EVENTS = [
    Started(step=0, time=1.5, steps=100, steps_per_epoch=25),
    Stepped(step=2, time=2.0, losses=(0.5, 0.25), lr=1e-3, samples=64, seconds=0.01),
    Measured(step=2, time=2.0, gradient_norm={"fc.weight": 0.5}, update_ratio={"fc.weight": 1e-3}),
    Validated(step=25, time=3.0, epoch=1, metrics={"loss": 0.1, "accuracy": 0.97}),
    Warned(step=25, time=3.0, message="slow: 2 cores, 16 threads"),
    Ended(step=100, time=9.0, status="stopped", reason="you pressed stop", seconds=7.5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_comes_back_from_its_line(event):
    line = encode(event)
    assert "\n" not in line
    assert decode(line) == event


def test_a_line_is_json_that_names_its_kind():
    fields = json.loads(encode(EVENTS[1]))
    assert fields["event"] == "stepped"
    assert fields["losses"] == [0.5, 0.25]


def test_the_first_event_carries_the_schema_version():
    assert json.loads(encode(EVENTS[0]))["schema"] == SCHEMA_VERSION


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_survives_in_strict_json(number):
    event = Stepped(step=1, time=0.0, losses=(number,), lr=1e-3, samples=1, seconds=0.0)
    line = encode(event)
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert repr(decode(line).losses[0]) == repr(number)


def test_a_gradient_that_is_not_finite_survives_by_name():
    event = Measured(step=1, time=0.0, gradient_norm={"w": math.inf}, update_ratio={"w": 0.0})
    assert decode(encode(event)) == event


@pytest.mark.parametrize("message", ["nan", "inf", "-inf"])
def test_a_message_that_looks_like_a_number_stays_a_message(message):
    event = Warned(step=1, time=0.0, message=message)
    assert decode(encode(event)) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        '{"event":"stepped","step":3,"lo',
        "[1, 2]",
        "3",
        "{}",
        '{"event":["warned"]}',
        '{"event":"warned","step":3,"time":0.0}',
        '{"event":"teleported","step":3,"time":0.0}',
    ],
)
def test_a_line_that_is_torn_or_not_known_is_skipped(line):
    assert decode(line) is None


def test_a_field_of_a_later_version_is_skipped():
    line = '{"event":"warned","step":3,"time":0.0,"message":"slow","colour":"red"}'
    assert decode(line) == Warned(step=3, time=0.0, message="slow")


def test_a_log_is_read_up_to_its_torn_end():
    lines = [encode(event) + "\n" for event in EVENTS]
    lines[-1] = lines[-1][:20]
    assert list(read(lines)) == EVENTS[:-1]


def test_an_event_cannot_be_changed():
    with pytest.raises(AttributeError):
        EVENTS[0].step = 1
