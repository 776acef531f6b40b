"""A run's history in memory."""

import numpy as np

from maasnb.events import Measured, Started, Stepped, Validated
from maasnb.records.history import History


def stepped(step, losses):
    return Stepped(step=step, time=0.0, losses=losses, lr=0.1, samples=len(losses), seconds=0.1)


def test_a_new_history_is_empty():
    history = History()
    assert (len(history.losses), history.measured, history.validated) == (0, [], [])


def test_losses_of_all_chunks_follow_one_another():
    history = History()
    history.add(stepped(2, (3.0, 2.0)))
    history.add(stepped(3, (1.0,)))
    assert history.losses.tolist() == [3.0, 2.0, 1.0]


def test_a_long_run_keeps_every_loss():
    history = History()
    for step in range(0, 5000, 100):
        history.add(stepped(step + 100, tuple(range(step, step + 100))))
    np.testing.assert_array_equal(history.losses, np.arange(5000))


def test_a_chunk_longer_than_all_before_is_kept_whole():
    history = History()
    history.add(stepped(4000, tuple(range(4000))))
    np.testing.assert_array_equal(history.losses, np.arange(4000))


def test_statistics_and_validations_are_kept_in_order():
    history = History()
    measured = Measured(step=1, time=0.0, gradient_norm={"w": 1.0}, update_ratio={"w": 0.1})
    validated = [
        Validated(step=step, time=0.0, epoch=step, metrics={"loss": 1.0}) for step in (1, 2)
    ]
    for event in (measured, *validated):
        history.add(event)
    assert (history.measured, history.validated) == ([measured], validated)


def test_other_events_leave_no_trace():
    history = History()
    history.add(Started(step=0, time=0.0, steps=10, steps_per_epoch=5))
    assert (len(history.losses), history.measured, history.validated) == (0, [], [])


def test_the_speed_leaves_out_the_first_of_each_kind_of_chunk():
    history = History()
    for count, seconds in ((1, 9.0), (4, 9.0), (1, 0.5), (4, 0.5)):
        losses = (0.1,) * count
        history.add(Stepped(step=0, time=0.0, losses=losses, lr=0.1, samples=1, seconds=seconds))
    assert history.steps_per_s == 5.0


def test_the_speed_is_not_known_before_there_are_steps():
    assert np.isnan(History().steps_per_s)
