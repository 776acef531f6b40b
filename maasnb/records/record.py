"""A run's folder: what the run is, what happened in it, and what came of it.

`run.json` says what the run is, `events.jsonl` holds its events, and `checkpoints/` its states.
"""

import json
import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maasnb.errors import OptionError, TrainingError, WorkspaceError
from maasnb.events import Event, encode, read
from maasnb.files import lock_file, write_whole
from maasnb.settings import workspace, writable_folder

__all__ = ["RUN_SCHEMA", "Record", "events_of", "read_events", "read_summary", "runs_folder"]

RUN_SCHEMA = 1
_BINARY = getattr(os, "O_BINARY", 0)  # on Windows, or lines would end otherwise
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def runs_folder() -> Path:
    """Return the folder of all runs of this workspace; it need not exist yet."""
    return workspace() / "runs"


class Record:
    """Write one run's folder.

    Attributes:
        name: the run's name, which is also the folder's.
        folder: the folder.
    """

    def __init__(self, name: str, summary: Mapping[str, Any], log: bytes = b"") -> None:
        """Make a new folder; where the name is taken, NAME-2, NAME-3, ... are tried.

        Args:
            name: the run's name.
            summary: what `run.json` is to hold.
            log: the lines of an earlier run that this one continues.

        Raises:
            OptionError: the name cannot be a folder's.
            WorkspaceError: the workspace cannot be written.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            message = (
                f"{name!r} cannot be the name of a run; expected up to 64 letters, digits, '.', "
                "'_' or '-', the first a letter or a digit. Type: name='first-try'"
            )
            raise OptionError(message)
        folder = _new_folder(writable_folder(runs_folder()), name)
        self._open(
            folder,
            {
                "schema": RUN_SCHEMA,
                "name": folder.name,
                "created": time.time(),
                "pid": os.getpid(),
                **summary,
            },
        )
        self._write_summary()
        self._send(log)

    @classmethod
    def reopen(cls, folder: Path, log_bytes: int) -> "Record":
        """Open the folder of a run that ended or was lost, its log cut to `log_bytes`.

        Raises:
            TrainingError: the run is going on, here or in another process.
            WorkspaceError: the folder holds no run.
        """
        record = cls.__new__(cls)
        summary = read_summary(folder)
        for outcome in ("status", "reason"):
            summary.pop(outcome, None)
        record._open(folder, {**summary, "pid": os.getpid()})
        os.truncate(folder / "events.jsonl", log_bytes)
        record._length = log_bytes
        record._write_summary()
        return record

    def _open(self, folder: Path, summary: dict[str, Any]) -> None:
        self.folder = folder
        self.name = folder.name
        self._summary = summary
        self._log = os.open(
            folder / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o644
        )
        if not _locked(self._log):
            os.close(self._log)
            message = (
                f"The run {self.name!r} is still going on (process {summary.get('pid')}). Stop it "
                "there, or wait until it has ended."
            )
            raise TrainingError(message)
        self._unwritten = b""
        self._complained = False
        self._length = os.fstat(self._log).st_size
        self._lock = threading.Lock()

    @property
    def summary(self) -> Mapping[str, Any]:
        """Return what `run.json` holds."""
        return self._summary

    @property
    def log_bytes(self) -> int:
        """Return how long the log of events is."""
        return self._length

    def append(self, event: Event) -> str:
        """Append one event to the log.

        Returns:
            Why it cannot be written (a full disk), said once; else nothing. What could not be
            written is tried again with the next event, so that no line is lost while the run lives.
        """
        return self._send(encode(event).encode() + b"\n")

    def sync(self) -> None:
        """Have the log so far on the disk, as a checkpoint that counts on it needs."""
        with self._lock:
            if self._log >= 0:
                os.fsync(self._log)

    def close(self, outcome: Mapping[str, Any]) -> None:
        """Close the log and add the outcome to `run.json`.

        Raises:
            WorkspaceError: the outcome cannot be written.
        """
        self._send(b"")
        with self._lock:
            log, self._log = self._log, -1
        if log >= 0:
            os.close(log)
        self._summary.update(outcome)
        self._write_summary()

    def _send(self, lines: bytes) -> str:
        self._unwritten += lines
        self._length += len(lines)
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[os.write(self._log, self._unwritten) :]
        except OSError as error:
            complained, self._complained = self._complained, True
            words = (
                f"The log {str(self.folder / 'events.jsonl')!r} cannot be written "
                f"({error.strerror or error}); training goes on, and it is tried again. Make room."
            )
            return "" if complained else words
        self._complained = False
        return ""

    def _write_summary(self) -> None:
        text = json.dumps(_without_nan(self._summary), indent=1, allow_nan=False)
        write_whole(self.folder / "run.json", text.encode() + b"\n")


def read_summary(folder: Path) -> dict[str, Any]:
    """Return what a run's `run.json` holds.

    Raises:
        WorkspaceError: there is none, or it is torn.
    """
    try:
        summary = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if not isinstance(summary, dict):
            message = "run.json holds no object"
            raise ValueError(message)
    except (OSError, ValueError) as error:
        message = f"The run {folder.name!r} cannot be read: {error}. Its folder is {str(folder)!r}."
        raise WorkspaceError(message) from error
    return summary


def events_of(log: bytes) -> Iterator[Event]:
    """Yield the events of a part of a log."""
    return read(log.decode(errors="replace").splitlines())


def read_events(folder: Path) -> Iterator[Event]:
    """Yield a run's events from its log."""
    with (folder / "events.jsonl").open(encoding="utf-8", errors="replace") as lines:
        yield from read(lines)


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Write NaN and infinities as in the events, as strings: JSON has no such numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return value


def _locked(file: int) -> bool:
    """Say whether a file is this process's own now, as far as locks can tell."""
    if os.name == "nt":  # there a lock keeps readers out too
        return True
    try:
        return lock_file(file, wait=False)
    except OSError:  # a file system without locks
        return True


def _new_folder(parent: Path, name: str) -> Path:
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            message = (
                f"The folder {str(folder)!r} cannot be created ({error.strerror or error}). "
                "Make room or give its parent write permission, then run the cell again."
            )
            raise WorkspaceError(message) from error
        else:
            return folder
