"""What a person, a magic, a button or a callback can do to a run while it trains.

Everything is a command in the run's queue, which the training thread takes between two chunks of
steps. Asked from another thread, a command waits until it took effect; asked from a callback, which
the training thread itself calls, or from a button, it returns at once.
"""

import abc
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLong
from typing import TYPE_CHECKING, Any

from maasnb.errors import TrainingError
from maasnb.records.control import Command, Control, checked_knobs, source

if TYPE_CHECKING:
    from maasnb.records.run import Run

__all__ = ["Steerable"]

_PATIENCE_S = 60.0  # a first step may have to be compiled before the run listens


class Steerable(abc.ABC):
    """Be the part of a run by which it is steered.

    Attributes:
        name: the run's name.
        control: the commands that the training thread has not taken yet.
        stop_reason: why the run was asked to stop, or None.
        training_thread: the thread that trains, once it does.
        hand_over: returns a kept state of at most so many steps; for callbacks, in that thread.
    """

    def __init__(self, name: str) -> None:
        """Begin without any command."""
        self.name = name
        self.control = Control(name)
        self.stop_reason: str | None = None
        self.training_thread: threading.Thread | None = None
        self.hand_over: Callable[[int | None], Any] | None = None

    def pause(self) -> None:
        """Have the run stand still after the steps under way; it costs no computation then."""
        self.obeyed(self.control.ask("pause"))

    def resume(self) -> None:
        """Have a paused run go on."""
        self.obeyed(self.control.ask("resume"))

    def stop(self, reason: str = "stopped by hand") -> None:
        """Ask the run to stop after the steps under way; what was learnt stays."""
        if self.stop_reason is None:
            self.stop_reason = reason
            try:
                self.control.ask("stop", reason)
            except TrainingError:  # it has ended, as was wanted
                return

    def set(self, **knobs: float | None) -> None:
        """Change knobs of the training, from the next chunk of steps on.

        Args:
            **knobs: `lr`: the learning rate, a positive number; `clip`: the norm that gradients are
                cut down to, a positive number, or None for no clipping.

        Raises:
            UnknownNameError: there is no such knob.
            OptionError: the value is no positive, finite number.
            TrainingError: the run has ended.
        """
        commands = [self.control.ask(*knob) for knob in checked_knobs(knobs).items()]
        for command in commands:
            self.obeyed(command)

    def checkpoint(self) -> int | None:
        """Write a checkpoint of the present state.

        Returns:
            Its step; None where the call does not wait for it (in a callback).

        Raises:
            WorkspaceError: it cannot be written.
        """
        return self.obeyed(self.control.ask("checkpoint"))

    def rollback(self, step: int) -> int | None:
        """Go back to the newest kept state of at most `step` steps, and train on from there.

        Args:
            step: how many steps are to stay.

        Returns:
            The step that was gone back to; None where the call does not wait (in a callback).

        Raises:
            OptionError: no state that early is kept.
        """
        return self.obeyed(self.control.ask("rollback", step))

    @abc.abstractmethod
    def fork(self, step: int | None = None, **changes: Any) -> "Run":  # noqa: ANN401 - train's options
        """Train on from a state of this run, with changes, on a copy of the model."""

    def obeyed(self, command: Command) -> Any:  # noqa: ANN401 - what came of it
        """Return what came of a command, unless it must not be waited for here."""
        if source() == "button" or threading.current_thread() is self.training_thread:
            return None
        try:
            return command.outcome.result(_PATIENCE_S)
        except TooLong:
            return None
