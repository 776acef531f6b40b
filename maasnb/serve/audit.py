"""The audit log: who changed what and when, one JSON line each, only ever appended to.

A route says what it is about by `note`; the application writes the line when the request is
answered, with its status. So a refused upload stands in the log too, and no route can forget it.
"""

import datetime as dt
import getpass
import json
import logging
import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from maasnb.serve.access import principal_of
from maasnb.serve.answers import Scope, Send

__all__ = ["AUDIT_FILE", "AuditLog", "note", "note_failure", "shell_user"]

AUDIT_FILE = "audit.jsonl"
LONGEST_VALUE = 500
LOOK_BACK_BYTES = 1 << 16
# Requests with these methods change something, except those that ask a model.
CHANGING = frozenset({"DELETE", "PATCH", "POST", "PUT"})
CHANGING_PATHS = ("/maas/", "/v2/repository/models/")
# Anybody can cause these, as often as they like; the log must not grow by them.
UNLOGGED = frozenset({401, 429})

LOG = logging.getLogger(__name__)
NOTES = "maasnb.notes"
FAILURE = "maasnb.failure"


class AuditLog:
    """The audit log of a workspace."""

    def __init__(self, workspace: Path) -> None:
        """Take the workspace; the file is made at the first line."""
        self.path = workspace / AUDIT_FILE

    def write(self, who: str, action: str, **details: Any) -> None:  # noqa: ANN401 - JSON data
        """Append a line.

        Args:
            who: the name of the token, or of the user of a shell.
            action: what was done, such as `publish` or `token create`.
            details: what it was done to, as JSON data; long texts are cut.
        """
        time = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "who": who, "action": action, **details}
        short = {key: _cut(value) for key, value in line.items() if value is not None}
        content = json.dumps(short, ensure_ascii=False, default=str).encode() + b"\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # One call, so that lines of two processes do not mix.
                os.write(descriptor, content)
            finally:
                os.close(descriptor)
        except OSError:
            # What was done is done; refusing to answer would not undo it.
            LOG.exception("The audit log cannot be written; it lacks: %s", content.decode().strip())

    def following(self, scope: Scope, send: Send) -> Send:
        """Return a `send` that writes a request's line when its answer begins."""
        notes = scope[NOTES] = {}  # shared by the copies of the scope that the router makes

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                entry = _entry(scope, notes, message["status"])
                if entry is not None:
                    self.write(principal_of(scope).name, **entry)
            await send(message)

        return answer

    def read(self, limit: int, model: str | None = None) -> list[dict[str, Any]]:
        """Return the last lines, the newest last.

        Args:
            limit: how many at most.
            model: only those of this model; None for all.
        """
        found: list[dict[str, Any]] = []
        for line in self._backwards():
            if len(found) >= limit:
                break
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # cut off by a full disk
            if isinstance(entry, dict) and model in (None, entry.get("model")):
                found.append(entry)
        return found[::-1]

    def _backwards(self) -> Iterator[bytes]:
        """Yield the lines, the newest first, without reading more than is asked for."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            end, rest = file.seek(0, os.SEEK_END), b""
            while end > 0:
                start = max(0, end - LOOK_BACK_BYTES)
                file.seek(start)
                first, *lines = (file.read(end - start) + rest).split(b"\n")
                yield from reversed(lines)
                end, rest = start, first
            yield rest


def note(scope: Scope, action: str = "", **details: Any) -> None:  # noqa: ANN401 - JSON data
    """Say what a request is about, for the line that the audit log gets when it has ended.

    Args:
        scope: the request.
        action: what it does, such as `publish`; may be left out once it was said.
        details: what it does it to; a second note of the same request adds to the first.
    """
    scope.setdefault(NOTES, {}).update(details, **({"action": action} if action else {}))


def note_failure(scope: Scope, error: Exception) -> None:
    """Say why a request was refused, for the line that the audit log gets, if it gets one."""
    scope[FAILURE] = str(error)


def shell_user() -> str:
    """Return who works at this machine's shell, as the audit log names them."""
    try:
        return f"shell:{getpass.getuser()}"
    except (KeyError, OSError):
        return "shell"


def _entry(scope: Scope, notes: Mapping[str, Any], status: int) -> dict[str, Any] | None:
    """Return what the log says of an answered request; None for nothing.

    What was noted is logged. What was not is logged where it changed something, or tried to, except
    for blobs that were taken; those are named by the version that they come to.
    """
    path, end = scope["path"], {"status": status, "error": scope.get(FAILURE)}
    if status in UNLOGGED:
        return None
    if notes:
        return {**notes, **end}
    if scope["method"] not in CHANGING or not path.startswith(CHANGING_PATHS):
        return None
    if path.startswith("/maas/v1/blobs/") and status < 400:
        return None
    return {"action": f"{scope['method']} {path}", **end}


def _cut(value: object) -> object:
    return value[:LONGEST_VALUE] if isinstance(value, str) else value
