"""The one loop, for every backend: dispatch a chunk of steps, read the chunk before, tell everyone.

The loop runs in a worker thread. While the device works on a chunk, the loop reads the losses of
the chunk before, so the device never waits for Python. Now and then a step is taken by the measured
form of the same step, which also returns gradient norms and update ratios. From time to time the
state is kept; when a loss is not finite, the loop goes back to the last good state.
"""

import contextlib
import dataclasses
import math
import threading
import time
from typing import Any

from maasnb.backends.protocol import Program
from maasnb.datasets.batches import Batches
from maasnb.errors import DivergedError
from maasnb.events import Measured, Started, Stepped, Validated
from maasnb.metrics import measure
from maasnb.records.run import Run
from maasnb.training.interventions import Schedule
from maasnb.training.keeping import Keeper
from maasnb.training.obeying import Obeying
from maasnb.training.pacing import Pacer

__all__ = ["Beginning", "Loop"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Say where a run begins: anew, with an earlier run's state, or as one's repetition.

    Attributes:
        step: how many steps were taken before.
        arrays: the state; None for a fresh one, of the model's present parameters.
        lr: the learning rate set by then; None for the run's own.
        schedule: what is known to be done by the way.
        first: the step of the run's first checkpoint.
        complaints: what a person should know.
    """

    step: int = 0
    arrays: Any = None
    lr: float | None = None
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    first: int = 0
    complaints: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Pending:
    """Hold losses that are still on the device."""

    losses: Any
    step: int
    samples: int
    paced: bool = True
    dispatched: float = dataclasses.field(default_factory=time.perf_counter)


class Loop(Obeying):
    """Take all steps of one run, in the worker thread."""

    def __init__(
        self,
        run: Run,
        program: Program,
        batches: Batches,
        lr: float,
        *,
        beginning: Beginning | None = None,
        checkpoint_s: float = 30.0,
    ) -> None:
        """Take what the run is made of; nothing is done yet."""
        self._beginning = beginning or Beginning()
        now = self._beginning.lr
        super().__init__(run, program, lr if now is None else now, self._beginning.schedule)
        self._batches = batches
        self._step = self._beginning.step
        self._keeper = Keeper(run, program, checkpoint_s)
        self._pending: _Pending | None = None
        self._last_read = 0.0

    def run_through(self, complaints: list[str]) -> None:
        """Train, and end the run whatever happens."""
        run = self._run
        run.training_thread = threading.current_thread()
        try:
            self._start([*self._beginning.complaints, *complaints])
            self._take_all_steps()
            self._finish()
        except DivergedError as error:
            self._program.update(self._state)
            self._keeper.close()
            run.close("diverged", str(error), error)
        except BaseException as error:  # noqa: BLE001 - the run carries the error to whoever waits
            with contextlib.suppress(Exception):  # what was learnt stays, if it can be had
                kept = self._keeper.newest()
                self._program.update(self._program.revert(kept.copy))
                self._keeper.checkpoint(kept)
            self._keeper.close()
            run.close("failed", repr(error), error)

    def _start(self, complaints: list[str]) -> None:
        run, data = self._run, self._run.data
        run.emit(
            Started(
                step=self._step,
                time=time.time(),
                steps=run.total_steps,
                steps_per_epoch=run.steps_per_epoch,
            )
        )
        for words in complaints:
            self._warn(words)
        self._state = self._program.init(self._batches.seed)
        if self._beginning.arrays is not None:
            self._state = self._program.restore(self._state, self._beginning.arrays)
        self._train = self._program.place(data.train.inputs, data.train.targets)
        validation = data.validation
        self._validation = (
            self._program.place(validation.inputs, validation.targets) if len(validation) else None
        )
        longest = self._program.longest_chunk(self._train, self._batches.batch)
        self._pacer = Pacer(longest)
        self._keeper.begin(self._mark(), self._state, run.history.validated, self._beginning.first)
        run.hand_over = self._hand_over_inside

    def _take_all_steps(self) -> None:
        run, per_epoch = self._run, self._run.steps_per_epoch
        while self._goes_on():
            last = self._step == run.total_steps - 1
            if last or self._pacer.wants_statistics():
                self._take_measured_step()
            else:
                self._take_chunk(per_epoch - self._step % per_epoch, run.total_steps - 1)
            if self._step % per_epoch == 0:
                self._validate()
            if self._keeper.is_due():
                self._keeper.keep(self._mark(), self._state)
            complaint = self._keeper.complaint()
            if complaint:
                self._warn(complaint)
        self._read_pending()

    def _goes_on(self) -> bool:
        """Obey, then say whether there is another step to take."""
        self._obey()
        return self._step < self._run.total_steps and self._stopped_for is None

    def _take_chunk(self, left_in_epoch: int, end: int) -> None:
        """Dispatch a chunk, then read the one before while the device works."""
        left = self._schedule.left(self._step, min(left_in_epoch, end - self._step))
        count = self._pacer.length(left)
        rows = self._batches.rows(self._step, count)
        self._state, losses = self._program.chunk(self._state, self._train, rows, self._lr)
        self._step += count
        before, self._pending = self._pending, _Pending(losses, self._step, int(rows.counts.sum()))
        self._read(before)

    def _take_measured_step(self) -> None:
        self._read_pending()
        began = time.perf_counter()
        rows = self._batches.rows(self._step, 1)
        self._state, losses, statistics = self._program.statistics(
            self._state, self._train, rows, self._lr
        )
        self._step += 1
        self._pending = _Pending(losses, self._step, int(rows.counts.sum()), paced=False)
        self._read_pending()
        found = self._program.host_statistics(statistics)
        self._pacer.measured(time.perf_counter() - began)
        self._run.emit(
            Measured(
                step=self._step,
                time=time.time(),
                gradient_norm=found.gradient_norm,
                update_ratio=found.update_ratio,
            )
        )

    def _read_pending(self) -> None:
        before, self._pending = self._pending, None
        self._read(before)
        self._last_read = time.perf_counter()

    def _read(self, pending: "_Pending | None") -> None:
        """Wait for a chunk's losses and tell everyone; a loss that is not finite ends the run."""
        if pending is None:
            return
        losses = self._program.host(pending.losses)
        now = time.perf_counter()
        seconds = now - max(pending.dispatched, self._last_read)
        self._last_read = now
        if pending.paced:
            self._pacer.took(len(losses), seconds)
        bad = [number for number, loss in enumerate(losses) if not math.isfinite(loss)]
        good = losses[: bad[0]] if bad else losses
        if len(good):
            self._run.emit(
                Stepped(
                    step=pending.step - len(losses) + len(good),
                    time=time.time(),
                    losses=tuple(good.tolist()),
                    lr=self._lr,
                    samples=pending.samples,
                    seconds=seconds,
                )
            )
        if bad:
            self._go_back(pending.step - len(losses) + bad[0], losses[bad[0]])

    def _validate(self) -> None:
        if self._validation is None:
            return
        self._read_pending()
        found = self._program.evaluate(self._state, self._validation)
        data = self._run.data
        outputs = data.recipe.outputs(found.outputs)
        metrics = measure(self._run.task, outputs, data.validation.y)
        epoch = self._step // self._run.steps_per_epoch
        self._run.emit(
            Validated(
                step=self._step,
                time=time.time(),
                epoch=epoch,
                metrics={"loss": found.loss, **metrics},
            )
        )
        if self._keeper.is_best(found.loss):
            self._keeper.keep_best(found.loss, self._mark(), self._state)
        self._last_read = time.perf_counter()

    def _go_back(self, bad_step: int, loss: float) -> None:
        """Find the last good state by repeating steps from a kept one, restore it, and raise."""
        self._pending = None
        state, step, culprit = self._keeper.replay(
            bad_step, self._train, self._batches, self._lr_at
        )
        self._state, self._step = state, step
        where = (
            f" The first parameter whose gradient was not finite is {culprit!r}." if culprit else ""
        )
        message = (
            f"The loss became {loss} at step {bad_step + 1}, so the run {self._run.name!r} stopped."
            f"{where} The model holds its last good state, after step {step}. "
            f"Try a smaller learning rate: lr={self._lr / 10:g}"
        )
        raise DivergedError(message, run=self._run)

    def _finish(self) -> None:
        self._program.update(self._state)
        self._keeper.checkpoint(self._keeper.keep(self._mark(), self._state))
        self._keeper.close()
        complaint = self._keeper.complaint()
        if complaint:
            self._warn(complaint)
        finished = self._step >= self._run.total_steps
        reason = "" if finished else self._stopped_for or ""
        self._run.close("finished" if finished else "stopped", reason)
