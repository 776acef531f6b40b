"""Copies of good states, and the way back to the last one when a loss is no longer finite."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from maasnb.backends.protocol import Program, Statistics
from maasnb.records.checkpoints import Mark
from maasnb.training.feeding import Feed

__all__ = ["KeptState", "KeptStates"]

_KEEP_EVERY_S = 1.0
_KEEP_SHARE = 0.01  # the part of the time that keeping states may take


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KeptState:
    """Hold a copy of a state, on the device, and where in the run it was."""

    mark: Mark
    copy: Any


class KeptStates:
    """Keep copies of the two latest good states, from which later steps can be repeated."""

    def __init__(self, program: Program, mark: Mark, state: Any) -> None:  # noqa: ANN401 - opaque
        """Copy the state before the first step."""
        self._program = program
        self._copies = [KeptState(mark=mark, copy=program.keep(state))]
        self._at = time.perf_counter()
        self._interval_s = _KEEP_EVERY_S

    @property
    def copies(self) -> tuple[KeptState, ...]:
        """Return the copies, the newest last."""
        return tuple(self._copies)

    def is_due(self) -> bool:
        """Say whether it is time for another copy."""
        return time.perf_counter() - self._at >= self._interval_s

    def renew(self, mark: Mark, state: Any, is_needed: Callable[[KeptState], bool]) -> KeptState:  # noqa: ANN401 - opaque
        """Copy a state all of whose losses were finite, where it can over one that is dropped.

        Args:
            mark: where the run is.
            state: its state.
            is_needed: says whether somebody else still needs a copy that is dropped here.
        """
        began = time.perf_counter()
        older = [copy for copy in self._copies if copy.mark.step < mark.step]
        dropped = [*older[:-1], *(copy for copy in self._copies if copy.mark.step >= mark.step)]
        free = next((copy.copy for copy in dropped if not is_needed(copy)), None)
        kept = KeptState(mark=mark, copy=self._program.keep(state, free))
        self._copies = [*older[-1:], kept]
        self._at = time.perf_counter()
        self._interval_s = max(_KEEP_EVERY_S, (self._at - began) / _KEEP_SHARE)
        return kept

    def replay(
        self,
        bad_step: int,
        feed: Feed,
        knobs_at: Callable[[int], tuple[float, float | None]],
    ) -> tuple[Any, int, str | None]:
        """Return the last good state, its step, and the parameter that went bad first.

        The newest copy may itself be bad: a step can have a finite loss and yet leave NaN behind.
        Then the one before it is taken. Where a stream cannot be gone through again, the newest
        copy without NaN is the last good state that is known.
        """
        if not feed.can_go_to(self._copies[0].mark.step):
            return self._newest_finite()
        good, step, culprit = None, 0, None
        for kept in reversed(self._copies):
            good, step, culprit = kept.copy, kept.mark.step, None
            state = self._program.revert(kept.copy)
            while step <= bad_step:
                placed, rows = feed.take(step, 1)
                state, losses, statistics = self._program.statistics(
                    state, placed, rows, *knobs_at(step)
                )
                found = self._program.host_statistics(statistics)
                culprit = _first_not_finite(found)
                if culprit or not math.isfinite(self._program.host(losses).means[0]):
                    break
                good, step = self._program.keep(state), step + 1
            if step > kept.mark.step:
                break
        return self._program.revert(good), step, culprit

    def _newest_finite(self) -> tuple[Any, int, str | None]:
        kept = self._copies[-1]
        arrays = self._program.arrays(kept.copy).values()
        if not all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f"):
            kept = self._copies[0]
        return self._program.revert(kept.copy), kept.mark.step, None


def _first_not_finite(statistics: Statistics) -> str | None:
    for norms in (statistics.gradient_norm, statistics.update_ratio):
        for name, value in norms.items():
            if not math.isfinite(value):
                return name
    return None
