"""Blobs on their way: written to a file while they arrive, hashed on the way, then stored.

The file is the blob's own, named by its digest, and locked while it is written. Where a connection
breaks, or the server is killed, what arrived stays, and the next request for the same blob goes on
behind it. Of two senders of the same blob at once the second one writes a file of its own.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from maasnb.artifacts.blobs import check_digest
from maasnb.errors import (
    ArtifactError,
    ConflictError,
    MaasError,
    RequestError,
    WorkspaceError,
)
from maasnb.files import lock_file
from maasnb.registry.models import Registry
from maasnb.serve.answers import BodyTooLargeError, DisconnectedError, Receive, Scope, header
from maasnb.settings import writable_folder

__all__ = ["Arrived", "Uploads", "sweep"]

RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})\Z")
WRITE_BYTES = 1 << 20
"""So much is gathered before it is handed to a thread that writes it."""
KEPT_S = 24 * 3600
"""How long a blob that did not arrive whole can be gone on with."""
SPARE_BYTES = 16 << 20
"""What is left free on the disk."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Say what became of a request with a blob.

    Attributes:
        size_bytes: how many bytes of the blob are here.
        whole: whether that is all of it, so that it is stored.
        created: whether it was not stored before.
    """

    size_bytes: int
    whole: bool
    created: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class _Range:
    """Which bytes of a blob a body holds: from `start` to before `end`; None where not said."""

    start: int
    end: int | None
    total: int | None


class Uploads:
    """The blobs that are on their way to a registry."""

    def __init__(self, registry: Registry, limit_bytes: int) -> None:
        """Take the registry and the size of the largest blob; forget what was given up on."""
        self._registry = registry
        self._folder = registry.uploads
        self._limit_bytes = limit_bytes
        sweep(self._folder)

    def offset(self, digest: str) -> int:
        """Return how many bytes of a blob are here, for its sender to go on behind them."""
        path = self._folder / check_digest(digest)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            return 0
        try:
            # What is being written is not to be gone on with.
            return os.fstat(descriptor).st_size if lock_file(descriptor, wait=False) else 0
        finally:
            os.close(descriptor)

    async def take(self, digest: str, scope: Scope, receive: Receive) -> Arrived:
        """Take a blob, or a part of one, from a request's body.

        Args:
            digest: the digest that the whole blob is to have.
            scope: the request; `Content-Range: bytes 100-199/200` says which part it holds.
            receive: where the body comes from.

        Raises:
            ArtifactError: the blob has another digest.
            BodyTooLargeError: it is larger than the limit.
            ConflictError: the part does not begin where what is here ends.
            DisconnectedError: the sender went away; what arrived stays.
            RequestError: the body does not have the size that its headers say.
            WorkspaceError: the disk is full.
        """
        check_digest(digest)
        part = _range_of(scope, self._limit_bytes)
        if await asyncio.to_thread(self._registry.keep_blob, digest):
            await _drain(receive, self._limit_bytes)
            return Arrived(size_bytes=part.total or 0, whole=True)
        if part.total is not None:
            await asyncio.to_thread(_check_room, self._folder, part.total - part.start)
        file = await asyncio.to_thread(_Part, self._folder, digest, part.start)
        try:
            await self._receive(file, part, receive)
            if part.total is not None and file.size_bytes < part.total:
                return Arrived(size_bytes=file.size_bytes, whole=False)
            created = await asyncio.to_thread(self._store, digest, file)
        finally:
            file.close()
        return Arrived(size_bytes=file.size_bytes, whole=True, created=created)

    async def _receive(self, file: "_Part", part: _Range, receive: Receive) -> None:
        room = (self._limit_bytes if part.end is None else part.end) - part.start
        gathered, waiting, received = [], 0, 0
        more = True
        while more:
            message = await receive()
            gone = message["type"] == "http.disconnect"
            piece, more = message.get("body", b""), not gone and message.get("more_body", False)
            gathered.append(piece)
            waiting, received = waiting + len(piece), received + len(piece)
            if received > room:
                raise _too_large(part, self._limit_bytes)
            if waiting >= WRITE_BYTES or not more:
                content, gathered, waiting = b"".join(gathered), [], 0
                await asyncio.to_thread(file.write, content)
            if gone:
                raise DisconnectedError
        if part.end is not None and received < room:
            message = f"The body has {received} bytes; its headers say {room}. Send it again."
            raise RequestError(message)

    def _store(self, digest: str, file: "_Part") -> bool:
        found = file.digest()
        if found != digest:
            file.remove()
            message = (
                f"The {file.size_bytes} bytes sent as blob {digest} have the digest {found}; they "
                "were damaged on the way. Publish again."
            )
            raise ArtifactError(message)
        return self._registry.adopt_blob(digest, file.path)


class _Part:
    """The file of a blob that is on its way; opened where the blob is to go on."""

    def __init__(self, folder: Path, digest: str, start: int) -> None:
        self.path = folder / digest
        self.size_bytes = start
        self._hash = hashlib.sha256()
        writable_folder(folder)
        with _on_the_disk(folder):
            self._descriptor, self._own = self._open(folder, digest)
            try:
                self._go_on_at(start)
            except BaseException:
                self.close()
                raise

    def write(self, content: bytes) -> None:
        """Append what arrived."""
        with _on_the_disk(self.path.parent):
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                self.remove()  # which makes room
                raise
        self._hash.update(content)
        self.size_bytes += len(content)

    def digest(self) -> str:
        """Return the digest of all that is here."""
        return self._hash.hexdigest()

    def remove(self) -> None:
        """Take the file away."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def close(self) -> None:
        """Give the lock back; a file that nobody could find again is taken away."""
        os.close(self._descriptor)
        if not self._own:
            self.remove()

    def _open(self, folder: Path, digest: str) -> tuple[int, bool]:
        """Open and lock the blob's own file, or another one where somebody is writing that."""
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            if not lock_file(descriptor, wait=False):
                os.close(descriptor)
                descriptor, name = tempfile.mkstemp(prefix=f"{digest}.", dir=folder)
                self.path = Path(name)
                return descriptor, False
            # Who held the lock before may have moved the file away, into the registry.
            with contextlib.suppress(FileNotFoundError):
                if _is(descriptor, self.path):
                    return descriptor, True
            os.close(descriptor)

    def _go_on_at(self, start: int) -> None:
        size = os.fstat(self._descriptor).st_size
        if start > size:
            message = (
                f"The part begins at byte {start}, but {size} bytes of the blob are here. Ask "
                "with HEAD how many there are, and send the rest."
            )
            raise ConflictError(message)
        os.ftruncate(self._descriptor, start)
        left = start
        while left:
            content = os.read(self._descriptor, min(left, WRITE_BYTES))
            self._hash.update(content)
            left -= len(content)


