"""Data as a folder of shards, written a piece at a time."""

from pathlib import Path
from typing import Any

import numpy as np

from maasnb.datasets.compression import best_compression, checked_compression
from maasnb.datasets.shards import FIRST_ROWS, Array, ShardWriter, pieces, size_of
from maasnb.errors import OptionError

__all__ = ["write_shards"]


def write_shards(data: Any, path: str | Path, compress: str | None) -> Path:  # noqa: ANN401 - a `Data`, which calls this
    """Write data as a folder of shards, and return the folder.

    Args:
        data: the data; a stream is gone through once, and never whole in memory.
        path: the folder, which is made.
        compress: `"zstd"`, `"gzip"` or `"none"`; by default Zstandard where it can be had.

    Raises:
        OptionError: there is something at that path, or the data have several parts or are
            augmented.
        MissingPackageError: Zstandard is asked for and cannot be had.
    """
    if isinstance(data.train.x, dict | tuple) or isinstance(data.train.y, dict | tuple):
        message = "Shards hold inputs and targets of one part; join the parts to one array before."
        raise OptionError(message)
    if data.stream is None and data.train.x.dtype.kind == "O" and data.train.x.ndim > 1:
        message = "Shards hold numbers and texts, not tables with columns of both kinds."
        raise OptionError(message)
    if data.stream is not None and isinstance(data.stream.source, Path):
        message = f"The data are shards already; copy their folder, {str(data.stream.source)!r}."
        raise OptionError(message)
    if data.augment or data.balance:
        message = (
            "Shards hold examples as they are. Write them without augment= and balance=, and give "
            f'those when they are read: mb.data("{path}/", balance=..., augment=[...])'
        )
        raise OptionError(message)
    chosen = best_compression() if compress is None else checked_compression(compress)
    folder = Path(path).expanduser()
    writer = ShardWriter(folder, chosen)
    counts = data.class_counts
    if data.stream is None:
        # In an order of its own, because a shard of one class alone would be learnt by itself.
        order = np.random.default_rng((data.seed, 2)).permutation(len(data.train))
        _add(writer, "train", data.train, order)
    else:
        classes = data.kind == "classification" and not data.positions
        for x, y in data.stream.epoch(0, FIRST_ROWS):
            writer.add("train", x, y)
            if classes:
                counts = _added(counts, np.bincount(y, minlength=len(data.labels)))
    for name, split in (("validation", data.validation), ("test", data.test)):
        if len(split) and not (name == "test" and data.stream is not None):
            _add(writer, name, split, np.arange(len(split)))
    writer.finish(
        {
            "name": data.name,
            "kind": data.kind,
            "labels": list(data.labels),
            "features": list(data.features),
            "seed": data.seed,
            "recipe": data.recipe.to_json(),
            **({} if counts is None else {"counts": counts.tolist()}),
        }
    )
    return folder


def _added(counts: Array | None, more: Array) -> Array:
    """Return the sum of two counts, of which one may have more classes."""
    if counts is None:
        return more
    size = max(len(counts), len(more))
    return np.pad(counts, (0, size - len(counts))) + np.pad(more, (0, size - len(more)))


def _add(writer: ShardWriter, name: str, split: Any, order: Array) -> None:  # noqa: ANN401 - a `Split`
    row_bytes = (size_of(split.x) + size_of(split.y)) // len(split)
    for rows in pieces(order, row_bytes):
        writer.add(name, split.x[rows], split.y[rows])
