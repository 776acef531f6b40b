"""The handle of a run: its state, what it has shown so far, and the flags by which it is steered.

The training thread calls `emit` and `close`; everything else may be called from any thread. Panels
learn of new runs through `observe` and of events through `Run.subscribe`, so that training need not
know them.
"""

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from maasnb.backends.protocol import Array, Backend
from maasnb.datasets.checks import as_inputs
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, MaasError, ModelError, TrainingError
from maasnb.events import Ended, Event, Warned
from maasnb.records.history import History
from maasnb.records.record import Record
from maasnb.tasks import Task

__all__ = ["Run", "Status", "observe", "observers_told", "occupy", "release"]

Status = Literal["running", "finished", "stopped", "diverged", "failed"]
Callback = Callable[[Event, "Run"], None]
Observer = Callable[["Run"], None]

_TURN_S = 0.1

_observers: list[Observer] = []
_in_training: set[int] = set()  # ids of the models that a run is changing at present


def observe(observer: Observer) -> Callable[[], None]:
    """Have a function called with each run that starts from now on; return what ends that."""
    _observers.append(observer)

    def end() -> None:
        with contextlib.suppress(ValueError):
            _observers.remove(observer)

    return end


def occupy(model: object) -> None:
    """Reserve a model for a run.

    Raises:
        ModelError: another run has it.
    """
    if id(model) in _in_training:
        message = (
            "This model is being trained by another run. Wait for it (run.wait()) or stop it "
            "(run.stop()), then train again."
        )
        raise ModelError(message)
    _in_training.add(id(model))


def release(model: object) -> None:
    """Give a reserved model free again."""
    _in_training.discard(id(model))


