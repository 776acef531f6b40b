"""Who asks, and what they may do: a request's token becomes a principal with permissions.

A token is looked up by its SHA-256 among those of the workspace, which takes about two microseconds
and tells nobody how much of a guess was right. The workspace's files are looked at once a second.
"""

import dataclasses
import fnmatch
import functools
import hashlib
import hmac
import logging
import math
import os
import time
from pathlib import Path

from maasnb.errors import AccessError, ForbiddenError, MaasError, OverloadError
from maasnb.serve.answers import Scope
from maasnb.serve.issued import (
    PERMISSIONS,
    TOKENS_FOLDER,
    IssuedToken,
    Permission,
    issued_tokens,
    read_issued,
)
from maasnb.serve.tokens import TOKEN_FILE, workspace_token

__all__ = ["PERMISSIONS", "Access", "Permission", "Principal", "principal_of"]

LOG = logging.getLogger(__name__)

LOOK_S = 1.0
# Two changes within a tick of a file system's clock (10 ms, or 2 s on some) leave the same time
# stamp, so a folder that changed this recently is read again.
RECENT_S = 3.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Say who sent a request.

    Attributes:
        name: what the token is called in logs; never the token.
        permissions: what the token allows.
        models: patterns of the model names that it is for; empty for all models.
    """

    name: str
    permissions: frozenset[Permission]
    models: tuple[str, ...] = ()

    def sees(self, model: str) -> bool:
        """Say whether the token is for a model."""
        return not self.models or _matches(self.models, model)

    def require(self, permission: Permission, model: str | None = None) -> None:
        """Pass if the token allows something.

        Args:
            permission: what is to be done.
            model: the model that it is done to; None where no one model is meant.

        Raises:
            ForbiddenError: the token does not allow it.
        """
        if permission not in self.permissions:
            what = f"{permission!r}" if model is None else f"{permission!r} of {model!r:.80}"
            message = (
                f"The token {self.name!r} does not allow {what}; it allows "
                f"{', '.join(sorted(self.permissions)) or 'nothing'}. Ask for another token: "
                f"maasnb token create --permission {permission}"
            )
            raise ForbiddenError(message)
        if model is not None and self.models and not _matches(self.models, model):
            message = (
                f"The token {self.name!r} is not for the model {model!r:.80}; it is for those "
                f"called {' or '.join(map(repr, self.models))}. Ask for another token."
            )
            raise ForbiddenError(message)


NOBODY = Principal(name="nobody", permissions=frozenset())


class Access:
    """The tokens that the servers of a workspace know."""

    def __init__(self, workspace: Path) -> None:
        """Read the tokens of a workspace; its own is made where there is none.

        Raises:
            WorkspaceError: the workspace cannot be written.
        """
        self._workspace = workspace
        self.token = workspace_token(workspace)
        self._entries: dict[bytes, _Entry] = {}
        self._stamps: tuple[object, ...] = ()
        self._look_at = 0.0
        self._look(0.0)

    def principal(self, scope: Scope) -> Principal:
        """Return who sent a request, and count the request against its token's rate.

        Raises:
            AccessError: the token is missing, not known or expired.
            OverloadError: the token sends more than it may.
        """
        given = b""
        for key, value in scope["headers"]:
            if key == b"authorization":
                given = value
                break
        digest = hashlib.sha256(given[7:].strip()).digest()
        now = time.monotonic()
        if now >= self._look_at:
            self._look(now)
        entry = self._entries.get(digest)
        if (
            entry is None
            or not hmac.compare_digest(entry.digest, digest)
            or given[:7].lower() != b"bearer "
        ):
            raise _refusal(given)
        if entry.limited:
            entry.count(now)
        return entry.principal

    def _look(self, now: float) -> None:
        """Read the tokens again where a file changed."""
        self._look_at = now + LOOK_S
        stamps = tuple(_stamp(self._workspace / name) for name in (TOKEN_FILE, TOKENS_FOLDER))
        if stamps == self._stamps:
            return
        recent = any(each and time.time() - each[0] / 1e9 < RECENT_S for each in stamps)
        self._stamps = () if recent else stamps
        entries: dict[bytes, _Entry] = {}
        for token in self._issued():
            digest = bytes.fromhex(token.digest)
            known = self._entries.get(digest)
            # A bucket that is half empty stays so.
            kept = known is not None and known.token == token
            entries[digest] = known if kept and known else _Entry(digest, token)
        if stamps[0] is not None:
            try:
                self.token = workspace_token(self._workspace)
            except MaasError:
                LOG.exception("The workspace's token cannot be read; the last one stays")
            digest = hashlib.sha256(self.token.encode()).digest()
            entries[digest] = _Entry(digest, None)
        self._entries = entries

    def _issued(self) -> tuple[IssuedToken, ...]:
        try:
            return issued_tokens(self._workspace)
        except MaasError as error:
            # One spoilt file must not shut everybody out.
            LOG.warning("%s", error)
        found = []
        for path in sorted((self._workspace / TOKENS_FOLDER).glob("[!.]*.json")):
            try:
                found.append(read_issued(path))
            except (OSError, ValueError):
                continue
        return tuple(found)


class _Entry:
    """A known token, and how many requests it may still send at this moment."""

    __slots__ = ("_at", "_capacity", "_ends", "_level", "digest", "limited", "principal", "token")

    def __init__(self, digest: bytes, token: IssuedToken | None) -> None:
        """Take a token; None for the workspace's own, which allows everything."""
        self.digest = digest
        self.token = token
        if token is None:
            self.principal = Principal(name="workspace", permissions=frozenset(PERMISSIONS))
        else:
            self.principal = Principal(
                name=token.name, permissions=token.permissions, models=token.models
            )
        self.limited = token is not None and (token.expires or token.rate) is not None
        # A second's worth may come at once, and a slow rate lets one request through.
        self._capacity = self._level = max(1.0, (token.rate if token else None) or 0.0)
        self._at = time.monotonic()
        self._ends = token.expires.timestamp() if token and token.expires else math.inf

    def count(self, now: float) -> None:
        """Take one request off what may be sent.

        Raises:
            AccessError: the token is expired.
            OverloadError: nothing is left.
        """
        token = self.token
        assert token is not None
        if time.time() >= self._ends:
            message = (
                f"The token {token.name!r} expired at {token.expires}. Ask for another "
                f"one: maasnb token create --permission {_highest(token)}"
            )
            raise AccessError(message)
        if token.rate is None:
            return
        self._level = min(self._capacity, self._level + (now - self._at) * token.rate)
        self._at = now
        if self._level < 1:
            wait_s = (1 - self._level) / token.rate
            message = (
                f"The token {token.name!r} may send {token.rate:g} requests a second and sent "
                f"more; expected the next one in {wait_s:.3g} s."
            )
            raise OverloadError(message, retry_after_s=wait_s)
        self._level -= 1


def principal_of(scope: Scope) -> Principal:
    """Return who sent a request that the application let through; nobody on a public path."""
    return scope.get("maasnb.principal", NOBODY)


@functools.lru_cache(maxsize=4096)
def _matches(patterns: tuple[str, ...], model: str) -> bool:
    return any(fnmatch.fnmatchcase(model, pattern) for pattern in patterns)


def _highest(token: IssuedToken) -> str:
    return next((each for each in PERMISSIONS[::-1] if each in token.permissions), "predict")


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _refusal(given: bytes) -> AccessError:
    what = "is not known to this server" if given else "is missing"
    message = (
        f"The token {what}; expected the header 'Authorization: Bearer ...' with a token that "
        "'maasnb token create' printed and nobody revoked, or with the content of the file 'token' "
        "in the server's workspace."
    )
    return AccessError(message)
