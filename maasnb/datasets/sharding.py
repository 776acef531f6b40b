"""Data of shards: read a file at a time as they are trained on, shuffled by shard and within each.

A shard that was read stays unpacked in memory as long as there is room, so that a set which fits is
unpacked once.
"""

import collections
import copy
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, cast, get_args

import numpy as np

from maasnb.datasets.oversampling import how_many_more, repeated_rows
from maasnb.datasets.recipes import Recipe
from maasnb.datasets.shards import (
    FIRST_ROWS,
    INDEX,
    SPLITS,
    Index,
    Shard,
    read_index,
    read_shard,
)
from maasnb.datasets.splits import Data, Split, as_target, prepare, taken_split
from maasnb.datasets.streams import Batch, Stream
from maasnb.errors import DataError, MaasError, OptionError
from maasnb.tasks import Kind

__all__ = ["ShardStream", "data_of_shards", "has_shards"]

Array = np.ndarray[Any, np.dtype[Any]]

CACHE_BYTES = 128 << 20
"""So much of what was unpacked stays in memory."""
HELD_BYTES = 64 << 20
"""So much of each of validation and test is read whole; the rest of a larger one is left out."""


def has_shards(folder: Path) -> bool:
    """Say whether a folder holds shards, or some that were not written to the end."""
    return (folder / INDEX).exists() or any(folder.glob("train-*.safetensors*"))


