"""Shadows: a copy of a request answered by another version, compared, and never returned.

One worker answers the copies, one at a time, after the requests themselves were answered. Where it
has as many to do as it takes, further copies are dropped: a shadow may slow nothing down.
"""

import asyncio
import collections
import contextlib
import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.errors import ArtifactError
from maasnb.metrics import classes_of
from maasnb.runtimes.protocol import Array
from maasnb.serve.models import LoadedModel, Models

__all__ = ["Shadows"]

LOG = logging.getLogger(__name__)

MOST_WAITING = 64
MOST_NUMBERS = 1 << 22
"""How many copies, and how many numbers in them together, may wait."""


@dataclasses.dataclass(slots=True)
class _Counts:
    """Count how a version's answers differ from those that were given."""

    requests: int = 0
    rows: int = 0
    dropped: int = 0
    failed: int = 0
    disagreements: int = 0
    largest_difference: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Copy:
    name: str
    version: int
    shadow: int
    inputs: Mapping[str, Array]
    answers: Mapping[str, Array]

    @property
    def numbers(self) -> int:
        return sum(array.size for array in (*self.inputs.values(), *self.answers.values()))


class Shadows:
    """The shadows of the models that are served here."""

    def __init__(self, models: Models) -> None:
        """Take the models."""
        self._models = models
        self._counts: dict[tuple[str, int, int], _Counts] = {}
        self._waiting: collections.deque[_Copy] = collections.deque()
        self._numbers = 0
        self._more = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()

    def observe(
        self,
        name: str,
        version: int,
        shadow: int,
        inputs: Mapping[str, Array],
        answers: Mapping[str, Array],
    ) -> None:
        """Take a copy of a request that was answered; costs microseconds and never waits.

        Args:
            name: the model's name.
            version: the version that answered.
            shadow: the version that is to answer the copy.
            inputs: the raw arrays by input name, as that model takes them.
            answers: the arrays that were answered, by output name.
        """
        counts = self._counts.setdefault((name, version, shadow), _Counts())
        copy = _Copy(name, version, shadow, inputs, answers)
        full = len(self._waiting) >= MOST_WAITING or self._numbers + copy.numbers > MOST_NUMBERS
        if full and self._waiting:
            counts.dropped += 1
            return
        self._waiting.append(copy)
        self._done.clear()
        self._numbers += copy.numbers
        self._more.set()

    async def work(self) -> None:
        """Answer and compare copies until cancelled."""
        while True:
            await self._more.wait()
            if not self._waiting:
                self._more.clear()
                self._done.set()
                continue
            copy = self._waiting.popleft()
            self._numbers -= copy.numbers
            counts = self._counts[copy.name, copy.version, copy.shadow]
            try:
                loaded = await self._models.get(copy.name, copy.shadow)
                await asyncio.to_thread(_compare, copy, loaded, counts)
            except Exception as error:  # noqa: BLE001 - a shadow that fails is counted, no more
                counts.failed += 1
                if counts.failed == 1:
                    LOG.warning(
                        "Version %d of %r fails as shadow: %s", copy.shadow, copy.name, error
                    )

    async def settle(self, longest_s: float) -> None:
        """Wait until the copies that were taken are compared, at most so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), longest_s)

    def counted(self, name: str) -> list[dict[str, Any]]:
        """Return what was compared here of a model, by pair of versions, as JSON data.

        Each row holds `version` and `shadow`, and counts the `requests` and their `rows` that both
        answered, `dropped` and `failed` copies, the rows whose classes differ as `disagreements`,
        and the `largest_difference` of a number.
        """
        return [
            {"version": version, "shadow": shadow, **dataclasses.asdict(counts)}
            for (model, version, shadow), counts in sorted(self._counts.items())
            if model == name
        ]


def _compare(copy: _Copy, loaded: LoadedModel, counts: _Counts) -> None:
    answers = loaded.served.answer(copy.inputs)
    for name, given in copy.answers.items():
        found = answers[name]
        if loaded.manifest.task.kind == "classification":
            counts.disagreements += int(np.sum(classes_of(found) != classes_of(given)))
        with np.errstate(all="ignore"):
            gap = float(np.max(np.abs(found.astype(np.float64) - given), initial=0.0))
        if not np.isfinite(gap):
            message = f"its output {name!r} holds NaN or infinite values"
            raise ArtifactError(message)
        counts.largest_difference = max(counts.largest_difference, gap)
        counts.rows += len(given)
    counts.requests += 1
