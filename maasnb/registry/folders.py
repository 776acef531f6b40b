"""A store in a folder: write aside, flush to the disk, then link or rename into place.

A new object is a link, which fails where the name is taken, so of two writers exactly one wins. A
replaced one is compared and renamed while its folder's lock is held; the system gives the lock back
when a process ends, however it ends.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from maasnb.errors import WorkspaceError
from maasnb.files import lock_file
from maasnb.registry.store import Entry, Tagged
from maasnb.settings import writable_folder

__all__ = ["FolderStore"]

TEMPORARY = ".part-"
LOCK = ".lock"


class FolderStore:
    """Keep objects as files below one folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made at the first write."""
        self.folder = folder

    def create(self, key: str, content: bytes) -> bool:
        """Store an object unless there is one already.

        Raises:
            WorkspaceError: the folder cannot be written.
        """
        path = self.folder / key
        if path.exists():
            return False
        with _written(path), self._room_for(path):
            return _create(path, content)

    def adopt(self, key: str, path: Path) -> bool:
        """Store a file of the same disk as an object unless there is one already.

        Raises:
            WorkspaceError: the folder cannot be written.
        """
        place = self.folder / key
        with _written(place), self._room_for(place):
            _flush_file(path)
            try:
                os.link(path, place)
            except FileExistsError:
                return False
            finally:
                path.unlink(missing_ok=True)
            return True

    def replace(self, key: str, content: bytes, tag: str | None) -> bool:
        """Store an object in the place of the one with this tag.

        Raises:
            WorkspaceError: the folder cannot be written.
        """
        path = self.folder / key
        with _written(path), self._room_for(path), _locked(path.parent / LOCK):
            found = self.read_tagged(key)
            if tag != (None if found is None else found.tag):
                return False
            with _beside(path, content) as temporary:
                os.replace(temporary, path)
            return True

    def delete(self, key: str) -> None:
        """Take an object away, if there is one.

        Raises:
            WorkspaceError: the folder cannot be written.
        """
        path = self.folder / key
        if not path.parent.is_dir():
            return
        # Not between the comparison and the renaming of who replaces it.
        with _written(path), _locked(path.parent / LOCK):
            path.unlink(missing_ok=True)
            _flush_folder(path.parent)

    def read(self, key: str) -> bytes | None:
        """Return an object's content, or None where there is none.

        Raises:
            WorkspaceError: it is there and cannot be read.
        """
        path = self.folder / key
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            message = f"The file {str(path)!r} cannot be read ({error.strerror or error})."
            raise WorkspaceError(message) from error

    def read_tagged(self, key: str) -> Tagged | None:
        """Return an object with its tag, which is the digest of its content.

        Raises:
            WorkspaceError: it is there and cannot be read.
        """
        content = self.read(key)
        return None if content is None else Tagged(content, hashlib.sha256(content).hexdigest())

    def exists(self, key: str) -> bool:
        """Say whether there is an object."""
        return (self.folder / key).is_file()

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return the names directly below a prefix, sorted."""
        try:
            found = os.listdir(self.folder / prefix)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted(filter(_is_object, found)))

    def entries(self, prefix: str) -> tuple[Entry, ...]:
        """Return all objects below a prefix, sorted by key."""
        found = []
        for folder, _, names in os.walk(self.folder / prefix):
            for name in filter(_is_object, names):
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):  # replaced or removed meanwhile
                    status = path.stat()
                    key = path.relative_to(self.folder).as_posix()
                    found.append(Entry(key, status.st_size, status.st_mtime))
        return tuple(sorted(found, key=lambda entry: entry.key))

    @contextlib.contextmanager
    def _room_for(self, path: Path) -> Iterator[None]:
        """Make an object's folder, and make its new name survive a power failure at the end."""
        folders = [path.parent]
        while not folders[-1].exists():
            folders.append(folders[-1].parent)
        writable_folder(path.parent)
        yield
        for folder in folders:
            _flush_folder(folder)


def _is_object(name: str) -> bool:
    return not name.startswith(TEMPORARY) and name != LOCK


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except WorkspaceError:
        raise
    except OSError as error:
        message = (
            f"The file {str(path)!r} cannot be written ({error.strerror or error}). Make room or "
            "choose another folder: %env MAASNB_HOME=/a/folder/you/own"
        )
        raise WorkspaceError(message) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that no other process holds; wait for it where one does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock_file(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


@contextlib.contextmanager
def _beside(path: Path, content: bytes) -> Iterator[str]:
    """Give a file beside a path that holds the content, on the disk and not only on its way."""
    descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _create(path: Path, content: bytes) -> bool:
    with _beside(path, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    return True


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Make a new name survive a power failure, where the system can flush a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
