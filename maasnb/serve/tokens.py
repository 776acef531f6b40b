"""The token of a workspace: 256 random bits in a file that only its owner can read."""

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from maasnb.errors import WorkspaceError
from maasnb.settings import writable_folder

__all__ = ["TOKEN_FILE", "identity_proof", "same_token", "workspace_token"]

TOKEN_FILE = "token"


def workspace_token(workspace: Path) -> str:
    """Return the token of a workspace; the first call makes it, with mode 0600.

    Raises:
        WorkspaceError: the file cannot be written or read.
    """
    path = writable_folder(workspace) / TOKEN_FILE
    try:
        if not path.exists():
            _create(path)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = (
            f"The token file {str(path)!r} cannot be used ({error}); expected a file that you own. "
            "Delete it and run the cell again, which makes a new one."
        )
        raise WorkspaceError(message) from error
    if len(token) < 32:
        message = (
            f"The token file {str(path)!r} holds {len(token)} characters; expected at least 32. "
            "Delete it and run the cell again, which makes a new one."
        )
        raise WorkspaceError(message)
    return token


def same_token(given: str, token: str) -> bool:
    """Compare two tokens in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), token.encode())


def identity_proof(token: str, nonce: str) -> str:
    """Return what only a holder of the token can answer to a nonce; it does not show the token."""
    text = f"maasnb identity {nonce}".encode()
    return hmac.new(token.encode(), text, hashlib.sha256).hexdigest()


def _create(path: Path) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600 from the start
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        # Where another process made the token first, its token stays.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
