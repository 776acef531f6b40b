"""Measuring a step beside its training: in a thread of its own, on a copy of the state.

XLA's CPU backend leaves cores idle that a small step has no work for, so a measurement takes hardly
any time of the training there, and its program is compiled while the step's own is. Programs that
one thread dispatches run one after the other, so it needs a second one. An accelerator has no
second queue: there a measurement is dispatched before its step.
"""

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import jax

from maasnb.backends.jax.measuring import Measurement

__all__ = ["Made", "made_before", "made_beside"]


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """Hold a measurement, and how long a thread of its own took for it."""

    measurement: Measurement
    seconds: float = 0.0


def made_before(measure: Callable[[], Measurement]) -> Future[Made]:
    """Dispatch a measurement now."""
    found: Future[Made] = Future()
    found.set_result(Made(measure()))
    return found


def made_beside(measure: Callable[[], Measurement]) -> Future[Made]:
    """Begin a measurement; whoever needs it waits for the future.

    The thread is no daemon: the interpreter ends only after it, not within XLA.
    """
    found: Future[Made] = Future()

    def work() -> None:
        began = time.perf_counter()
        try:
            measurement = jax.block_until_ready(measure())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the future has it
            found.set_exception(error)
        else:
            found.set_result(Made(measurement, time.perf_counter() - began))

    thread = threading.Thread(target=work, name="maasnb statistics")
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending, and starts no thread any more
        work()
    return found
