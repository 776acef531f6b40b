"""A store in a folder: write aside, flush to the disk, then link into place."""

import contextlib
import os
import tempfile
from pathlib import Path

from maasnb.errors import WorkspaceError
from maasnb.settings import writable_folder

__all__ = ["FolderStore"]

TEMPORARY = ".part-"


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
        writable_folder(path.parent)
        try:
            return _create(path, content)
        except OSError as error:
            message = (
                f"The file {str(path)!r} cannot be written ({error.strerror or error}). Make room "
                "or choose another folder: %env MAASNB_HOME=/a/folder/you/own"
            )
            raise WorkspaceError(message) from error

    def read(self, key: str) -> bytes | None:
        """Return an object, or None where there is none.

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

    def exists(self, key: str) -> bool:
        """Say whether there is an object."""
        return (self.folder / key).is_file()

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return the names directly below a prefix, sorted."""
        try:
            found = os.listdir(self.folder / prefix)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted(name for name in found if not name.startswith(TEMPORARY)))


def _create(path: Path, content: bytes) -> bool:
    descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken, so of two writers exactly one wins.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    _flush_folder(path.parent)
    return True


def _flush_folder(folder: Path) -> None:
    """Make a new name survive a power failure, where the system can flush a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
