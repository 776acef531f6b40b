"""Issued tokens: what a workspace gave to others, with what each allows.

One file a token, named by the token's name, with the SHA-256 of its 256 random bits and never the
bits. A file is created once and never changed, and a revoked token's file is deleted, so two
processes need no lock, and a folder that did not change holds the same tokens as before.
"""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import math
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any, Literal

from maasnb.errors import OptionError, UnknownNameError, WorkspaceError, unknown_name
from maasnb.settings import writable_folder

__all__ = [
    "PERMISSIONS",
    "TOKENS_FOLDER",
    "IssuedToken",
    "Permission",
    "digest_of_token",
    "issue",
    "issued_tokens",
    "read_issued",
    "revoke",
]

Permission = Literal["predict", "publish", "admin"]
PERMISSIONS: tuple[Permission, ...] = ("predict", "publish", "admin")
"""Each includes those before it: who may publish a model may also ask it."""

TOKENS_FOLDER = "tokens"
PREFIX = "maasnb_"
RESERVED = frozenset({"nobody", "shell", "workspace"})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
SUFFIX = ".json"
SCHEMA_VERSION = 1
LARGEST_FILE_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """Say what a token allows.

    Attributes:
        name: what it is called in lists and logs.
        digest: its SHA-256 in hexadecimal.
        permissions: what it allows; empty for nothing.
        models: patterns of the model names that it is for, as `fnmatch` reads them; empty for all.
        expires: the time after which it is refused; None for never.
        rate: requests a second that a server takes from it; None for any number.
        created: when it was made.
    """

    name: str
    digest: str
    permissions: frozenset[Permission]
    models: tuple[str, ...] = ()
    expires: dt.datetime | None = None
    rate: float | None = None
    created: dt.datetime

    def expired(self, now: dt.datetime) -> bool:
        """Say whether the token is refused at a time."""
        return self.expires is not None and now >= self.expires

    def to_json(self) -> dict[str, Any]:
        """Return what the token's file holds, as JSON data."""
        return {
            "schema": SCHEMA_VERSION,
            "digest": self.digest,
            "permissions": sorted(self.permissions),
            "models": list(self.models),
            "expires": self.expires.isoformat() if self.expires else None,
            "rate": self.rate,
            "created": self.created.isoformat(),
        }

    @classmethod
    def from_json(cls, name: str, data: dict[str, Any]) -> "IssuedToken":
        """Return the token whose file holds this.

        Raises:
            ValueError: it is not what `to_json` wrote.
        """
        rate, models, permissions = data["rate"], data["models"], data["permissions"]
        fits = (
            data["schema"] == SCHEMA_VERSION
            and re.fullmatch(r"[0-9a-f]{64}", data["digest"])
            and set(permissions) <= set(PERMISSIONS)
            and all(isinstance(each, str) for each in models)
            and (rate is None or (type(rate) in (int, float) and 0 < rate < math.inf))
        )
        if not fits:
            raise ValueError(f"{data!r:.200} describes no token")
        return cls(
            name=name,
            digest=data["digest"],
            permissions=frozenset(permissions),
            models=tuple(models),
            expires=_time(data["expires"]) if data["expires"] is not None else None,
            rate=rate,
            created=_time(data["created"]),
        )


