"""What a step is fed with: rows of arrays on the device, or batches of a stream, read ahead.

Arrays are put on the device once, and a step names its rows. Where examples are augmented, those of
a chunk are changed on the host and put on the device as they are needed. A stream's batches are
read by a thread of their own, joined to chunks and put on the device as they come; a step then
names the rows of its chunk, so that a compiled step cannot tell these from the others.
"""

import abc
import dataclasses
import itertools
import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from maasnb.backends.protocol import Program
from maasnb.datasets.augmentation import augmented
from maasnb.datasets.batches import Batches, Rows
from maasnb.datasets.loading import Data
from maasnb.datasets.streams import Batch, Stream
from maasnb.errors import DataError
from maasnb.parts import count, joined, padded, taken

__all__ = ["ArrayFeed", "AugmentedFeed", "Feed", "StreamFeed", "make_feed"]

_AHEAD = 16  # batches that are read ahead
_PATIENCE_S = 0.1


class Feed(abc.ABC):
    """Give each step its batch.

    Attributes:
        longest: how many steps a chunk may have at the most.
    """

    longest: int

    @abc.abstractmethod
    def take(self, step: int, steps: int) -> tuple[Any, Rows]:
        """Return the batches of successive steps, on the device.

        Args:
            step: the number of the first step.
            steps: how many are wanted; a stream may give fewer, and none at its end.

        Raises:
            DataError: the stream failed, or a batch is none; names the batch.
        """

    def can_go_to(self, step: int) -> bool:  # noqa: ARG002 - a stream asks for it
        """Say whether the batches of an earlier step can be had again."""
        return True

    @abc.abstractmethod
    def close(self) -> None:
        """End what was begun."""


class ArrayFeed(Feed):
    """Name rows of a split that is on the device."""

    def __init__(self, program: Program, data: Data, batches: Batches) -> None:
        """Put the split on the device."""
        self._placed = program.place(data.train.inputs, data.train.targets)
        self._batches = batches
        self.longest = program.longest_chunk(self._placed, batches.batch)

    def take(self, step: int, steps: int) -> tuple[Any, Rows]:
        """Return the split, and the rows of the steps."""
        return self._placed, self._batches.rows(step, steps)

    def close(self) -> None:
        """End nothing."""


class AugmentedFeed(Feed):
    """Change the examples of each step anew, and put them on the device a chunk at a time."""

    def __init__(self, program: Program, data: Data, batches: Batches) -> None:
        """Take the split, which stays on the host."""
        self._program, self._data, self._batches = program, data, batches
        two = slice(0, 2)
        first = program.place(taken(data.train.inputs, two), taken(data.train.targets, two))
        self.longest = _power_of_two(program.longest_chunk(first, batches.batch))

    def take(self, step: int, steps: int) -> tuple[Any, Rows]:
        """Return changed examples, the same for a step whenever it is asked for."""
        data, train = self._data, self._data.train
        # A few lengths only, because each is compiled for itself.
        rows = self._batches.rows(step, _power_of_two(min(steps, self.longest)))
        inputs = [
            augmented(
                data.augment,
                taken(train.x, chosen),
                data.recipe,
                data.features,
                (self._batches.seed, step + number),
            )
            for number, chosen in enumerate(rows.indices)
        ]
        indices = np.arange(rows.indices.size, dtype=np.int32).reshape(rows.indices.shape)
        targets = taken(train.targets, rows.indices.reshape(-1))
        changed = dataclasses.replace(rows, indices=indices, examples=rows.indices)
        return self._program.place(joined(inputs), targets), changed

    def close(self) -> None:
        """End nothing."""


