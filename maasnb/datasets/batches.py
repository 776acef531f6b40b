"""Which rows make which batch: a function of the seed and the step alone.

A step number fixes its epoch, the epoch and the seed fix a permutation, so a run that is resumed,
forked or repeated sees the same batches in the same order without any stored position.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

__all__ = ["Batches", "Rows"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Name the rows of the batches of successive steps.

    Attributes:
        first: the number of the first step, counted from 0.
        seed: the run's seed, from which a step's random numbers follow.
        indices: row numbers [steps, batch], int32; past a batch's count they repeat row 0.
        counts: how many rows of each batch are real, [steps], int32.
        examples: the rows of the training split that they were made of [steps, batch], where the
            indices are those of examples that were changed and put together for these steps alone.
    """

    first: int
    seed: int
    indices: Array
    counts: Array
    examples: Array | None = None

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.indices)

    def at(self, number: int) -> "Rows":
        """Return the rows of one of the steps, counted from 0."""
        part = slice(number, number + 1)
        return Rows(self.first + number, self.seed, self.indices[part], self.counts[part])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Cut a split of `size` rows into batches, shuffled anew in each epoch.

    Attributes:
        size: the number of rows.
        batch: the number of rows a batch; the last batch of an epoch may have fewer.
        seed: fixes the order.
    """

    size: int
    batch: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches in one pass over the rows."""
        return -(-self.size // self.batch)

    @property
    def ragged(self) -> bool:
        """Say whether the last batch of an epoch has fewer rows than the others."""
        return self.size % self.batch != 0

    def order(self, epoch: int) -> Array:
        """Return the rows of one epoch, [steps_per_epoch, batch] int32, padded with row 0."""
        return _order(self.size, self.batch, self.seed, epoch)

    def rows(self, first: int, count: int) -> Rows:
        """Return the rows of the steps `first` up to `first + count`, counted from 0.

        >>> batches = Batches(size=10, batch=4, seed=0)
        >>> batches.rows(1, 3).counts.tolist()
        [4, 2, 4]
        """
        per_epoch = self.steps_per_epoch
        epochs = range(first // per_epoch, max(first + count - 1, first) // per_epoch + 1)
        parts = [
            self.order(epoch)[
                max(first - epoch * per_epoch, 0) : max(first + count - epoch * per_epoch, 0)
            ]
            for epoch in epochs
        ]
        indices = parts[0] if len(parts) == 1 else np.concatenate(parts)
        counts = np.full(count, self.batch, dtype=np.int32)
        ends = np.arange(per_epoch - 1 - first % per_epoch, count, per_epoch)
        counts[ends] = self.size - (per_epoch - 1) * self.batch
        return Rows(first=first, seed=self.seed, indices=indices, counts=counts)


@functools.lru_cache(maxsize=4)
def _order(size: int, batch: int, seed: int, epoch: int) -> Array:
    """Return one epoch's rows; kept, because every chunk of the epoch asks for them."""
    shuffled = np.random.default_rng((seed, epoch)).permutation(size)
    padded = np.zeros(-(-size // batch) * batch, dtype=np.int32)
    padded[:size] = shuffled
    padded.flags.writeable = False
    return padded.reshape(-1, batch)
