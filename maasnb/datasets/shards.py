"""Shards: data as a folder of small compressed files, which is read a file at a time.

`shards.json` says what there is; it is written last, so that a folder without it was not finished.
Each shard is a safetensors file of raw examples `x` and targets `y` (texts as their UTF-8 bytes and
the places where they end), compressed as a whole, named after its split and number. The index has
each one's rows, its sizes and its sha256, and nothing is unpacked beyond the size that it tells.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from maasnb.datasets.compression import (
    SUFFIXES,
    Compression,
    checked_compression,
    pack,
    unpack,
)
from maasnb.errors import DataError, OptionError, UnknownNameError
from maasnb.files import write_whole

__all__ = [
    "FIRST_ROWS",
    "INDEX",
    "SHARD_BYTES",
    "SPLITS",
    "Index",
    "Shard",
    "ShardWriter",
    "pieces",
    "read_index",
    "read_shard",
    "size_of",
]

Array = np.ndarray[Any, np.dtype[Any]]

INDEX = "shards.json"
FORMAT, VERSION = "maasnb shards", 1
SHARD_BYTES = 16 << 20
"""So many bytes of examples go into a shard."""
MOST_SHARD_BYTES = 1 << 30
MOST_INDEX_BYTES = 64 << 20
FIRST_ROWS = 1000
"""So many training examples stand for all of them, where one must be shown or counted."""
SPLITS: tuple[str, ...] = ("train", "validation", "test")

_NAME = re.compile(r"(train|validation|test)-\d{5,9}\.safetensors(\.zst|\.gz)?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Name one file.

    Attributes:
        file: its name in the folder.
        rows: how many examples it has.
        size_bytes: its size when it is unpacked.
        sha256: the digest of the file as it lies there.
    """

    file: str
    rows: int
    size_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Hold what a folder of shards says of itself.

    Attributes:
        about: what the data are, as JSON: name, kind, labels, features, seed and recipe.
        compression: how each file is compressed.
        splits: the shards of each split, in order.
    """

    about: Mapping[str, Any]
    compression: Compression
    splits: Mapping[str, tuple[Shard, ...]]

    def rows(self, split: str) -> int:
        """Return how many examples a split has."""
        return sum(shard.rows for shard in self.splits[split])

    def digest(self) -> str:
        """Return the sha256 of all that the shards hold and of what they are."""
        digest = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode())
        for name in SPLITS:
            for shard in self.splits[name]:
                digest.update(f"{name} {shard.rows} {shard.sha256}".encode())
        return digest.hexdigest()


class ShardWriter:
    """Write examples as they come, a shard whenever there are enough of them."""

    def __init__(self, folder: Path, compression: Compression) -> None:
        """Make the folder.

        Raises:
            OptionError: there is something in it, or it is a file.
        """
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            message = f"{str(folder)!r} is there already; shards need a folder of their own."
            raise OptionError(message)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._compression: Compression = compression
        self._waiting: dict[str, list[tuple[Array, Array]]] = {name: [] for name in SPLITS}
        self._bytes: dict[str, int] = dict.fromkeys(SPLITS, 0)
        self._shards: dict[str, list[Shard]] = {name: [] for name in SPLITS}

    def add(self, split: str, x: Array, y: Array) -> None:
        """Take examples of a split; full shards are written at once."""
        self._waiting[split].append((x, y))
        self._bytes[split] += size_of(x) + size_of(y)
        if self._bytes[split] >= SHARD_BYTES:
            self._write(split)

    def finish(self, about: Mapping[str, Any]) -> Index:
        """Write what is left, and the index."""
        for split in SPLITS:
            self._write(split)
        index = Index(
            about=about,
            compression=self._compression,
            splits={name: tuple(shards) for name, shards in self._shards.items()},
        )
        content = {
            "format": FORMAT,
            "version": VERSION,
            "compression": self._compression,
            "about": dict(about),
            "splits": {
                name: [dataclasses.asdict(shard) for shard in shards]
                for name, shards in self._shards.items()
            },
        }
        text = json.dumps(content, ensure_ascii=False, indent=1)
        write_whole(self._folder / INDEX, text.encode())
        return index

    def _write(self, split: str) -> None:
        waiting = self._waiting[split]
        if not waiting:
            return
        x, y = (np.concatenate([pair[side] for pair in waiting]) for side in (0, 1))
        content = save({**_tensors("x", x), **_tensors("y", y)})
        packed = pack(content, self._compression)
        number = len(self._shards[split])
        name = f"{split}-{number:05}.safetensors{SUFFIXES[self._compression]}"
        write_whole(self._folder / name, packed)
        shard = Shard(
            file=name,
            rows=len(x),
            size_bytes=len(content),
            sha256=hashlib.sha256(packed).hexdigest(),
        )
        self._shards[split].append(shard)
        self._waiting[split], self._bytes[split] = [], 0


def read_index(folder: Path) -> Index:
    """Read what a folder of shards says of itself; it may come from anybody.

    Raises:
        DataError: it is none, was not finished, or is of a newer version.
    """
    path = folder / INDEX
    try:
        if path.stat().st_size > MOST_INDEX_BYTES:
            message = f"it is larger than {MOST_INDEX_BYTES >> 20} MiB"
            raise ValueError(message)
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            message = f"its format is {content['format']!r}"
            raise ValueError(message)
        if content["version"] != VERSION:
            message = f"its version is {content['version']!r}, this maasnb reads {VERSION}"
            raise ValueError(message)
        return Index(
            about=_about(content["about"]),
            compression=checked_compression(content["compression"]),
            splits={
                name: tuple(_shard(each) for each in content["splits"][name]) for name in SPLITS
            },
        )
    except (OSError, KeyError, TypeError, ValueError, RecursionError, UnknownNameError) as error:
        message = (
            f"{str(path)!r} is no index of shards ({str(error).rstrip('.')}); expected a folder "
            "that data.to_shards wrote to its end."
        )
        raise DataError(message) from error


def read_shard(folder: Path, index: Index, shard: Shard) -> tuple[Array, Array]:
    """Return a shard's raw examples and targets.

    Raises:
        DataError: it is missing, torn or another one's; names the file.
    """
    path = folder / shard.file
    try:
        if path.stat().st_size > 2 * shard.size_bytes + (1 << 16):
            message = "it is larger than what the index says that it holds"
            raise DataError(message)
        packed = path.read_bytes()
        if hashlib.sha256(packed).hexdigest() != shard.sha256:
            message = "its sha256 is not the one in the index"
            raise DataError(message)
        tensors = load(unpack(packed, index.compression, shard.size_bytes))
        x, y = _array("x", tensors), _array("y", tensors)
        if not len(x) == len(y) == shard.rows:
            message = f"it has {len(x)} examples and {len(y)} targets, not {shard.rows}"
            raise DataError(message)
    except (OSError, DataError, SafetensorError, KeyError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        message = (
            f"The shard {str(path)!r} cannot be used: {reason}. Copy it anew, or write the shards "
            "again with data.to_shards."
        )
        raise DataError(message) from error
    return x, y


def _about(about: Mapping[str, Any]) -> Mapping[str, Any]:
    words = all(isinstance(about[name], str) for name in ("name", "kind"))
    lists = all(
        isinstance(about[name], list) and all(isinstance(each, str) for each in about[name])
        for name in ("labels", "features")
    )
    if not words or not lists or not isinstance(about["seed"], int):
        message = "what it says of the data cannot be read"
        raise ValueError(message)
    return about


def _shard(data: Mapping[str, Any]) -> Shard:
    shard = Shard(**data)
    whole = all(type(each) is int and each > 0 for each in (shard.rows, shard.size_bytes))
    named = _NAME.fullmatch(shard.file) and _DIGEST.fullmatch(shard.sha256)
    if not whole or not named or shard.size_bytes > MOST_SHARD_BYTES:
        message = f"the shard {str(shard.file)[:60]!r} cannot be one"
        raise ValueError(message)
    return shard


def _tensors(name: str, array: Array) -> dict[str, Array]:
    """Return an array as safetensors takes it: texts as their bytes and where each ends."""
    if array.dtype.kind not in "OU":
        return {name: np.ascontiguousarray(array)}
    encoded = [str(each).encode() for each in array.tolist()]
    ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    return {f"{name} bytes": np.frombuffer(b"".join(encoded), np.uint8), f"{name} ends": ends}


def _array(name: str, tensors: Mapping[str, Array]) -> Array:
    if name in tensors:
        return tensors[name]
    content, ends = tensors[f"{name} bytes"].tobytes(), tensors[f"{name} ends"]
    if ends.dtype != np.int64 or ends.ndim != 1:
        message = "the ends of its texts are no places"
        raise ValueError(message)
    starts = np.concatenate([[0], ends[:-1]])
    if (starts > ends).any() or (len(ends) and ends[-1] != len(content)):
        message = "its texts do not end where it says"
        raise ValueError(message)
    texts = [content[a:b].decode() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found


def size_of(array: Array) -> int:
    """Return about how many bytes an array takes in a shard."""
    if array.dtype.kind == "O":
        return sum(len(str(each)) + 8 for each in array.tolist())
    return array.nbytes


def pieces(rows: Array, row_bytes: int) -> Iterator[Array]:
    """Yield row numbers in pieces of about an eighth of a shard's size."""
    step = max(1, SHARD_BYTES // 8 // max(row_bytes, 1))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