def digest_of_token(token: str) -> str:
    """Return what is stored of a token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue(
    workspace: Path,
    permission: Permission,
    *,
    name: str = "",
    models: tuple[str, ...] = (),
    lifetime: dt.timedelta | None = None,
    rate: float | None = None,
) -> tuple[str, IssuedToken]:
    """Make a token and store what it allows.

    Args:
        workspace: the workspace whose servers are to know it.
        permission: what it allows; it includes the lesser permissions.
        name: what it is called; made from the permission when empty.
        models: patterns of model names, such as `digits*`; empty for all models.
        lifetime: how long it is valid; None for ever.
        rate: requests a second that each server takes from it; None for any number.

    Returns:
        The token, which is stored nowhere, and what was stored of it.

    Raises:
        OptionError: an argument cannot be used, or the name is taken.
        WorkspaceError: the workspace cannot be written.
    """
    name = name or f"{permission}-{secrets.token_hex(3)}"
    _check(name, permission, models, lifetime, rate)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    token = PREFIX + secrets.token_urlsafe(32)
    stored = IssuedToken(
        name=name,
        digest=digest_of_token(token),
        permissions=frozenset(PERMISSIONS[: PERMISSIONS.index(permission) + 1]),
        models=models,
        expires=now + lifetime if lifetime else None,
        rate=rate,
        created=now,
    )
    _create(workspace, stored)
    return token, stored


def issued_tokens(workspace: Path) -> tuple[IssuedToken, ...]:
    """Return the tokens that a workspace issued and did not revoke, by name.

    Raises:
        WorkspaceError: a token's file cannot be read, or holds something else.
    """
    found = []
    for path in _paths(workspace):
        try:
            found.append(read_issued(path))
        except FileNotFoundError:
            continue  # revoked meanwhile
        except (OSError, ValueError) as error:
            message = (
                f"The token file {str(path)!r} cannot be used ({error!s:.200}). Revoke the token "
                f"and make another one: maasnb token revoke {path.stem}"
            )
            raise WorkspaceError(message) from error
    return tuple(found)


def read_issued(path: Path) -> IssuedToken:
    """Return the token that a file of the tokens' folder describes.

    Raises:
        OSError: the file cannot be read.
        ValueError: it describes no token.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE_BYTES)
    try:
        return IssuedToken.from_json(path.stem, json.loads(content))
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def revoke(workspace: Path, name: str) -> None:
    """Make a token worthless; servers refuse it within a second.

    Raises:
        UnknownNameError: the workspace has no such token.
        WorkspaceError: its file cannot be deleted.
    """
    path = workspace / TOKENS_FOLDER / f"{name}{SUFFIX}"
    try:
        if not NAME.match(name):
            raise FileNotFoundError
        path.unlink()
    except FileNotFoundError:
        raise _unknown(workspace, name) from None
    except OSError as error:
        message = (
            f"The token file {str(path)!r} cannot be deleted ({error.strerror or error}), so the "
            "token stays valid; expected a workspace that you own."
        )
        raise WorkspaceError(message) from error


def _unknown(workspace: Path, name: str) -> UnknownNameError:
    if name == "workspace":
        message = (
            "The workspace's own token is not revoked by name. Delete the file 'token' in the "
            "workspace; the next publish or connect of a notebook makes a new one."
        )
        return UnknownNameError(message, name=name)
    known = [path.stem for path in _paths(workspace)]
    return unknown_name("token", name, known, "Type: maasnb token list")


def _paths(workspace: Path) -> list[Path]:
    folder = workspace / TOKENS_FOLDER
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        message = (
            f"The folder {str(folder)!r} cannot be read ({error.strerror or error}); expected a "
            "workspace that you own."
        )
        raise WorkspaceError(message) from error
    known = (name for name in names if name.endswith(SUFFIX))
    return [folder / name for name in sorted(known) if NAME.match(name.removesuffix(SUFFIX))]


def _check(
    name: str,
    permission: str,
    models: tuple[str, ...],
    lifetime: dt.timedelta | None,
    rate: float | None,
) -> None:
    if not NAME.match(name) or name in RESERVED:
        message = (
            f"{name!r:.80} cannot be the name of a token; expected 1 to 64 letters, digits, dots, "
            f"dashes or underscores, and none of {', '.join(sorted(RESERVED))}."
        )
        raise OptionError(message)
    if permission not in PERMISSIONS:
        raise unknown_name("permission", permission, PERMISSIONS)
    if permission == "admin" and models:
        message = (
            "An admin's token is for every model; expected no model patterns with 'admin'. Type: "
            "maasnb token create --permission publish --model ..."
        )
        raise OptionError(message)
    if not all(each and len(each) <= 200 for each in models):
        message = f"The model patterns are {models!r:.200}; expected some such as 'digits*'."
        raise OptionError(message)
    if lifetime is not None and not dt.timedelta() < lifetime <= dt.timedelta(36525):
        message = f"The lifetime is {lifetime}; expected more than nothing and at most 100 years."
        raise OptionError(message)
    if rate is not None and not 0 < rate <= 1e9:
        message = f"The rate is {rate:g}; expected a number of requests a second above 0."
        raise OptionError(message)


def _create(workspace: Path, token: IssuedToken) -> None:
    path = writable_folder(workspace) / TOKENS_FOLDER / f"{token.name}{SUFFIX}"
    content = json.dumps(token.to_json(), indent=1) + "\n"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)  # fails where the name is taken
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    except FileExistsError as error:
        message = (
            f"There is a token {token.name!r} already; expected another name. To replace it, type "
            f"first: maasnb token revoke {token.name}"
        )
        raise OptionError(message) from error
    except OSError as error:
        message = (
            f"The token file {str(path)!r} cannot be written ({error.strerror or error}); expected "
            "a workspace that you own, with room on its disk."
        )
        raise WorkspaceError(message) from error


def _time(text: str) -> dt.datetime:
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone")
    return time