class Run:
    """Hold one training run, from its start on.

    Attributes:
        name: the run's name, which is also its folder's in the workspace.
        model: the user's own model object, trained in place.
        backend: the framework behind the seam.
        data: what the model is trained on.
        task: what it is trained for.
        settings: the options of the run, as `run.json` has them.
        environment: the versions of what ran.
        epochs: how many passes over the training split the run is to make.
        steps_per_epoch: how many steps make one pass.
        history: every loss, and the statistics and validations so far.
    """

    def __init__(
        self,
        record: Record,
        *,
        model: Any,  # noqa: ANN401 - a native module of any framework
        backend: Backend,
        data: Data,
        task: Task,
        settings: Mapping[str, Any],
        environment: Mapping[str, str],
        epochs: int,
        steps_per_epoch: int,
    ) -> None:
        """Take what the run is made of; `training.train` does this."""
        self.name = record.name
        self.model = model
        self.backend = backend
        self.data = data
        self.task = task
        self.settings = dict(settings)
        self.environment = dict(environment)
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.history = History()
        self.folder = record.folder
        self._record = record
        self._status: Status = "running"
        self._error: BaseException | None = None
        self._step = 0
        self._seconds = 0.0
        self._began = time.perf_counter()
        self._callbacks: list[Callback] = [self._note]
        self._stop_reason: str | None = None
        self._done = threading.Event()

    @property
    def status(self) -> Status:
        """Return `"running"`, `"finished"`, `"stopped"`, `"diverged"` or `"failed"`."""
        return self._status

    @property
    def error(self) -> BaseException | None:
        """Return the error that ended the run, if one did."""
        return self._error

    @property
    def steps(self) -> int:
        """Return how many steps the model has taken in this run."""
        return self._step

    @property
    def total_steps(self) -> int:
        """Return how many steps the run is to take."""
        return self.epochs * self.steps_per_epoch

    @property
    def seconds(self) -> float:
        """Return the wall time of the training so far."""
        return self._seconds or time.perf_counter() - self._began

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics and the loss of the state that the model holds; empty before any."""
        if self.history.restored is not None:
            return dict(self.history.restored.metrics)
        return dict(self.history.validated[-1].metrics) if self.history.validated else {}

    @property
    def stop_reason(self) -> str | None:
        """Return why the run was asked to stop, or None; the training thread looks at this."""
        return self._stop_reason

    def subscribe(self, callback: Callback) -> None:
        """Have `callback(event, run)` called with each event, in the training thread.

        A callback that raises is reported once and called no more; the training goes on.
        """
        self._callbacks.append(callback)

    def stop(self, reason: str = "stopped by hand") -> None:
        """Ask the run to stop after the chunk of steps under way; what was learnt stays."""
        if self._stop_reason is None:
            self._stop_reason = reason

    def wait(self, timeout: float | None = None) -> "Run":
        """Wait until the run has ended; an interrupt of the kernel stops the run gracefully.

        Args:
            timeout: how long to wait at the most, in seconds; None for as long as it takes.

        Returns:
            The run itself.
        """
        # On an Event: an interrupted Thread.join marks a live thread as finished (Python 3.11). In
        # short turns: a lock waits on while an interrupt is pending that no signal woke it for.
        ends = math.inf if timeout is None else time.monotonic() + timeout
        try:
            while not self._done.wait(min(_TURN_S, max(ends - time.monotonic(), 0))):
                if time.monotonic() >= ends:
                    break
        except KeyboardInterrupt:
            self.stop("interrupted")
            self._done.wait()
        return self

    def result(self) -> "Run":
        """Return the run, or raise the error that ended it."""
        if isinstance(self._error, MaasError):
            raise self._error
        if self._error is not None:
            message = f"The run {self.name!r} failed at step {self.steps}: {self._error!r}"
            raise TrainingError(message, run=self) from self._error
        return self

    def predict(self, x: Any) -> Array:  # noqa: ANN401 - any array-like
        """Return what the model says of raw examples.

        Args:
            x: raw examples [n, ...], as the data was before its recipe.

        Returns:
            Probabilities [n, classes], or [n, 1] with the probability of the second of two classes,
            or values [n, outputs]; float32.

        Raises:
            DataError: the examples do not have the data's shape, or hold no finite numbers.
        """
        array, expected = np.asarray(x), self.data.train.x.shape[1:]
        if array.ndim == 1 and expected == (1,):
            array = array[:, None]  # as mb.data takes a single column
        if array.ndim == 0 or array.shape[1:] != expected:
            shape = ", ".join(("n", *map(str, expected)))
            message = (
                f"x has shape {array.shape}; expected [{shape}]. For one example type: x[None]"
            )
            raise DataError(message)
        inputs = self.data.recipe.inputs(as_inputs(array, self.data.features, "x = x[{keep}]"))
        return self.data.recipe.outputs(self.backend.predict(self.model, self.task, inputs))

    def emit(self, event: Event) -> None:
        """Tell everyone of an event; only the training thread does this."""
        self._step = event.step
        self._record.append(event)
        complaints = [self._call(callback, event) for callback in list(self._callbacks)]
        for words in filter(None, complaints):
            sys.stderr.write(f"maasnb: {words}\n")
            self.emit(Warned(step=self._step, time=time.time(), message=words))

    def checkpoint(self, arrays: Mapping[str, Array]) -> None:
        """Write a state's arrays to the run's folder; only the training thread does this."""
        self._record.save_checkpoint(self._step, arrays)

    def close(self, status: Status, reason: str = "", error: BaseException | None = None) -> None:
        """End the run, tell everyone, and release who waits; only the training thread does this."""
        self._seconds = time.perf_counter() - self._began
        self._status, self._error = status, error
        ended = Ended(
            step=self._step, time=time.time(), status=status, reason=reason, seconds=self._seconds
        )
        try:
            self.emit(ended)
            outcome = {"status": status, "steps": self._step, "seconds": self._seconds}
            self._record.close({**outcome, "metrics": self.metrics, "reason": reason})
        finally:
            release(self.model)
            self._done.set()

    def _note(self, event: Event, run: "Run") -> None:  # noqa: ARG002 - the form of a callback
        self.history.add(event)

    def _call(self, callback: Callback, event: Event) -> str | None:
        """Call a callback; leave it out from now on if it raises, and return the words on that."""
        try:
            callback(event, self)
        except BaseException as error:  # noqa: BLE001 - not even a callback's exit() stops training
            self._callbacks.remove(callback)
            name = getattr(callback, "__qualname__", repr(callback))
            return f"The callback {name} raised {error!r} and is called no more; training goes on."
        return None

    def __str__(self) -> str:
        """Return one line: name, status, steps and the latest metrics."""
        numbers = "".join(
            f", validation {name} {value:.4g}" for name, value in self.metrics.items()
        )
        return f"Run {self.name!r}: {self.status}, step {self.steps} of {self.total_steps}{numbers}"

    __repr__ = __str__


def observers_told(run: Run) -> Iterator[str]:
    """Tell all observers of a new run; yield what went wrong in one, and leave that one out."""
    for observer in list(_observers):
        try:
            observer(run)
        except Exception as error:  # noqa: BLE001 - a panel must not stop training
            with contextlib.suppress(ValueError):  # it may have ended itself
                _observers.remove(observer)
            yield f"A panel failed to open ({error!r}); training goes on without it."
