"""The handle of a run: its state, what it has shown so far, and the commands that steer it.

The training thread calls `emit`, `stand_still` and `close`; everything else may be called from any
thread. Panels learn of new runs through `observe` and of events through `Run.subscribe`, so that
training need not know them.
"""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from maasnb.backends.protocol import Array, Backend
from maasnb.building import as_tokens
from maasnb.datasets.checks import as_inputs, as_parts
from maasnb.datasets.frames import arranged
from maasnb.datasets.loading import Data
from maasnb.datasets.text import as_texts
from maasnb.errors import DataError, MaasError, TrainingError, WorkspaceError
from maasnb.events import Ended, Event, Warned
from maasnb.parts import Parts, leaves, named
from maasnb.records.control import KNOBS, steering_from
from maasnb.records.history import History
from maasnb.records.observing import enlist, observe, observers_told, occupy, release
from maasnb.records.record import Record
from maasnb.records.steerable import Steerable
from maasnb.tasks import Task

__all__ = ["Run", "Status", "observe", "observers_told", "occupy", "release"]

Status = Literal["running", "paused", "finished", "stopped", "diverged", "failed"]
Callback = Callable[[Event, "Run"], object]
Forker = Callable[["Run", int | None, Mapping[str, Any]], "Run"]

_TURN_S = 0.1
_SECOND_INTERRUPT_S = 2.0


class Run(Steerable):
    """Hold one training run, from its start on.

    Attributes:
        name: the run's name, which is also its folder's in the workspace.
        model: the user's own model object, trained in place.
        backend: the framework behind the seam.
        data: what the model is trained on.
        task: what it is trained for.
        settings: the options of the run, as `run.json` has them.
        knobs: what `run.set` can change, as it is set now: `lr` before the schedule, and `clip`.
        environment: the versions of what ran.
        code: the `cell` that trained it, the `model`'s source and the git `commit`, where known.
        options: what `mb.train` was given or took by default.
        epochs: how many passes over the training split the run is to make.
        steps_per_epoch: how many steps make one pass.
        total_steps: how many steps the run is to take.
        history: every loss, the statistics and validations so far, and what was changed by hand.
        origin: the run and the step that this one was forked from, or None.
        folder: where its record is.
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
        code: Mapping[str, str] | None = None,
        epochs: int,
        steps_per_epoch: int,
        total_steps: int | None = None,
        options: Mapping[str, Any] | None = None,
        origin: Mapping[str, Any] | None = None,
        forker: Forker | None = None,
    ) -> None:
        """Take what the run is made of; `training.train` does this."""
        super().__init__(record.name)
        self.model = model
        self.backend = backend
        self.data = data
        self.task = task
        self.settings = dict(settings)
        self.knobs: dict[str, float | None] = {name: self.settings.get(name) for name in KNOBS}
        self.environment = dict(environment)
        self.code = dict(code or {})
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = epochs * steps_per_epoch if total_steps is None else total_steps
        self.history = History()
        self.options = dict(options or {})
        self.origin = dict(origin) if origin else None
        self.folder = record.folder
        self.record = record
        self._forker = forker
        self._status: Status = "running"
        self._error: BaseException | None = None
        self._step = 0
        self._earlier_s = 0.0
        self._seconds = 0.0
        self._began = time.perf_counter()
        self._callbacks: list[Callback] = [self._note]
        self._done = threading.Event()
        enlist(self)

    @property
    def status(self) -> Status:
        """Return `"running"`, `"paused"`, `"finished"`, `"stopped"`, `"diverged"` or `"failed"`."""
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
    def seconds(self) -> float:
        """Return the wall time of the training so far."""
        return self._seconds or self._earlier_s + time.perf_counter() - self._began

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics and the loss of the state that the model holds; empty before any."""
        return self.history.metrics

    def subscribe(self, callback: Callback) -> None:
        """Have `callback(event, run)` called with each event, in the training thread.

        A callback that raises is reported once and called no more; the training goes on.
        """
        self._callbacks.append(callback)

    def fork(self, step: int | None = None, **changes: Any) -> "Run":  # noqa: ANN401 - train's options
        """Train on from a state of this run, with changes, on a copy of the model.

        Args:
            step: the newest state of at most so many steps is taken; by default the present one.
            **changes: options of `mb.train` that are to differ, as `lr=0.0001` or `wait=False`.

        Returns:
            The new run; its `origin` says which step it began with.

        Raises:
            OptionError: no state that early is kept, or an option cannot be used.
        """
        if self._forker is None:
            message = f"The run {self.name!r} is only read; it cannot be forked."
            raise TrainingError(message, run=self)
        return self._forker(self, step, changes)

    def wait(self, timeout: float | None = None) -> "Run":
        """Wait until the run has ended; an interrupt of the kernel stops the run gracefully.

        A second interrupt within two seconds does not wait for the steps under way.

        Args:
            timeout: how long to wait at the most, in seconds; None for as long as it takes.

        Returns:
            The run itself.
        """
        # On an Event: an interrupted Thread.join marks a live thread as finished (Python 3.11). In
        # short turns: a lock waits on while an interrupt is pending that no signal woke it for.
        ends = math.inf if timeout is None else time.monotonic() + timeout
        interrupted = -math.inf
        while True:
            try:
                while not self._done.wait(min(_TURN_S, max(ends - time.monotonic(), 0))):
                    if time.monotonic() >= ends:
                        break
            except KeyboardInterrupt:
                if time.monotonic() - interrupted <= _SECOND_INTERRUPT_S:
                    raise
                interrupted = time.monotonic()
                with steering_from("interrupt"):
                    self.stop("interrupted")
            else:
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
        expected, recipe = self.data.train.x, self.data.recipe
        if recipe.raw == "text":
            inputs = np.array(as_texts(x), dtype=object)
        elif recipe.raw == "rows":
            inputs = arranged(x, self.data.features, texts=True)
            recipe.check(inputs)
        elif isinstance(expected, dict | tuple):
            inputs = self._several(x, expected)
        else:
            array = np.asarray(arranged(x, self.data.features, texts=False))
            if array.ndim == 1 and expected.shape[1:] == (1,):
                array = array[:, None]  # as mb.data takes a single column
            _check_shape("x", array, expected, _way_to(expected.shape[1:], array.shape))
            inputs = as_inputs(array, self.data.features, "x = x[{keep}]", gaps=recipe.fills)
            _check_pixels(inputs, expected)
            if self.task.takes == "int32":
                inputs = as_tokens(self.backend.spec(self.model), inputs)
        outputs = self.backend.predict(self.model, self.task, recipe.inputs(inputs))
        return recipe.outputs(outputs) if self.task.outputs else outputs

    def _several(self, x: Any, expected: Parts) -> Parts:  # noqa: ANN401 - whatever was given
        """Return inputs of several parts, in the data's form."""
        names = [name for name, _ in named(expected, "x")]
        if type(x) is not type(expected) or [name for name, _ in named(x, "x")] != names:
            message = f"x must have the data's parts: {', '.join(names)}."
            raise DataError(message)
        parts = as_parts(x)
        for (name, part), like in zip(named(parts, "x"), leaves(expected), strict=True):
            _check_shape(name, part, like)
        return parts

    def emit(self, event: Event) -> None:
        """Tell everyone of an event; only the training thread does this."""
        self._step = event.step
        complaints = [self.record.append(event)]
        complaints += [self._call(callback, event) for callback in list(self._callbacks)]
        for words in filter(None, complaints):
            sys.stderr.write(f"maasnb: {words}\n")
            self.emit(Warned(step=self._step, time=time.time(), message=words))

    def stand_still(self, *, paused: bool) -> None:
        """Say whether the run is paused; only the training thread does this."""
        self._status = "paused" if paused else "running"

    def begin_at(self, step: int, seconds: float, events: Iterable[Event]) -> None:
        """Take what came before this process, or before a fork, into account."""
        self._step, self._earlier_s = step, seconds
        for event in events:
            self.history.add(event)

    def go_back_to(self, step: int) -> None:
        """Say that the model has only taken so many steps; only the training thread does this."""
        self._step = step

    def close(self, status: Status, reason: str = "", error: BaseException | None = None) -> None:
        """End the run, tell everyone, and release who waits; only the training thread does this."""
        self._seconds = self.seconds
        self._status, self._error = status, error
        self.control.end(status)
        ended = Ended(
            step=self._step, time=time.time(), status=status, reason=reason, seconds=self._seconds
        )
        outcome = {"status": status, "steps": self._step, "seconds": self._seconds}
        try:
            self.emit(ended)
            self.record.close({**outcome, "metrics": self.metrics, "reason": reason})
        except WorkspaceError as full:
            sys.stderr.write(f"maasnb: {full}\n")
        finally:
            release(self.model)
            self._done.set()

    def _note(self, event: Event, run: "Run") -> None:  # noqa: ARG002 - the form of a callback
        self.history.add(event)

    def _call(self, callback: Callback, event: Event) -> str | None:
        """Call a callback; leave it out from now on if it raises, and return the words on that."""
        try:
            with steering_from("callback"):
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


