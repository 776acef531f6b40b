"""Public data sets that are fetched once: from where, under which licence, how their files read.

A file counts only with the digest that stands here, so it does not matter who delivers it. It is
kept in the workspace, and a machine without a network may be given it there.
"""

import dataclasses
import gzip
import hashlib
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from maasnb.errors import DataError
from maasnb.files import whole_file
from maasnb.settings import workspace, writable_folder

__all__ = ["FASHION_MNIST", "MNIST", "IdxFile", "PublicSet"]

Array = np.ndarray[Any, np.dtype[np.uint8]]

_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class IdxFile:
    """One compressed file of bytes in the IDX format.

    Attributes:
        name: the file's name, here and there.
        size_bytes: its size as it is fetched, compressed.
        sha256: its digest, hexadecimal.
        shape: of the array in it.
    """

    name: str
    size_bytes: int
    sha256: str
    shape: tuple[int, ...]

    def is_in(self, path: Path) -> bool:
        """Say whether that file is this one, whole."""
        if not path.is_file() or path.stat().st_size != self.size_bytes:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256

    def array(self, path: Path) -> Array:
        """Return what is in the file.

        Raises:
            DataError: it does not hold an array of bytes of that shape.
        """
        head = 4 + 4 * len(self.shape)
        expected = bytes([0, 0, 8, len(self.shape)])
        expected += b"".join(side.to_bytes(4, "big") for side in self.shape)
        with gzip.open(path) as stream:
            content = stream.read(head + math.prod(self.shape))
        if content[:head] != expected or len(content) != head + math.prod(self.shape):
            message = f"{str(path)!r} does not hold bytes of shape {self.shape}. Delete the file."
            raise DataError(message)
        return np.frombuffer(content, np.uint8, offset=head).reshape(self.shape)


@dataclasses.dataclass(frozen=True, slots=True)
class PublicSet:
    """A set of pictures with a class each.

    Attributes:
        name: what `mb.data` calls it.
        source: who made it.
        licence: the terms under which it may be used.
        address: the folder in the network that has the files.
        images: files of pictures [n, height, width]; they are put behind each other.
        classes: for each of those, the file with the classes' numbers [n].
        labels: the classes' names.
    """

    name: str
    source: str
    licence: str
    address: str
    images: tuple[IdxFile, ...]
    classes: tuple[IdxFile, ...]
    labels: tuple[str, ...]

    def read(self) -> tuple[Array, Array]:
        """Return all pictures [n, height, width] and classes [n], fetched where they are missing.

        Raises:
            DataError: there is no network, or it delivers something else.
            WorkspaceError: the files cannot be kept.
        """
        folder = workspace() / "datasets" / self.name
        missing = [
            each for each in (*self.images, *self.classes) if not each.is_in(folder / each.name)
        ]
        if missing:
            self._fetch(missing, writable_folder(folder))
        return _together(self.images, folder), _together(self.classes, folder)

    def _fetch(self, files: list[IdxFile], folder: Path) -> None:
        import httpx  # noqa: PLC0415 - data sets that come along need no network

        megabytes = sum(each.size_bytes for each in files) / 1e6
        sys.stderr.write(
            f"maasnb: fetching {self.name}, {megabytes:.1f} MB, from {self.address}\n"
            f"maasnb: {self.source}; {self.licence}\n"
        )
        for file in files:
            try:
                with whole_file(folder / file.name) as beside:
                    _download(f"{self.address}/{file.name}", file, beside)
            except (httpx.HTTPError, _OtherFileError) as error:
                names = ", ".join(each.name for each in files)
                message = (
                    f"The data set {self.name!r} is not on this machine, and {self.address} does "
                    f"not deliver it ({error}). Run the cell again with a network, or put the "
                    f"files {names} into {str(folder)!r}. Without them, take a set that comes "
                    'along: mb.data("digits")'
                )
                raise DataError(message) from error


class _OtherFileError(Exception):
    """Something else than the file was delivered."""


def _download(url: str, file: IdxFile, path: Path) -> None:
    import httpx  # noqa: PLC0415 - as above

    digest, size_bytes = hashlib.sha256(), 0
    with (
        path.open("wb") as kept,
        httpx.stream("GET", url, timeout=_TIMEOUT_S, follow_redirects=True) as answer,
    ):
        if not answer.is_success:
            raise _OtherFileError(f"the answer for {file.name} is {answer.status_code}")
        # As they come: a file that is compressed itself must not be unpacked on the way.
        for chunk in answer.iter_raw(_CHUNK_BYTES):
            size_bytes += len(chunk)
            if size_bytes > file.size_bytes:
                break
            digest.update(chunk)
            kept.write(chunk)
    if size_bytes != file.size_bytes or digest.hexdigest() != file.sha256:
        raise _OtherFileError(f"{file.name} is not the file it should be")


def _together(files: Iterable[IdxFile], folder: Path) -> Array:
    return np.concatenate([each.array(folder / each.name) for each in files])


_TRAIN, _TEST = (60_000, 28, 28), (10_000, 28, 28)

MNIST = PublicSet(
    name="mnist",
    source="Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits",
    licence="CC BY-SA 3.0",
    address="https://storage.googleapis.com/cvdf-datasets/mnist",
    images=(
        IdxFile(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            _TRAIN,
        ),
        IdxFile(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            _TEST,
        ),
    ),
    classes=(
        IdxFile(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            _TRAIN[:1],
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            _TEST[:1],
        ),
    ),
    labels=tuple(map(str, range(10))),
)

FASHION_MNIST = PublicSet(
    name="fashion_mnist",
    source="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST (2017)",
    licence="MIT",
    address="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    images=(
        IdxFile(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            _TRAIN,
        ),
        IdxFile(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            _TEST,
        ),
    ),
    classes=(
        IdxFile(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            _TRAIN[:1],
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            _TEST[:1],
        ),
    ),
    labels=(
        "T-shirt", "trousers", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
)  # fmt: skip
