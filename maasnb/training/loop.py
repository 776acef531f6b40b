"""The one loop, for every backend: dispatch a chunk of steps, read the chunk before, tell everyone.

The loop runs in a worker thread. While the device works on a chunk, the loop reads the losses of
the chunk before, so the device never waits for Python. Now and then a step is taken by the measured
form of the same step, which also returns gradient norms and update ratios. From time to time the
state is kept; when a loss is not finite, the loop goes back to the last good state.
"""

import contextlib
import dataclasses
import math
import time
from typing import Any

from maasnb.backends.protocol import Array, Program
from maasnb.datasets.batches import Rows
from maasnb.errors import DivergedError
from maasnb.events import Measured, Restored, Started, Stepped, Validated, Warned
from maasnb.metrics import measure
from maasnb.records.run import Run
from maasnb.training.options import Plan
from maasnb.training.pacing import Pacer
from maasnb.training.recovery import KeptStates

__all__ = ["Loop"]

_MEASURED_EPOCHS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class _Pending:
    """Hold losses that are still on the device.

    Attributes:
        losses: the losses, opaque.
        step: how many steps are done with them.
        samples: how many examples they are of.
        call_s: how long the call took that began the work, or did it all where nothing runs on.
        called: when that call returned.
        paced: whether the pacer learns from the time.
    """

    losses: Any
    step: int
    samples: int
    lr: float
    call_s: float
    called: float
    paced: bool


