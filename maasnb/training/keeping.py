"""Which states of a run are kept: in memory for a way back, on the disk for another process."""

import dataclasses
import math
import time
from typing import Any

from maasnb.backends.protocol import Program
from maasnb.errors import OptionError, WorkspaceError
from maasnb.events import Validated
from maasnb.records.checkpoints import Arrays, Checkpoints, Mark, read_checkpoint
from maasnb.records.run import Run
from maasnb.training.recovery import KeptState, KeptStates

__all__ = ["Found", "Keeper"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hold a state that can be gone back to: a copy on the device, or arrays from the disk."""

    mark: Mark
    kept: KeptState | None = None
    stored: Arrays | None = None

    def state(self, program: Program, present: Any) -> Any:  # noqa: ANN401 - opaque
        """Return it as a state to train on from."""
        if self.kept is not None:
            return program.revert(self.kept.copy)
        return program.restore(present, self.stored or {})

    def arrays(self, program: Program) -> Arrays:
        """Return it as arrays of its own: the copy may be written over meanwhile."""
        if self.kept is None:
            return self.stored or {}
        return {name: array.copy() for name, array in program.arrays(self.kept.copy).items()}


class Keeper:
    """Keep the states of one run; used by its training thread only."""

    def __init__(
        self, run: Run, program: Program, checkpoint_s: float, checkpoint_steps: int | None = None
    ) -> None:
        """Take the run, and how often a checkpoint is written; nothing is kept yet."""
        self._folder = run.folder
        self._program = program
        self._interval_s = checkpoint_s
        self._interval_steps = checkpoint_steps
        self._written_step: int | None = None
        self._written_at = time.perf_counter()
        self._best: KeptState | None = None
        self._best_loss = math.inf
        self._returns: dict[int, KeptState] = {}
        self._writing: list[tuple[KeptState, Any]] = []
        about = {
            "mode": program.mode,
            "data": run.data.fingerprint,
            "model": str(run.record.summary.get("structure", "")),
            run.backend.name: run.backend.version(),
        }
        self._checkpoints = Checkpoints(run.folder, about, run.record.sync)

    def begin(self, mark: Mark, state: Any, earlier: list[Validated], first: int) -> None:  # noqa: ANN401 - opaque
        """Keep what the run begins with.

        Args:
            mark: where the run is.
            state: its state.
            earlier: the validations before.
            first: the step of the run's very first checkpoint, which always stays.
        """
        self._states = KeptStates(self._program, mark, state)
        best = min(earlier, key=lambda event: event.metrics["loss"], default=None)
        if best is not None:
            self._best_loss = best.metrics["loss"]
        on_disk = best is not None and best.step in self._checkpoints.steps
        self._checkpoints.pin(first=first, best=best.step if best and on_disk else None)
        if mark.step == first and first not in self._checkpoints.steps:
            self._write(self._states.copies[-1], first=True)

    def is_due(self, step: int) -> bool:
        """Say whether it is time to keep the state after a step."""
        return self._states.is_due() or self._checkpoint_is_due(step)

    def steps_left(self, step: int) -> float:
        """Return how many steps there are to the next checkpoint, where those are counted."""
        every = self._interval_steps
        return math.inf if every is None else every - step % every

    def keep(self, mark: Mark, state: Any) -> KeptState:  # noqa: ANN401 - opaque
        """Keep a good state in memory, and on the disk when it is time for that."""
        kept = self._states.renew(mark, state, self._is_needed)
        if self._checkpoint_is_due(mark.step):
            self.checkpoint(kept)
        return kept

    def keep_return(self, mark: Mark, state: Any) -> None:  # noqa: ANN401 - opaque
        """Keep a state that the run is known to go back to."""
        self._returns[mark.step] = self._states.renew(mark, state, self._is_needed)

    def checkpoint(self, kept: KeptState) -> Any:  # noqa: ANN401 - a Future of a path
        """Have a kept state written, and before it the best one if that is not there yet."""
        self._written_at, self._written_step = time.perf_counter(), kept.mark.step
        if self._best is not None:
            self._write(self._best, best=True)
            self._best = None
        return self._write(kept)

    def is_best(self, loss: float) -> bool:
        """Say whether a validation's loss is the best one so far."""
        return loss < self._best_loss

    def keep_best(self, loss: float, mark: Mark, state: Any) -> None:  # noqa: ANN401 - opaque
        """Keep the state with the best validation so far."""
        self._best_loss = loss
        self._best = KeptState(mark=mark, copy=self._program.keep(state))

    def find(self, step: int | None) -> Found:
        """Return the newest kept state of at most `step` steps.

        Raises:
            OptionError: there is none, or `step` is no step.
        """
        if step is not None and (isinstance(step, bool) or not isinstance(step, int) or step < 0):
            message = f"step={step!r} cannot be used; expected a whole number of at least 0."
            raise OptionError(message)
        limit = math.inf if step is None else step
        copies = [*self._states.copies, *self._returns.values()]
        copies += [self._best] if self._best is not None else []
        memory = {kept.mark.step: kept for kept in copies}
        known = sorted({*memory, *self._checkpoints.steps})
        for each in reversed([each for each in known if each <= limit]):
            if each in memory:
                return Found(mark=memory[each].mark, kept=memory[each])
            try:
                stored = read_checkpoint(self._folder, each)
            except WorkspaceError:  # damaged: the one before it serves
                continue
            return Found(mark=stored.mark, stored=stored.arrays)
        message = f"No state of at most {step} steps is kept. Kept: {', '.join(map(str, known))}."
        raise OptionError(message)

    def go_back(self, found: Found, state: Any) -> None:  # noqa: ANN401 - opaque
        """Forget everything after a state that the run went back to."""
        step = found.mark.step
        self._states = KeptStates(self._program, found.mark, state)
        self._returns = {each: kept for each, kept in self._returns.items() if each <= step}
        if self._best is not None and self._best.mark.step > step:
            self._best = None
        if step not in self._checkpoints.steps:
            self._write(self._states.copies[-1])
        self._checkpoints.forget_after(step)

    def forget_loss_after(self, validated: list[Validated]) -> None:
        """Take the best loss from the validations that are left."""
        losses = [event.metrics["loss"] for event in validated]
        self._best_loss = min(losses, default=math.inf)

    def complaint(self) -> str:
        """Return, once, why a checkpoint could not be written; empty where all is well."""
        return self._checkpoints.complaint()

    def newest(self) -> KeptState:
        """Return the newest copy in memory."""
        return self._states.copies[-1]

    def replay(self, *arguments: Any) -> tuple[Any, int, str | None]:  # noqa: ANN401 - as KeptStates.replay
        """Return the last good state, its step, and the parameter that went bad first."""
        return self._states.replay(*arguments)

    def close(self) -> None:
        """Wait for all writes."""
        self._checkpoints.close()

    def _checkpoint_is_due(self, step: int) -> bool:
        if self._interval_steps is not None:
            return step % self._interval_steps == 0 and step not in (0, self._written_step)
        waited = time.perf_counter() - self._written_at
        return waited >= self._interval_s and not self._checkpoints.busy

    def _is_needed(self, kept: KeptState) -> bool:
        """Say whether a copy is being written, is the best one, or will be gone back to."""
        self._writing = [each for each in self._writing if not each[1].done()]
        needed = [each for each, _ in self._writing]
        needed += [*self._returns.values(), *([] if self._best is None else [self._best])]
        return any(each is kept for each in needed)

    def _write(self, kept: KeptState, *, first: bool = False, best: bool = False) -> Any:  # noqa: ANN401 - a Future of a path
        program = self._program
        written = self._checkpoints.write(
            kept.mark, lambda: program.arrays(kept.copy), first=first, best=best
        )
        self._writing.append((kept, written))
        return written
