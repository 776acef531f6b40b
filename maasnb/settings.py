"""Where maasnb keeps its files, and the few environment variables that change its behaviour.

`MAASNB_HOME` names the workspace folder (default: the visible folder `maas/` in the current folder,
which in a notebook is the folder beside it); `MAASNB_PANEL=static` asks for one final picture and
no live progress.
"""

import os
from pathlib import Path

from maasnb.errors import WorkspaceError

__all__ = ["VERSION", "WORKSPACE_VARIABLE", "static_panels", "workspace", "writable_folder"]

VERSION = "0.1.0"
"""The version of maasnb; the package's metadata is read from this line."""

WORKSPACE_VARIABLE = "MAASNB_HOME"
PANEL_VARIABLE = "MAASNB_PANEL"
DEFAULT_FOLDER = "maas"


def workspace() -> Path:
    """Return the workspace folder as an absolute path; it need not exist yet."""
    return Path(os.environ.get(WORKSPACE_VARIABLE) or DEFAULT_FOLDER).expanduser().absolute()


def static_panels() -> bool:
    """Say whether `MAASNB_PANEL=static` asks for one final picture and no live progress."""
    return os.environ.get(PANEL_VARIABLE, "").strip().lower() == "static"


def writable_folder(path: Path) -> Path:
    """Create a folder of the workspace and make sure that it can be written.

    Args:
        path: the folder, absolute.

    Returns:
        The same path, now an existing folder.

    Raises:
        WorkspaceError: it cannot be created or written; the message names the way out.
    """
    way_out = (
        "maasnb keeps runs and published models there. "
        f"Type: %env {WORKSPACE_VARIABLE}=/a/folder/you/own and run the cell again."
    )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        message = f"The workspace folder {str(path)!r} cannot be created ({reason}). {way_out}"
        raise WorkspaceError(message) from error
    if not os.access(path, os.W_OK | os.X_OK):
        message = (
            f"The workspace folder {str(path)!r} cannot be written (permission denied). {way_out}"
        )
        raise WorkspaceError(message)
    return path