def _is(descriptor: int, path: Path) -> bool:
    """Say whether an open file is the one that a path names."""
    return os.path.samestat(os.fstat(descriptor), path.stat())


@contextlib.contextmanager
def _on_the_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, MaasError):
            raise
        message = (
            f"The server cannot keep the blob in {str(folder)!r} ({error.strerror or error}). Make "
            "room there, then publish again."
        )
        raise WorkspaceError(message) from error


def _range_of(scope: Scope, limit_bytes: int) -> _Range:
    """Return which part of a blob a request holds, by its headers."""
    given, length = header(scope, b"content-range"), header(scope, b"content-length")
    if not given:
        size = int(length[:18]) if length.isdecimal() else None
        part = _Range(0, size, size)
    else:
        found = RANGE.match(given)
        first, last, total = map(int, found.groups()) if found else (1, 0, 0)
        if not first <= last < total:
            message = (
                f"The header Content-Range is {given!r:.80}; expected which bytes of the blob "
                "the body holds, such as 'bytes 100-199/200'."
            )
            raise RequestError(message)
        part = _Range(first, last + 1, total)
    if (part.total or 0) > limit_bytes:
        raise _too_large(part, limit_bytes)
    return part


def _too_large(part: _Range, limit_bytes: int) -> RequestError:
    if part.end is not None and part.end <= limit_bytes and (part.total or 0) <= limit_bytes:
        return RequestError("The body has more bytes than its headers say. Send it again.")
    size = "more" if part.total is None else str(part.total)
    message = f"The blob has {size} bytes; expected at most {limit_bytes}."
    return BodyTooLargeError(message)


def _check_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(writable_folder(folder)).free
    if free < size_bytes + SPARE_BYTES:
        message = (
            f"The server's disk has {free / 1e6:.0f} MB left; the blob needs "
            f"{size_bytes / 1e6:.0f} MB. Make room there, then publish again."
        )
        raise WorkspaceError(message)


async def _drain(receive: Receive, limit_bytes: int) -> None:
    """Read a body that is not needed, so that its sender gets to read the answer."""
    size = 0
    while size <= limit_bytes:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def sweep(folder: Path, *, dry_run: bool = False) -> int:
    """Take away the blobs whose sending was given up on a day ago.

    Args:
        folder: where blobs are on their way.
        dry_run: leave them.

    Returns:
        How many bytes they have.
    """
    size_bytes = 0
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                status = path.stat()
                if time.time() - status.st_mtime > KEPT_S:
                    if not dry_run:
                        path.unlink()
                    size_bytes += status.st_size
    return size_bytes
