"""Files that are either whole or not there.

They are written beside their place, flushed to the disk, then renamed.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from maasnb.errors import WorkspaceError

__all__ = ["whole_file", "write_whole"]


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


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
