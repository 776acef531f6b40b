"""The loss of each training example over the epochs: which ones a model finds hard."""

from typing import Any

import numpy as np

__all__ = ["ExampleLosses"]

Array = np.ndarray[Any, np.dtype[Any]]


class ExampleLosses:
    """Gather what each example's loss was each time the model was trained on it.

    Attributes:
        count: how often each example was seen [n], int32.
        first: its loss the first time [n], float32; NaN while it was not seen.
        last: its loss the last time [n], float32; likewise.
    """

    def __init__(self, examples: int) -> None:
        """Begin with no example seen."""
        self.count = np.zeros(examples, np.int32)
        self.first = np.full(examples, np.nan, np.float32)
        self.last = np.full(examples, np.nan, np.float32)
        self._total = np.zeros(examples, np.float64)

    def add(self, rows: Array, losses: Array) -> None:
        """Take a batch's losses into account.

        Args:
            rows: the numbers of the examples [batch], each once.
            losses: their losses [batch].
        """
        new = rows[self.count[rows] == 0]
        self.last[rows] = losses
        self.first[new] = self.last[new]
        self.count[rows] += 1
        self._total[rows] += losses

    @property
    def mean(self) -> Array:
        """Return each example's mean loss over the times it was seen [n], float32; NaN if never.

        >>> losses = ExampleLosses(2)
        >>> losses.add(np.array([1]), np.array([3.0]))
        >>> losses.add(np.array([1]), np.array([1.0]))
        >>> losses.mean.tolist()
        [nan, 2.0]
        """
        seen = np.where(self.count > 0, self.count, 1)
        mean = np.where(self.count > 0, self._total / seen, np.nan)
        return mean.astype(np.float32)