class ShardStream(Stream):
    """Give the batches of each epoch from shards, in an order that follows from seed and epoch."""

    def __init__(
        self, folder: Path, index: Index, recipe: Recipe, seed: int, counts: Array | None
    ) -> None:
        """Take a folder; nothing is read yet."""
        super().__init__(folder, lambda batch, _: batch)
        self.sized, self.counts = True, counts
        self._folder, self._index, self._recipe, self._seed = folder, index, recipe, seed
        self._more = 0  # repetitions an epoch
        self._kept: collections.OrderedDict[str, tuple[Array, Array]] = collections.OrderedDict()

    def oversampled(self) -> tuple[Self, int]:
        """Return the stream with repetitions of the rarer classes, and how many an epoch has.

        Raises:
            OptionError: a class has so few examples that its repetitions would come in a row.
        """
        assert self.counts is not None
        shards, counts = len(self._index.splits["train"]), self.counts
        fewest = int(counts[counts > 0].min())
        if fewest < shards:
            message = (
                f'balance="oversample" cannot be used: a class has {fewest} examples in {shards} '
                "shards, so that a model would see it in a few of them alone, many times in a row. "
                'Type: balance="weights"'
            )
            raise OptionError(message)
        found = copy.copy(self)
        found._more = how_many_more(counts)
        return found, found._more

    def in_words(self, held: Mapping[str, int]) -> str:
        """Return how many examples and shards there are, and how many of them are held."""
        shards = len(self._index.splits["train"])
        told = [f"{self._index.rows('train')} train in {shards} shard{'s' * (shards != 1)}"]
        for name in SPLITS[1:]:
            rows = self._index.rows(name)
            part = f"{held[name]} of " if held[name] < rows else ""
            told.append(f"{part}{rows} {name}")
        return ", ".join(told)

    def length(self, rows: int) -> int:
        """Return how many batches of so many rows an epoch has."""
        return -(-(self._index.rows("train") + self._more) // rows)

    def epoch(self, number: int, rows: int) -> Iterator[Batch]:
        """Yield the prepared batches of an epoch, counted from 0; the last one may be smaller.

        Raises:
            DataError: a shard cannot be used; names its file.
        """
        left: tuple[Array, Array] | None = None
        batches = itertools.count()
        for x, y, order in self._shuffled(number):
            if left is not None and len(left[0]):
                # What was left of the shard before goes ahead of this one's rows.
                needed = rows - len(left[0])
                head = order[:needed]
                joined = np.concatenate([left[0], x[head]]), np.concatenate([left[1], y[head]])
                order, left = order[needed:], None
                if len(joined[0]) < rows:
                    left = joined
                    continue
                yield self._prepared(*joined, (number, next(batches)))
            whole = len(order) // rows * rows
            for start in range(0, whole, rows):
                chosen = order[start : start + rows]
                yield self._prepared(x[chosen], y[chosen], (number, next(batches)))
            left = x[order[whole:]], y[order[whole:]]
        if left is not None and len(left[0]):
            yield self._prepared(*left, (number, next(batches)))

    def _shuffled(self, number: int) -> Iterator[tuple[Array, Array, Array]]:
        """Yield each shard's raw examples and targets, and the order of its rows in an epoch."""
        shards = self._index.splits["train"]
        random = np.random.default_rng((self._seed, number))
        seen = np.zeros(0 if self.counts is None else len(self.counts), np.int64)
        for place in random.permutation(len(shards)):
            x, y = self._read(shards[place])
            rows = np.arange(len(x))
            if self._more and self.counts is not None:
                more = repeated_rows(y, random, self.counts, seen)
                seen += np.bincount(y, minlength=len(seen))
                rows = np.concatenate([rows, more])
            yield x, y, random.permutation(rows)

    def _prepared(self, x: Array, y: Array, key: tuple[int, int]) -> Batch:
        if self._change is None:
            split = prepare(x, y, slice(None), self._recipe)
            return split.inputs, split.targets
        return self._change(x, key), as_target(self._recipe.targets(y))

    def _read(self, shard: Shard) -> tuple[Array, Array]:
        if shard.file in self._kept:
            self._kept.move_to_end(shard.file)
            return self._kept[shard.file]
        found = read_shard(self._folder, self._index, shard)
        self._kept[shard.file] = found
        sizes = {each.file: each.size_bytes for each in self._index.splits["train"]}
        while self._kept and sum(sizes[name] for name in self._kept) > CACHE_BYTES:
            # The order is another one in each epoch: to turn the kept ones over would gain nothing.
            self._kept.pop(next(reversed(self._kept)))
        return found


def data_of_shards(folder: Path) -> Data:
    """Return data that is read from a folder of shards as it is trained on.

    Raises:
        DataError: the folder holds no shards, or a shard cannot be used.
    """
    index = read_index(folder)
    about = index.about
    try:
        recipe, counts = Recipe.from_json(about["recipe"]), _class_counts(index)
        if about["kind"] not in get_args(Kind) or not index.splits["train"]:
            message = f"kind {about['kind']!r}, {len(index.splits['train'])} training shards"
            raise ValueError(message)
    except (KeyError, TypeError, ValueError, AttributeError, MaasError) as error:
        message = (
            f"The shards in {str(folder)!r} do not say how they are prepared "
            f"({str(error).rstrip('.')}); expected a folder that data.to_shards wrote."
        )
        raise DataError(message) from error
    stream = ShardStream(folder, index, recipe, about["seed"], counts)
    x, y = read_shard(folder, index, index.splits["train"][0])
    train = prepare(x[:FIRST_ROWS].copy(), y[:FIRST_ROWS].copy(), slice(None), recipe)
    none = taken_split(train, slice(0, 0))
    held = {name: _held(folder, index, name, recipe) or none for name in SPLITS[1:]}
    return Data(
        name=about["name"],
        kind=cast("Kind", about["kind"]),
        train=train,
        validation=held["validation"],
        test=held["test"],
        recipe=recipe,
        labels=tuple(about["labels"]),
        features=tuple(about["features"]),
        seed=about["seed"],
        fingerprint=index.digest(),
        stream=stream,
    )


def _class_counts(index: Index) -> Array | None:
    """Return how many training examples each class has; None where the index does not tell."""
    counts, classes = index.about.get("counts"), len(index.about["labels"])
    if counts is None:
        return None
    whole = isinstance(counts, list) and all(type(each) is int and each >= 0 for each in counts)
    fits = whole and (not classes or len(counts) == classes)
    if not fits or not 0 < sum(counts) == index.rows("train") < 1 << 53:
        message = "the classes' counts are not those of the training examples"
        raise ValueError(message)
    return np.array(counts, np.int64)


def _held(folder: Path, index: Index, name: str, recipe: Recipe) -> Split | None:
    """Return a split that is held in memory, as far as there is room for it."""
    parts, size = [], 0
    for shard in index.splits[name]:
        size += shard.size_bytes
        if parts and size > HELD_BYTES:
            break
        parts.append(read_shard(folder, index, shard))
    if not parts:
        return None
    x, y = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    return prepare(x, y, slice(None), recipe)
