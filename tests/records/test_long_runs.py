"""A million recorded steps take little memory and a small log, and no step costs more for them."""

import dataclasses
import tracemalloc

from maasnb.events import Measured, Stepped
from maasnb.records.history import History
from maasnb.records.record import read_events

STEPS, CHUNK = 1_000_000, 20
LOSSES = tuple(0.123456789012345 + 1e-7 * number for number in range(CHUNK))  # 17 digits


def stepped(step):
    return Stepped(
        step=step, time=1763829000.123456, losses=LOSSES, lr=0.001, samples=640, seconds=0.0501234
    )


def measured(step):
    norms = {f"layer{number}.weight": step + number / 3 for number in range(30)}
    return Measured(step=step, time=0.0, gradient_norm=norms, update_ratio=dict(norms))


def test_a_million_steps_take_less_than_100_mb_of_memory():
    tracemalloc.start()
    history = History()
    for step in range(CHUNK, STEPS + 1, CHUNK):
        history.add(stepped(step))
        if step % 200 == 0:
            history.add(measured(step))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(history.losses) == STEPS
    assert peak < 100e6


def test_a_million_steps_make_a_log_of_less_than_100_mb(begin):
    record = begin()
    for step in range(CHUNK, STEPS // 50 + 1, CHUNK):
        record.append(stepped(step))
    record.close({})
    assert (record.folder / "events.jsonl").stat().st_size * 50 < 100e6


def test_statistics_are_thinned_and_the_first_and_the_newest_stay():
    history = History()
    for step in range(1, 5001):
        history.add(measured(step))
    steps = [event.step for event in history.measured]
    assert len(steps) < 2500
    assert steps[0] == 1
    assert steps[-100:] == [*range(4901, 5001)]
    assert steps == sorted(steps)


def test_statistics_with_histograms_are_thinned_the_sooner():
    history, counts = History(), (3,) * 33
    for step in range(1, 2001):
        full = {f"gradient/{name}": counts for name in "abcdefghij"}
        history.add(dataclasses.replace(measured(step), histograms=full))
    assert len(history.measured) < 1200
    assert history.measured[-1].histograms["gradient/j"] == counts


def test_a_recorded_loss_is_the_loss_to_the_last_bit(begin):
    record = begin()
    record.append(stepped(CHUNK))
    (event,) = read_events(record.folder)
    assert event.losses == LOSSES
