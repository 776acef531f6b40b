"""How the loop obeys: between two chunks it takes the commands that were given, and says so."""

import abc
import bisect
import time
from collections.abc import Callable
from typing import Any

from maasnb.backends.protocol import Program
from maasnb.errors import MaasError, WorkspaceError
from maasnb.events import Intervened, Warned
from maasnb.records.checkpoints import Mark
from maasnb.records.control import KNOBS, Command
from maasnb.records.run import Run
from maasnb.training.interventions import Schedule
from maasnb.training.keeping import Keeper

__all__ = ["Obeying"]


class Obeying(abc.ABC):
    """Be the part of the loop that is steered."""

    _keeper: Keeper
    _state: Any

    def __init__(
        self, run: Run, program: Program, lr: float, clip: float | None, schedule: Schedule
    ) -> None:
        """Take the run, the knobs it begins with, and what is known to come."""
        self._run = run
        self._program = program
        self._lr = lr
        self._clip = clip
        self._step = 0
        self._schedule = schedule
        self._paused = False
        self._stopped_for: str | None = None
        self._knobs: list[tuple[int, float, float | None]] = [(0, lr, clip)]
        run.knobs = {"lr": lr, "clip": clip}

    @abc.abstractmethod
    def _read_pending(self) -> None:
        """Read what is still on the device, so that all is known up to the present step."""

    def _knobs_at(self, step: int) -> tuple[float, float | None]:
        """Return the learning rate and the clipping that a step was or would be taken with."""
        number = bisect.bisect_right(self._knobs, step, key=lambda knobs: knobs[0])
        _, lr, clip = self._knobs[max(number - 1, 0)]
        return lr, clip

    def _mark(self) -> Mark:
        self._read_pending()
        return Mark(
            step=self._step,
            log_bytes=self._run.record.log_bytes,
            knobs={"lr": self._lr, "clip": self._clip},
            seconds=self._run.seconds,
        )

    def _warn(self, words: str) -> None:
        self._run.emit(Warned(step=self._step, time=time.time(), message=words))

    def _obey(self) -> None:
        """Do what was asked; while the run is paused, wait for more."""
        self._repeat()
        while True:
            if self._run.control.waiting:
                self._read_pending()
                for command in self._run.control.take():
                    self._do(command)
            if not self._paused or self._stopped_for is not None:
                return
            self._run.control.wait()

    def _repeat(self) -> None:
        """Do what an earlier run is known to have done at this step."""
        if self._schedule.is_returned_to(self._step):
            self._keeper.keep_return(self._mark(), self._state)
        while commands := self._schedule.due(self._step):
            self._read_pending()
            for command in commands:
                self._do(command)

    def _do(self, command: Command) -> None:
        actions: dict[str, Callable[[Command], object]] = {
            "pause": self._pause,
            "resume": self._go_on,
            "stop": self._stop,
            "checkpoint": self._checkpoint,
            "rollback": self._roll_back,
            "fork": self._hand_over,
            **dict.fromkeys(KNOBS, self._set),
        }
        try:
            outcome = actions[command.action](command)
        except MaasError as error:
            if command.source in ("callback", "button", "replay"):  # nobody waits for the outcome
                self._warn(f"{command.action} was refused: {error}")
            command.outcome.set_exception(error)
        else:
            command.outcome.set_result(outcome)

    def _say(self, command: Command, value: float | str | None) -> None:
        self._run.emit(
            Intervened(
                step=self._step,
                time=time.time(),
                action=command.action,
                value=value,
                source=command.source,
            )
        )

    def _pause(self, command: Command) -> None:
        if not self._paused:
            self._paused = True
            self._program.update(self._state)
            self._run.stand_still(paused=True)
            self._say(command, None)

    def _go_on(self, command: Command) -> None:
        if self._paused:
            self._paused = False
            self._run.stand_still(paused=False)
            self._say(command, None)

    def _stop(self, command: Command) -> None:
        if self._stopped_for is None:
            self._stopped_for = str(command.value)
            self._say(command, self._stopped_for)

    def _set(self, command: Command) -> None:
        if command.action == "clip":
            self._clip = None if command.value is None else float(command.value)
        else:
            self._lr = float(command.value)
        self._note_knobs()
        self._say(command, command.value)

    def _note_knobs(self) -> None:
        earlier = [knobs for knobs in self._knobs if knobs[0] < self._step]
        self._knobs = [*earlier, (self._step, self._lr, self._clip)]
        self._run.knobs = {"lr": self._lr, "clip": self._clip}

    def _checkpoint(self, command: Command) -> int:
        kept = self._keeper.keep(self._mark(), self._state)
        if self._keeper.checkpoint(kept).result() is None:
            message = self._keeper.complaint() or "The checkpoint could not be written."
            self._warn(message)
            raise WorkspaceError(message)
        self._say(command, None)
        return self._step

    def _roll_back(self, command: Command) -> int:
        found = self._keeper.find(command.value)
        self._state = found.state(self._program, self._state)
        step = found.mark.step
        self._say(command, step)
        self._step = step
        self._run.go_back_to(step)
        self._note_knobs()
        self._keeper.go_back(found, self._state)
        self._keeper.forget_loss_after(self._run.history.validated)
        if self._paused:
            self._program.update(self._state)
        return step

    def _hand_over_inside(self, step: int | None) -> tuple[Mark, Any]:
        """Give a kept state to a fork that a callback makes, while an event is being told."""
        found = self._keeper.find(step)
        self._run.emit(
            Intervened(
                step=self._run.steps,
                time=time.time(),
                action="fork",
                value=found.mark.step,
                source="callback",
            )
        )
        return found.mark, found.arrays(self._program)

    def _hand_over(self, command: Command) -> tuple[Mark, Any]:
        """Give a state to a fork, which is made in the thread that asked for it."""
        if command.value is None:
            self._keeper.keep(self._mark(), self._state)
        found = self._keeper.find(command.value)
        self._say(command, found.mark.step)
        return found.mark, found.arrays(self._program)