class _Reader:
    """Read a stream ahead, in a thread of its own, from a step on."""

    def __init__(self, stream: Stream, batches: Iterator[list[Batch]]) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._ended = threading.Event()
        self._batches = batches
        self._thread = threading.Thread(
            target=self._read, name=f"maasnb stream {type(stream.source).__name__}", daemon=True
        )
        self._thread.start()

    def next(self) -> list[Batch] | None:
        """Return a step's batches, or None at the stream's end.

        Raises:
            DataError: reading failed.
        """
        item = self._queue.get()
        if isinstance(item, BaseException):
            self._queue.put(item)  # for whoever asks again
            raise item
        if item is None:
            self._queue.put(None)
        return item

    def close(self) -> None:
        """End the reading; waits for the batch that is being read."""
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            for item in self._batches:
                if not self._put(item):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the batch has it
            self._put(error)

    def _put(self, item: Any) -> bool:  # noqa: ANN401 - batches, an error, or the end
        while not self._ended.is_set():
            try:
                self._queue.put(item, timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return True
        return False


class StreamFeed(Feed):
    """Read batches ahead and put them on the device, a chunk at a time."""

    def __init__(
        self, program: Program, data: Data, stream: Stream, batches: Batches, accumulate: int
    ) -> None:
        """Take the stream; reading begins with the first step that is asked for."""
        self._program = program
        self._stream = stream
        self._seed = batches.seed
        self._accumulate = accumulate
        self._rows = batches.batch // accumulate  # of a batch, where a table is asked for them
        self._batch = batches.batch if stream.sized else count(data.train.inputs) * accumulate
        first = program.place(data.train.inputs, data.train.targets)
        self.longest = _power_of_two(program.longest_chunk(first, self._batch))
        self._next = 0
        self._reader: _Reader | None = None

    def can_go_to(self, step: int) -> bool:
        """Say whether the stream can be begun anew, or has not come so far yet."""
        return not self._stream.once or step >= self._next

    def take(self, step: int, steps: int) -> tuple[Any, Rows]:
        """Return a chunk of the batches that come next, padded to whole ones."""
        if self._reader is None or (step != self._next and self.can_go_to(step)):
            self._begin_at(step)
        assert self._reader is not None
        found: list[tuple[Batch, int]] = []
        while len(found) < _power_of_two(min(steps, self.longest)):
            try:
                several = self._reader.next()
            except DataError:
                if found:  # those that came before it are trained first; it is raised again then
                    break
                raise
            if several is None:
                break
            inputs, targets = (joined(parts) for parts in zip(*several, strict=True))
            found.append(((inputs, targets), count(inputs)))
        self._next = step + len(found)
        if not found:
            return None, Rows(
                step, self._seed, np.zeros((0, self._batch), np.int32), np.zeros(0, np.int32)
            )
        counts = np.array([rows for _, rows in found], np.int32)
        self._batch = max(self._batch, int(counts.max()))
        inputs, targets = (
            joined([padded(batch[side], self._batch) for batch, _ in found]) for side in (0, 1)
        )
        indices = np.arange(len(found) * self._batch, dtype=np.int32).reshape(len(found), -1)
        return self._program.place(inputs, targets), Rows(step, self._seed, indices, counts)

    def close(self) -> None:
        """End the reading."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _begin_at(self, step: int) -> None:
        """Read from a step on; what comes before it is read and left out."""
        done = self._next if self._stream.once and self._reader is not None else 0
        self.close()
        skipped = (step - done) * self._accumulate
        length = None if self._stream.once else self._stream.length(self._rows)
        epoch = skipped // length if length else 0
        if length:
            skipped -= epoch * length
        several = itertools.islice(self._batches(epoch), skipped, None)
        self._reader = _Reader(self._stream, _grouped(several, self._accumulate))
        self._next = step

    def _batches(self, epoch: int) -> Iterator[Batch]:
        while True:
            empty = True
            for batch in self._stream.epoch(epoch, self._rows):
                empty = False
                yield batch
            if self._stream.once or empty:  # an empty pass would go on for ever
                return
            epoch += 1


def make_feed(program: Program, data: Data, batches: Batches, accumulate: int) -> Feed:
    """Return what feeds a run on this data."""
    if data.stream is not None:
        return StreamFeed(program, data, data.stream, batches, accumulate)
    if data.augment:
        return AugmentedFeed(program, data, batches)
    return ArrayFeed(program, data, batches)


def _grouped(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    while several := list(itertools.islice(batches, size)):
        yield several


def _power_of_two(number: int) -> int:
    return 1 << (max(number, 1).bit_length() - 1)
