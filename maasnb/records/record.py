"""A run's folder: what the run is, what happened in it, and what came of it.

`run.json` says what the run is, `events.jsonl` holds its events, and `checkpoints/` its states.
"""

import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from safetensors.numpy import save

from maasnb.errors import OptionError, WorkspaceError
from maasnb.events import Event, encode, read
from maasnb.files import write_whole
from maasnb.settings import workspace, writable_folder

__all__ = ["RUN_SCHEMA", "Record", "read_events", "read_summary", "runs_folder"]

RUN_SCHEMA = 1
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

    def __init__(self, name: str, summary: Mapping[str, Any]) -> None:
        """Make a new folder; where the name is taken, NAME-2, NAME-3, ... are tried.

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
        self.folder = _new_folder(writable_folder(runs_folder()), name)
        self.name = self.folder.name
        self._summary = {
            "schema": RUN_SCHEMA,
            "name": self.name,
            "created": time.time(),
            "pid": os.getpid(),
            **summary,
        }
        self._write_summary()
        self._events: TextIO = (self.folder / "events.jsonl").open("a", encoding="utf-8")

    @property
    def summary(self) -> Mapping[str, Any]:
        """Return what `run.json` holds."""
        return self._summary

    def append(self, event: Event) -> None:
        """Append one event to the log."""
        self._events.write(encode(event) + "\n")
        self._events.flush()

    def save_checkpoint(self, step: int, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Path:
        """Write the arrays of a state as `checkpoints/<step>.safetensors`, whole or not at all."""
        folder = writable_folder(self.folder / "checkpoints")
        path = folder / f"{step}.safetensors"
        # Not np.ascontiguousarray, which makes a single number an array of one.
        whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        write_whole(path, save(whole, metadata={"step": str(step)}))
        return path

    def close(self, outcome: Mapping[str, Any]) -> None:
        """Close the log and add the outcome to `run.json`."""
        self._events.close()
        self._summary.update(outcome)
        self._write_summary()

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
