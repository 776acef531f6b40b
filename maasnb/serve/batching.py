"""Micro-batching without a timer: what queued while the program was busy runs as one batch.

Every request joins the queue of its model, which runs as soon as all requests that have arrived are
read: on the event loop, or, where the batch takes half a millisecond and more, in a thread. What a
run takes is measured once, when the model is loaded. A batch grows to where a further row gains
nothing, so nobody waits for more than the run before theirs while the queue is short. A batch pays
even where a run costs nearly nothing: requests are read, then run, then answered, and each of these
finds the processor's caches as it left them.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np

from maasnb.errors import DeadlineError, MaasError, OverloadError, RequestError
from maasnb.runtimes.protocol import Array
from maasnb.runtimes.served import Golden, ServedModel
from maasnb.serve.answers import DisconnectedError
from maasnb.serve.counters import VersionCounts

__all__ = ["Batcher", "Cost", "Outcome", "measure_cost"]

LOG = logging.getLogger(__name__)

# Up to here a run may keep the event loop, which costs less than a thread and back (about 100 us).
LOOP_S = 500e-6
MOST_ROWS = 128
MOST_NUMBERS = 1 << 22
# With so many times the fixed cost in its rows a batch has nine tenths of what batching gains.
GAIN = 8
MOST_WAITING = 1024
MOST_WAITING_NUMBERS = 1 << 25

MEASURED_ROWS = 16
MEASURED_RUNS = 8
MEASURE_S = 0.05
SLOW_S = 0.1

Outcome = Mapping[str, Array] | Exception
Tell = Callable[[Outcome], None]

_threads = concurrent.futures.ThreadPoolExecutor(
    max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="run"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """Say what a run takes: `fixed_s`, and `row_s` for each row, seconds."""

    fixed_s: float
    row_s: float

    def of(self, rows: int) -> float:
        """Return the seconds that a batch of so many rows takes."""
        return self.fixed_s + rows * self.row_s

    @property
    def enough_rows(self) -> int:
        """Return the rows from which on a larger batch gains nearly nothing."""
        return min(MOST_ROWS, max(1, math.ceil(GAIN * self.fixed_s / self.row_s)))


def measure_cost(served: ServedModel, golden: Golden) -> Cost:
    """Return what a model's runs cost, by running it on its golden examples.

    The fastest of several runs counts, so that a busy machine changes little.
    """
    one = _fastest(served, golden.rows(1).inputs)
    if one > SLOW_S:
        return Cost(0.0, one)
    many = _fastest(
        served,
        {name: np.resize(x, (MEASURED_ROWS, *x.shape[1:])) for name, x in golden.inputs.items()},
    )
    row_s = max((many - one) / (MEASURED_ROWS - 1), one / 1000)
    return Cost(max(one - row_s, 0.0), row_s)


class Batcher:
    """The queue of one version of a model.

    Attributes:
        counts: where runs and waiting requests are counted.
    """

    def __init__(self, served: ServedModel, cost: Cost) -> None:
        """Take the model and what its runs cost; nothing runs yet."""
        self._served = served
        self._cost = cost
        self._most_rows = cost.enough_rows
        self._loop_rows = math.floor((LOOP_S - cost.fixed_s) / cost.row_s)
        self._queue: collections.deque[_Waiting] = collections.deque()
        self._numbers = 0
        self._running: Sequence[_Waiting] = ()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self.counts = VersionCounts()

    async def answer(
        self, inputs: Mapping[str, Array], rows: int, timeout_s: float, gone: Callable[[], bool]
    ) -> Mapping[str, Array]:
        """Return the answer as part of a batch.

        Args:
            inputs: the raw arrays by input name.
            rows: the examples in them.
            timeout_s: how long the answer may take, seconds.
            gone: says whether the sender went away.

        Raises:
            OverloadError: too much is waiting.
            DeadlineError: the time is over.
            DisconnectedError: the sender went away before its turn.
        """
        future: asyncio.Future[Mapping[str, Array]] = asyncio.get_running_loop().create_future()

        def tell(outcome: Outcome) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.join(inputs, rows, timeout_s, lambda: future.done() or gone(), tell)
        return await future

    def join(
        self,
        inputs: Mapping[str, Array],
        rows: int,
        timeout_s: float,
        gone: Callable[[], bool],
        tell: Tell,
    ) -> None:
        """Join the next batch.

        Args:
            inputs: the raw arrays by input name.
            rows: the examples in them.
            timeout_s: how long the answer may take, seconds.
            gone: says whether nobody wants the answer any more.
            tell: called with the outputs by name, or with what `answer` would raise.

        Raises:
            OverloadError: too much is waiting.
        """
        loop = asyncio.get_running_loop()
        numbers = sum(array.size for array in inputs.values())
        self._refuse_overload(numbers)
        deadline = loop.time() + timeout_s
        waiting = _Waiting(inputs, rows, numbers, deadline, gone, tell)
        self._queue.append(waiting)
        self._numbers += numbers
        self.counts.queued = len(self._queue)
        if self._timer is None or deadline < self._timer.when():
            self._watch(loop, deadline)
        if not self._busy:
            self._busy = True
            # Not now: the requests that have arrived with this one are read first.
            loop.call_soon(self._next, loop)

    def _refuse_overload(self, numbers: int) -> None:
        too_much = self._queue and self._numbers + numbers > MOST_WAITING_NUMBERS
        if len(self._queue) < MOST_WAITING and not too_much:
            return
        rows = sum(waiting.rows for waiting in self._queue)
        batches = math.ceil(rows / self._most_rows)
        wait_s = max(1.0, batches * self._cost.fixed_s + rows * self._cost.row_s)
        name = self._served.manifest.name
        message = (
            f"{len(self._queue)} requests wait for the model {name!r}; expected fewer than "
            f"{MOST_WAITING}, and {MOST_WAITING_NUMBERS} numbers in them. Ask again in "
            f"{math.ceil(wait_s)} s."
        )
        raise OverloadError(message, retry_after_s=wait_s)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the next batch, here or in a thread."""
        batch = self._take(loop.time())
        if not batch:
            self._busy = False
            return
        rows = sum(waiting.rows for waiting in batch)
        if rows <= self._loop_rows and self._served.prompt(rows):
            self._settle(batch, _run(self._served, batch))
            self._busy = bool(self._queue)
            if self._busy:
                loop.call_soon(self._next, loop)
            return
        self._running = batch
        # When nobody of the batch waits any more, the program is stopped, too.
        left_s = max(waiting.deadline for waiting in batch) - loop.time()
        run = loop.run_in_executor(_threads, _run, self._served, batch, max(left_s, 0.0))
        run.add_done_callback(lambda done: self._ran(loop, batch, done))

    def _ran(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence["_Waiting"],
        done: asyncio.Future[list[Outcome]],
    ) -> None:
        self._running = ()
        if not done.cancelled():
            self._settle(batch, done.result())
        self._next(loop)

    def _take(self, now: float) -> list["_Waiting"]:
        """Return the next batch, without those that nobody waits for any more."""
        batch: list[_Waiting] = []
        rows = numbers = 0
        while self._queue:
            first = self._queue[0]
            full = rows + first.rows > self._most_rows or numbers + first.numbers > MOST_NUMBERS
            if batch and full:
                break
            self._queue.popleft()
            self._numbers -= first.numbers
            if first.is_wanted(now):
                batch.append(first)
                rows += first.rows
                numbers += first.numbers
        self.counts.queued = len(self._queue)
        return batch

    def _settle(self, batch: Sequence["_Waiting"], outcomes: Sequence[Outcome]) -> None:
        self.counts.ran(sum(waiting.rows for waiting in batch))
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.settle(outcome)

    def _watch(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        """Look at the deadlines at a time; one timer serves all that wait."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(when, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        everybody = [*self._running, *self._queue]
        left = [each for each in everybody if each.is_wanted(now)]
        if left:
            self._watch(loop, min(waiting.deadline for waiting in left))


@dataclasses.dataclass(slots=True, eq=False)
class _Waiting:
    """A request that waits for its run."""

    inputs: Mapping[str, Array]
    rows: int
    numbers: int
    deadline: float
    gone: Callable[[], bool]
    tell: Tell
    told: bool = False

    def settle(self, outcome: Outcome) -> None:
        """Tell what came of the request, once."""
        if not self.told:
            self.told = True
            try:
                self.tell(outcome)
            except Exception:
                # Its neighbours get theirs, and the queue goes on.
                LOG.exception("An answer could not be sent")

    def is_wanted(self, now: float) -> bool:
        """Say whether somebody still waits; tell those whose time is over that it is."""
        if self.told:
            return False
        if self.gone():
            self.settle(DisconnectedError())
            return False
        if now >= self.deadline:
            message = (
                "The answer took longer than the request allows; expected it in time. Ask for less "
                "at once, later, or with a longer X-Request-Timeout."
            )
            self.settle(DeadlineError(message))
            return False
        return True


def _run(
    served: ServedModel, batch: Sequence[_Waiting], deadline_s: float | None = None
) -> list[Outcome]:
    """Return what each request of a batch gets: its rows of the answer, or its own error."""
    if len(batch) == 1:
        return [_alone(served, batch[0].inputs, deadline_s)]
    names = batch[0].inputs.keys()
    try:
        inputs = {name: np.concatenate([each.inputs[name] for each in batch]) for name in names}
        arrays = served.answer(inputs, deadline_s)
    except DeadlineError as error:
        return [error] * len(batch)
    except Exception:  # noqa: BLE001 - one request's failure is not its neighbours'
        return [_alone(served, each.inputs, deadline_s) for each in batch]
    outcomes: list[Outcome] = []
    start = 0
    for each in batch:
        end = start + each.rows
        outcomes.append({name: array[start:end] for name, array in arrays.items()})
        start = end
    return outcomes


def _alone(served: ServedModel, inputs: Mapping[str, Array], deadline_s: float | None) -> Outcome:
    try:
        return served.answer(inputs, deadline_s)
    except MaasError as error:
        return error
    except Exception as error:  # noqa: BLE001 - said to who sent it
        # The program ran on its golden examples, so it is these that it cannot take.
        message = (
            f"The model {served.manifest.name!r} cannot run on these inputs ({error!s:.300}); "
            "expected values of the kind that it was trained on, such as the metadata's example."
        )
        refusal = RequestError(message)
        refusal.__cause__ = error
        return refusal


def _fastest(served: ServedModel, inputs: Mapping[str, Array]) -> float:
    served.answer(inputs)
    fastest = math.inf
    begun = perf_counter()
    for _ in range(MEASURED_RUNS):
        started = perf_counter()
        served.answer(inputs)
        ended = perf_counter()
        fastest = min(fastest, ended - started)
        if ended - begun > MEASURE_S:
            break
    return fastest
