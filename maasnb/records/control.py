"""What may be asked of a run while it trains: commands, in one queue that any thread may fill.

The training thread takes them between two chunks of steps. Who asks is known from where the call is
made: `steering_from` marks the calls inside it, so that a magic, a callback and a button need not
say it themselves.
"""

import collections
import contextlib
import contextvars
import dataclasses
import math
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Literal

from maasnb.errors import OptionError, TrainingError, unknown_name

__all__ = ["KNOBS", "Command", "Control", "Source", "checked_knobs", "source", "steering_from"]

Source = Literal["python", "magic", "callback", "button", "interrupt", "replay"]

KNOBS = ("lr", "clip")
"""What `run.set` can change."""

_source: contextvars.ContextVar[Source] = contextvars.ContextVar("source", default="python")


@contextlib.contextmanager
def steering_from(origin: Source) -> Iterator[None]:
    """Have the commands that are given inside carry this source."""
    token = _source.set(origin)
    try:
        yield
    finally:
        _source.reset(token)


def source() -> Source:
    """Return who gives commands here."""
    return _source.get()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Ask one thing of a run.

    Attributes:
        action: as in `Intervened`.
        value: likewise.
        source: likewise.
        outcome: is given what came of it, once the run has obeyed.
    """

    action: str
    value: Any = None
    source: Source = "python"
    outcome: Future[Any] = dataclasses.field(default_factory=Future)


class Control:
    """Hold the commands that a run has not obeyed yet."""

    def __init__(self, name: str) -> None:
        """Begin empty; `name` is the run's."""
        self._name = name
        self._commands: collections.deque[Command] = collections.deque()
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._ended = ""

    def ask(self, action: str, value: object = None) -> Command:
        """Put a command at the queue's end.

        Raises:
            TrainingError: the run has ended.
        """
        command = Command(action=action, value=value, source=source())
        with self._lock:
            if self._ended:
                raise self._too_late(action)
            self._commands.append(command)
            self._asked.set()
        return command

    @property
    def waiting(self) -> bool:
        """Say whether there are commands."""
        return self._asked.is_set()

    def take(self) -> list[Command]:
        """Return all commands, the first one first, and forget them."""
        with self._lock:
            commands = list(self._commands)
            self._commands.clear()
            self._asked.clear()
        return commands

    def wait(self) -> None:
        """Wait for a command, without any work meanwhile."""
        self._asked.wait()

    def end(self, status: str) -> None:
        """Refuse what was not obeyed, and whatever is asked from now on."""
        with self._lock:
            self._ended = status
            late = list(self._commands)
            self._commands.clear()
        for command in late:
            if command.action == "stop":
                command.outcome.set_result(None)
            else:
                command.outcome.set_exception(self._too_late(command.action))

    def _too_late(self, action: str) -> TrainingError:
        message = (
            f"The run {self._name!r} has ended ({self._ended}), so {action} comes too late. To go "
            "on from one of its checkpoints type: other = run.fork(lr=0.0001)"
        )
        return TrainingError(message)


def checked_knobs(knobs: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the knobs of `run.set` as numbers.

    Raises:
        UnknownNameError: there is no such knob; offers the nearest one.
        OptionError: there is none at all, or its value is no positive, finite number (or None, for
            no clipping).

    >>> checked_knobs({"lr": 1})
    {'lr': 1.0}
    """
    if not knobs:
        message = "Nothing is set. Type: run.set(lr=0.001)"
        raise OptionError(message)
    for name, value in knobs.items():
        if name not in KNOBS:
            raise unknown_name("knob", name, KNOBS, "Type: run.set(lr=0.001)")
        if name == "clip" and value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            message = (
                f"{name}={value!r} cannot be used; expected a positive number. "
                f"Type: run.set({name}=0.001)"
            )
            raise OptionError(message)
    return {name: None if value is None else float(value) for name, value in knobs.items()}