class Loop:
    """Take all steps of one run, in the worker thread."""

    def __init__(self, run: Run, program: Program, plan: Plan) -> None:
        """Take what the run is made of; nothing is done yet."""
        self._run = run
        self._program = program
        self._plan = plan
        self._batches = plan.batches
        self._lr = plan.lr
        self._clip = plan.clip
        self._best: Any = None
        self._step = 0
        self._pending: _Pending | None = None
        self._last_read = 0.0

    def run_through(self, complaints: list[str]) -> None:
        """Train, and end the run whatever happens."""
        run = self._run
        try:
            self._start(complaints)
            self._take_all_steps()
            self._finish()
        except DivergedError as error:
            self._program.update(self._state)
            run.close("diverged", str(error), error)
        except BaseException as error:  # noqa: BLE001 - the run carries the error to whoever waits
            with contextlib.suppress(Exception):  # what was learnt stays, if it can be had
                self._program.update(self._kept.newest())
            run.close("failed", repr(error), error)

    def _start(self, complaints: list[str]) -> None:
        run, data = self._run, self._run.data
        run.emit(
            Started(
                step=0,
                time=time.time(),
                steps=run.total_steps,
                steps_per_epoch=run.steps_per_epoch,
            )
        )
        for words in complaints:
            run.emit(Warned(step=0, time=time.time(), message=words))
        self._state = self._program.init(self._batches.seed)
        self._train = self._program.place(data.train.inputs, data.train.targets)
        validation = data.validation
        self._validation = (
            self._program.place(validation.inputs, validation.targets) if len(validation) else None
        )
        longest = self._program.longest_chunk(self._train, self._batches.batch)
        self._pacer = Pacer(longest)
        self._kept = KeptStates(self._program, self._state)

    def _take_all_steps(self) -> None:
        run, every = self._run, self._plan.validate_every
        while self._step < run.total_steps and run.stop_reason is None:
            fixed = self._next_fixed_measurement()
            if self._step == fixed or self._pacer.wants_statistics():
                self._take_measured_step()
            else:
                self._take_chunk(min(every - self._step % every, fixed - self._step))
            if self._step % every == 0 or self._step == run.total_steps:
                self._validate()
            if self._kept.is_due():
                self._read_pending()
                self._kept.renew(self._step, self._state)
        self._read_pending()

    def _rates(self, first: int, count: int) -> Array:
        """Return the learning rates of steps."""
        return self._plan.schedule.rates(self._lr, first, count)

    def _rate_at(self, step: int) -> float:
        return float(self._rates(step, 1)[0])

    def _next_fixed_measurement(self) -> int:
        """Return the next step that is measured whatever the clock says.

        These are the run's first and last step and the last one of each of the first epochs, so
        that a short run's picture has its points too.
        """
        run = self._run
        if self._step == 0:
            return 0
        epoch_ends = (self._step // run.steps_per_epoch + 1) * run.steps_per_epoch
        early = epoch_ends <= _MEASURED_EPOCHS * run.steps_per_epoch
        return min(epoch_ends if early else run.total_steps, run.total_steps) - 1

    def _take_chunk(self, most: int) -> None:
        """Dispatch a chunk, then read the one before while the device works."""
        rows = self._batches.rows(self._step, self._pacer.length(most))
        rates = self._rates(self._step, len(rows))
        began = time.perf_counter()
        self._state, losses = self._program.chunk(self._state, self._train, rows, rates, self._clip)
        lr = float(rates[-1])
        before, self._pending = self._pending, self._after(rows, losses, lr, began, paced=True)
        self._read(before, self._pending.call_s)

    def _after(
        self,
        rows: Rows,
        losses: Any,  # noqa: ANN401 - opaque
        lr: float,
        began: float,
        *,
        paced: bool,
    ) -> _Pending:
        """Count the steps of a call that began at a time, and hold their losses."""
        self._step += len(rows)
        now = time.perf_counter()
        samples = int(rows.counts.sum())
        return _Pending(losses, self._step, samples, lr, now - began, now, paced)

    def _take_measured_step(self) -> None:
        self._read_pending()
        began = time.perf_counter()
        rows = self._batches.rows(self._step, 1)
        lr = self._rate_at(self._step)
        self._state, losses, statistics = self._program.statistics(
            self._state, self._train, rows, lr, self._clip
        )
        self._pending = self._after(rows, losses, lr, began, paced=False)
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

    def _read(self, pending: _Pending | None, next_call_s: float = 0.0) -> None:
        """Wait for a chunk's losses and tell everyone; a loss that is not finite ends the run.

        The chunk took its own call and the wait after it, without the next chunk's call between.
        """
        if pending is None:
            return
        losses = self._program.host(pending.losses)
        now = time.perf_counter()
        waited_s = now - max(pending.called, self._last_read) - next_call_s
        seconds = pending.call_s + max(waited_s, 0.0)
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
                    lr=pending.lr,
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
        event = Validated(
            step=self._step,
            time=time.time(),
            epoch=epoch,
            metrics={"loss": found.loss, **metrics},
        )
        self._run.emit(event)
        self._judge(event)
        self._last_read = time.perf_counter()

    def _judge(self, event: Validated) -> None:
        """Keep the best state, and end the run where a validation says so."""
        watch = self._plan.watch
        watch.saw(event)
        if watch.restores and watch.is_newest_best:
            self._best = self._program.keep(self._state)
        if watch.reason:
            self._run.stop(watch.reason)

    def _go_back(self, bad_step: int, loss: float) -> None:
        """Find the last good state by repeating steps from a kept one, restore it, and raise."""
        self._pending = None
        state, step, culprit = self._kept.replay(
            bad_step, self._train, self._batches, self._rate_at, self._clip
        )
        self._state, self._step = state, step
        words = f"The run went back to its last good state, after step {step}."
        self._run.emit(Warned(step=step, time=time.time(), message=words))
        where = (
            f" The first parameter whose gradient was not finite is {culprit!r}." if culprit else ""
        )
        message = (
            f"The loss became {loss} at step {bad_step + 1}, so the run {self._run.name!r} stopped."
            f"{where} The model holds its last good state, after step {step}. "
            f"Try a smaller learning rate{self._smaller()}"
        )
        raise DivergedError(message, run=self._run)

    def _smaller(self) -> str:
        return (
            " in the optimizer." if self._plan.optimizer.brings_rate else f": lr={self._lr / 10:g}"
        )

    def _restore_best(self) -> None:
        """Go back to the state of the best validation, where that is wanted and not the last."""
        best = self._plan.watch.best
        if self._best is None or best is None or best.step == self._step:
            return
        self._state = self._program.revert(self._best)
        self._run.emit(
            Restored(step=self._step, time=time.time(), of_step=best.step, metrics=best.metrics)
        )

    def _finish(self) -> None:
        self._restore_best()
        self._program.update(self._state)
        self._run.checkpoint(self._program.snapshot(self._state))
        reason = self._run.stop_reason
        finished = self._step >= self._run.total_steps
        self._run.close("finished" if finished else "stopped", "" if finished else reason or "")