def _check_pixels(x: Array, like: Array) -> None:
    """Refuse pixels that were scaled before, which a recipe would scale once more."""
    scaled = x.dtype.kind == "f" and x.min() >= 0 and x.max() <= 1 and bool((x % 1 != 0).any())
    if like.dtype in (np.uint8, np.uint16) and scaled:
        most = np.iinfo(like.dtype).max
        message = (
            f"x holds numbers from 0 to 1, but the model was trained on {like.dtype}, 0 to {most}; "
            f"expected raw examples. Type: (x * {most}).round().astype('{like.dtype}')"
        )
        raise DataError(message)


def _way_to(shape: tuple[int, ...], given: tuple[int, ...]) -> str:
    """Return what to type where examples have the right numbers in another form; or where to look.

    >>> _way_to((8, 8), (5, 64)), _way_to((2,), (2,)), _way_to((8, 8, 3), (5, 3, 8, 8))
    (' Type: x.reshape(-1, 8, 8)', ' For one example type: x[None]', ' Look at x.shape.')
    """
    if given == shape:
        return " For one example type: x[None]"
    one, several = math.prod(given), math.prod(given[1:])
    plain = [tuple(size for size in each if size > 1) for each in (given[1:], shape)]
    # Not where axes may have changed places: that would mix their numbers.
    flat = len(given) in (1, 2) and math.prod(shape) in (one, several)
    if flat or (one and plain[0] == plain[1]):
        return f" Type: x.reshape(-1, {', '.join(map(str, shape))})"
    return " Look at x.shape."


def _check_shape(name: str, array: Array, like: Array, way_out: str = "") -> None:
    if array.ndim == 0 or array.shape[1:] != like.shape[1:]:
        shape = ", ".join(("n", *map(str, like.shape[1:])))
        message = f"{name} has shape {array.shape}; expected [{shape}].{way_out}"
        raise DataError(message)
