"""The one loop, for every backend: dispatch a chunk of steps, read the chunk before, tell everyone.

The loop runs in a worker thread. While the device works on a chunk, the loop reads the losses of
the chunk before, so the device never waits for Python. Now and then a step is measured: it is the
same step, and its gradients, updates and activations are read. From time to time the state is kept;
when a loss is not finite, the loop goes back to the last good state.
"""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.backends.protocol import Array, Program
from maasnb.datasets.batches import Rows
from maasnb.errors import DataError, DivergedError, MaasError, TrainingError
from maasnb.events import Measured, Restored, Started, Stepped, Validated
from maasnb.metrics import measure
from maasnb.records.examples import ExampleLosses
from maasnb.records.history import MEASURED_EPOCHS
from maasnb.records.run import Run
from maasnb.training.feeding import Feed, make_feed
from maasnb.training.interventions import Schedule
from maasnb.training.keeping import Keeper
from maasnb.training.obeying import Obeying
from maasnb.training.options import Plan
from maasnb.training.pacing import Pacer

__all__ = ["Beginning", "Loop"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Say where a run begins: anew, with an earlier run's state, or as one's repetition.

    Attributes:
        step: how many steps were taken before.
        arrays: the state; None for a fresh one, of the model's present parameters.
        knobs: what was set by then, by name; the run's own where nothing was.
        schedule: what is known to be done by the way.
        first: the step of the run's first checkpoint.
        complaints: what a person should know.
    """

    step: int = 0
    arrays: Any = None
    knobs: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    first: int = 0
    complaints: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Pending:
    """Hold losses that are still on the device.

    Attributes:
        losses: the losses, opaque.
        rows: whose they are.
        step: how many steps are done with them.
        samples: how many examples they are of.
        call_s: how long the call took that began the work, or did it all where nothing runs on.
        called: when that call returned.
        statistics: what a measured step showed, opaque, on the device too; None of other steps.
    """

    losses: Any
    rows: Rows
    step: int
    samples: int
    lr: float
    call_s: float
    called: float
    statistics: Any = None


class Loop(Obeying):
    """Take all steps of one run, in the worker thread."""

    def __init__(
        self,
        run: Run,
        program: Program,
        plan: Plan,
        *,
        beginning: Beginning | None = None,
        checkpoint_s: float = 30.0,
        checkpoint_steps: int | None = None,
    ) -> None:
        """Take what the run is made of; nothing is done yet."""
        self._beginning = beginning or Beginning()
        knobs = {"lr": plan.lr, "clip": plan.clip, **self._beginning.knobs}
        super().__init__(
            run, program, knobs["lr"] or plan.lr, knobs["clip"], self._beginning.schedule
        )
        self._plan = plan
        self._best: Any = None
        self._step = self._beginning.step
        self._keeper = Keeper(run, program, checkpoint_s, checkpoint_steps)
        self._pending: _Pending | None = None
        self._last_read = 0.0
        self._feed: Feed | None = None
        self._stream_ended = False
        self._measures = plan.record != "off"

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
        except DataError as error:  # of a stream, between two chunks
            self._break_off(error)
        except BaseException as error:  # noqa: BLE001 - the run carries the error to whoever waits
            with contextlib.suppress(Exception):  # what was learnt stays, if it can be had
                kept = self._keeper.newest()
                self._program.update(self._program.revert(kept.copy))
                self._keeper.checkpoint(kept)
            self._keeper.close()
            explained = self._explained(error)
            told = str(explained) if isinstance(explained, MaasError) else repr(error)
            run.close("failed", told, explained)
        finally:
            if self._feed is not None:
                self._feed.close()

    def _break_off(self, error: DataError) -> None:
        """End a run whose data failed, with all that was learnt before."""
        try:
            self._read_pending()
            self._keeper.checkpoint(self._keeper.keep(self._mark(), self._state))
        except DivergedError as worse:
            self._warn(str(worse))
        self._program.update(self._state)
        self._keeper.close()
        self._run.close("failed", str(error), error)

    def _explained(self, error: BaseException) -> BaseException:
        """Return an error, or what a person can do about a device without memory left."""
        if not self._run.backend.is_out_of_memory(error):
            return error
        batch = self._run.settings["batch"]
        message = (
            f"The device ran out of memory at step {self._step}. The run's record and its last "
            f"checkpoint stay. Lower batch= (it is {batch}), keep the step's size with "
            f"accumulate={2 * self._run.settings['accumulate']} and batch={max(batch // 2, 1)}, or "
            'type: precision="bfloat16"'
        )
        explained = TrainingError(message, run=self._run)
        explained.__cause__ = error
        return explained

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
        self._state = self._program.init(self._plan.batches.seed)
        if self._beginning.arrays is not None:
            self._state = self._program.restore(self._state, self._beginning.arrays)
        self._feed = make_feed(self._program, data, self._plan.batches, self._plan.rule.accumulate)
        if data.stream is None and self._plan.record == "full":
            run.history.examples = ExampleLosses(len(data.train))
        validation = data.validation
        self._validation = (
            self._program.place(validation.inputs, validation.targets) if len(validation) else None
        )
        self._pacer = Pacer(self._feed.longest)
        self._keeper.begin(self._mark(), self._state, run.history.validated, self._beginning.first)
        for event in run.history.validated:
            self._plan.watch.saw(event)
        run.hand_over = self._hand_over_inside

    def _take_all_steps(self) -> None:
        every = self._plan.validate_every if self._validation is not None else self._run.total_steps
        while self._goes_on():
            fixed = self._next_fixed_measurement()
            if self._measures and (self._step == fixed or self._pacer.wants_statistics()):
                self._take_measured_step()
            else:
                left = (fixed if self._measures else self._run.total_steps) - self._step
                kept = min(left, self._keeper.steps_left(self._step))
                self._take_chunk(int(min(every - self._step % every, kept)))
            if self._stream_ended:
                break
            if self._step % every == 0 or self._step == self._run.total_steps:
                self._validate()
            if self._keeper.is_due(self._step):
                self._keeper.keep(self._mark(), self._state)
            complaint = self._keeper.complaint()
            if complaint:
                self._warn(complaint)
        self._read_pending()

    def _rates_of(self, first: int, count: int) -> Array:
        """Return the learning rates of the steps to come."""
        return self._plan.schedule.rates(self._lr, first, count)

    def _rate_at(self, step: int) -> float:
        """Return the scheduled learning rate that a step was or would be taken with."""
        return float(self._plan.schedule.rates(self._knobs_at(step)[0], step, 1)[0])

    def _goes_on(self) -> bool:
        """Obey, then say whether there is another step to take."""
        self._obey()
        return self._step < self._run.total_steps and self._stopped_for is None

    def _next_fixed_measurement(self) -> int:
        """Return the next step that is measured whatever the clock says.

        These are the run's first and last step and the last one of each of the first epochs, so
        that a short run's picture has its points too. No clock has a say in it, so that a report
        on them is the same on every machine.
        """
        run = self._run
        if self._step == 0:
            return 0
        epoch_ends = (self._step // run.steps_per_epoch + 1) * run.steps_per_epoch
        early = epoch_ends <= MEASURED_EPOCHS * run.steps_per_epoch
        return min(epoch_ends if early else run.total_steps, run.total_steps) - 1

    def _take_chunk(self, most: int) -> None:
        """Dispatch a chunk, then read the one before while the device works."""
        placed, rows = self._fed(self._pacer.length(self._schedule.left(self._step, most)))
        if self._stream_ended:
            return
        rates = self._rates_of(self._step, len(rows))
        began = time.perf_counter()
        self._state, losses = self._program.chunk(self._state, placed, rows, rates, self._clip)
        lr = float(rates[-1])
        self._wait_for_the_one_before(self._after(rows, losses, lr, began))

    def _fed(self, steps: int) -> tuple[Any, Rows]:
        """Return the batches of the steps to come; at a stream's end there is none."""
        assert self._feed is not None
        placed, rows = self._feed.take(self._step, steps)
        if not len(rows):
            self._stream_ended = True
            self._read_pending()
            self._stopped_for = self._run.stop_reason = (
                f"the stream ended after {self._step} of {self._run.total_steps} steps; it can be "
                "gone through once only. Give a function that makes it: mb.data(lambda: batches())"
            )
        return placed, rows

    def _after(
        self,
        rows: Rows,
        losses: Any,  # noqa: ANN401 - opaque
        lr: float,
        began: float,
        statistics: Any = None,  # noqa: ANN401 - opaque
    ) -> _Pending:
        """Count the steps of a call that began at a time, and hold their losses."""
        self._step += len(rows)
        now = time.perf_counter()
        samples = int(rows.counts.sum())
        return _Pending(losses, rows, self._step, samples, lr, now - began, now, statistics)

    def _wait_for_the_one_before(self, dispatched: _Pending) -> None:
        """Read what was dispatched before, while the device works on what is dispatched now."""
        before, self._pending = self._pending, dispatched
        self._read(before, dispatched.call_s)

    def _take_measured_step(self) -> None:
        began = time.perf_counter()
        placed, rows = self._fed(1)
        if self._stream_ended:
            return
        lr = self._rate_at(self._step)
        self._state, losses, statistics = self._program.statistics(
            self._state, placed, rows, lr, self._clip, full=self._plan.record == "full"
        )
        self._pacer.measuring()
        self._wait_for_the_one_before(self._after(rows, losses, lr, began, statistics))

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
        found = self._program.host(pending.losses)
        losses = found.means
        now = time.perf_counter()
        waited_s = now - max(pending.called, self._last_read) - next_call_s
        seconds = pending.call_s + max(waited_s, 0.0)
        self._last_read = now
        if pending.statistics is None:
            self._pacer.took(len(losses), seconds)
        self._note_examples(pending.rows, found.examples)
        bad = np.flatnonzero(~np.isfinite(losses))
        good = losses[: bad[0]] if len(bad) else losses
        if len(good):
            self._run.emit(
                Stepped(
                    step=pending.step - len(losses) + len(good),
                    time=round(time.time(), 3),
                    losses=tuple(good.tolist()),
                    lr=pending.lr,
                    samples=pending.samples,
                    seconds=round(seconds, 6),
                )
            )
        if len(bad):
            self._go_back(pending.step - len(losses) + int(bad[0]), float(losses[bad[0]]))
        if pending.statistics is not None:
            self._tell_statistics(pending, seconds)

    def _tell_statistics(self, pending: _Pending, seconds: float) -> None:
        """Tell everyone what a measured step showed; `seconds` is what it took until now."""
        began = time.perf_counter()
        found = self._program.host_statistics(pending.statistics)
        self._run.emit(
            Measured(
                step=pending.step,
                time=time.time(),
                gradient_norm=found.gradient_norm,
                update_ratio=found.update_ratio,
                activations=found.activations,
                histograms=found.histograms,
            )
        )
        counts = sum(map(len, found.histograms.values()))
        told_s = time.perf_counter() - began
        self._pacer.measured(seconds + told_s + found.beside_s, counts)
        self._last_read = time.perf_counter()

    def _note_examples(self, rows: Rows, losses: Array | None) -> None:
        """Remember the loss of each example, epoch by epoch: in one no example comes twice."""
        examples = self._run.history.examples
        if examples is None or losses is None:
            return
        per_epoch = self._run.steps_per_epoch
        for first in range(-(rows.first % per_epoch), len(rows), per_epoch):
            part = slice(max(first, 0), first + per_epoch)
            real = np.arange(rows.indices.shape[1]) < rows.counts[part, None]
            of = rows.indices if rows.examples is None else rows.examples
            examples.add(of[part][real], losses[part][real])

    def _validate(self) -> None:
        if self._validation is None:
            return
        self._read_pending()
        found = self._program.evaluate(self._state, self._validation)
        data = self._run.data
        metrics = {}
        if found.outputs is not None:
            recipe = data.recipe
            outputs = found.outputs if self._run.task.positions else recipe.outputs(found.outputs)
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
        if self._keeper.is_best(found.loss):
            self._keeper.keep_best(found.loss, self._mark(), self._state)
        self._last_read = time.perf_counter()

    def _judge(self, event: Validated) -> None:
        """Keep the best state, and end the run where a validation says so."""
        watch = self._plan.watch
        watch.saw(event)
        if watch.restores and watch.is_newest_best:
            self._best = self._program.keep(self._state)
        if watch.reason and self._stopped_for is None:
            self._stopped_for = watch.reason
            self._run.stop_reason = watch.reason

    def _go_back(self, bad_step: int, loss: float) -> None:
        """Find the last good state by repeating steps from a kept one, restore it, and raise."""
        self._pending = None
        state, step, culprit = self._keeper.replay(
            bad_step, self._feed, lambda step: (self._rate_at(step), self._knobs_at(step)[1])
        )
        self._state, self._step = state, step
        words = f"The run went back to its last good state, after step {step}."
        self._warn(words)
        where = (
            f" The first parameter whose gradient was not finite is {culprit!r}." if culprit else ""
        )
        message = (
            f"The loss became {loss} at step {bad_step + 1}, so the run {self._run.name!r} stopped."
            f"{where} The model holds its last good state, after step {step}. "
            f"Try a smaller learning rate{self._smaller()}"
        )
        raise DivergedError(message, run=self._run, culprit=culprit or "")

    def _smaller(self) -> str:
        return (
            " in the optimizer." if self._plan.optimizer.brings_rate else f": lr={self._lr / 10:g}"
        )

    def _restore_best(self) -> None:
        """Go back to the state of the best validation, where that is wanted and not the last."""
        best = self._plan.watch.best
        if not self._plan.watch.restores or best is None or best.step == self._step:
            return
        if self._best is not None:
            self._state = self._program.revert(self._best)
        else:  # it was seen before the run went on in this process
            found = self._keeper.find(best.step)
            if found.mark.step != best.step:
                self._warn(f"The state of the best validation, step {best.step}, is gone.")
                return
            self._state = found.state(self._program, self._state)
        self._run.emit(
            Restored(step=self._step, time=time.time(), of_step=best.step, metrics=best.metrics)
        )

    def _finish(self) -> None:
        self._keeper.checkpoint(self._keeper.keep(self._mark(), self._state))
        self._restore_best()
        self._program.update(self._state)
        self._keeper.close()
        complaint = self._keeper.complaint()
        if complaint:
            self._warn(complaint)
        finished = self._step >= self._run.total_steps
        reason = "" if finished else self._stopped_for or ""
        self._run.close("finished" if finished else "stopped", reason)
