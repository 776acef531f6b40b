"""Which rows make which batch: a function of the seed and the step alone.

A step number fixes its epoch, the epoch and the seed fix a permutation, so a run that is resumed,
forked or repeated sees the same batches in the same order without any stored position.
"""

import dataclasses
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
    """

    first: int
    seed: int
    indices: Array
    counts: Array

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
        shuffled = np.random.default_rng((self.seed, epoch)).permutation(self.size)
        padded = np.zeros(self.steps_per_epoch * self.batch, dtype=np.int32)
        padded[: self.size] = shuffled
        return padded.reshape(self.steps_per_epoch, self.batch)

    def rows(self, first: int, count: int) -> Rows:
        """Return the rows of the steps `first` up to `first + count`, counted from 0.

        >>> batches = Batches(size=10, batch=4, seed=0)
        >>> batches.rows(1, 3).counts.tolist()
        [4, 2, 4]
        """
        per_epoch = self.steps_per_epoch
        none = np.zeros((0, self.batch), dtype=np.int32)
        parts = [
            self.order(epoch)[
                max(first - epoch * per_epoch, 0) : max(first + count - epoch * per_epoch, 0)
            ]
            for epoch in range(first // per_epoch, (first + count - 1) // per_epoch + 1)
        ]
        last = self.size - (per_epoch - 1) * self.batch
        steps = np.arange(first, first + count) % per_epoch
        counts = np.where(steps == per_epoch - 1, last, self.batch).astype(np.int32)
        return Rows(
            first=first, seed=self.seed, indices=np.concatenate([none, *parts]), counts=counts
        )
