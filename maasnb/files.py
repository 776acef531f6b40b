"""Files that are either whole or not there.

They are written beside their place, flushed to the disk, then renamed.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from maasnb.errors import WorkspaceError

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a machine that stops, sees the old content or the new.

    Args:
        path: the file; its folder must exist.
        content: the bytes.
        mode: the file's permissions.

    Raises:
        WorkspaceError: it cannot be written (no permission, disk full); the old content stays.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        message = (
            f"{str(path)!r} cannot be written ({error.strerror or error}). "
            "Make room or give the folder write permission, then run the cell again."
        )
        raise WorkspaceError(message) from error
