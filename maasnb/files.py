"""Files that are either whole or not there, and locks on files.

They are written beside their place, flushed to the disk, then renamed. The system takes a lock back
when its file is closed or its process ends, however it ends.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maasnb.errors import WorkspaceError

__all__ = ["lock_file", "whole_file", "write_whole"]


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Give a path beside a file's place to write to; the file stands in its place at the end.

    Args:
        path: the file; its folder must exist.
        mode: the file's permissions.

    Raises:
        WorkspaceError: it cannot be written (no permission, disk full); the old content stays.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        beside = Path(name)
        try:
            yield beside
            _flush(beside)
            beside.chmod(mode)
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except WorkspaceError:
        raise
    except OSError as error:
        message = (
            f"{str(path)!r} cannot be written ({error.strerror or error}). "
            "Make room or give the folder write permission, then run the cell again."
        )
        raise WorkspaceError(message) from error


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a machine that stops, sees the old content or the new.

    Args:
        path: the file; its folder must exist.
        content: the bytes.
        mode: the file's permissions.

    Raises:
        WorkspaceError: it cannot be written (no permission, disk full); the old content stays.
    """
    with whole_file(path, mode=mode) as beside:
        beside.write_bytes(content)


def lock_file(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file against other processes and other openings of it, until it is closed.

    Args:
        descriptor: the file, open for writing.
        wait: whether to wait where somebody else holds the lock.

    Returns:
        Whether it is locked now.
    """
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415 - Windows alone has it

        locking: Any = msvcrt
        try:
            locking.locking(descriptor, locking.LK_LOCK if wait else locking.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl  # noqa: PLC0415 - Windows does not have it

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
