"""A run's states on the disk: written whole by a thread of their own, checked when they are read.

A checkpoint is `checkpoints/<step>.safetensors`: a state's arrays, and as metadata what a resumed
run must know, with a checksum of the arrays. The newest three stay, the one with the best
validation, and the one that the run began with. What a write needs is copied before, so training
goes on meanwhile.
"""

import contextlib
import dataclasses
import functools
import json
import queue
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from maasnb.errors import WorkspaceError
from maasnb.files import whole_file
from maasnb.settings import writable_folder

__all__ = [
    "Arrays",
    "Checkpoint",
    "Checkpoints",
    "Mark",
    "checkpoint_steps",
    "read_checkpoint",
    "write_checkpoint",
]

_NEWEST = 3

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Say where in its run a state was.

    Attributes:
        step: how many steps the run had taken.
        log_bytes: how long the log of events was, which a resumed run cuts to this length.
        knobs: what had been set, by name.
        seconds: how long the training had taken.
    """

    step: int
    log_bytes: int
    knobs: Mapping[str, float | None]
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Hold a checkpoint that was read."""

    mark: Mark
    arrays: Arrays
    metadata: Mapping[str, str]


def checkpoint_steps(folder: Path) -> list[int]:
    """Return the steps of a run's checkpoints, the oldest first; `folder` is the run's."""
    names = (path.stem for path in (folder / "checkpoints").glob("*.safetensors"))
    return sorted(int(name) for name in names if name.isdecimal())


def _place(folder: Path, step: int) -> Path:
    return folder / "checkpoints" / f"{step}.safetensors"


def write_checkpoint(folder: Path, mark: Mark, arrays: Arrays, about: Mapping[str, str]) -> Path:
    """Write a state, whole or not at all.

    Args:
        folder: the run's.
        mark: where in the run the state was.
        arrays: the state.
        about: more metadata, such as versions.

    Raises:
        WorkspaceError: it cannot be written; what was there stays.
    """
    writable_folder(folder / "checkpoints")
    # Not np.ascontiguousarray, which makes a single number an array of one.
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    metadata = {
        **about,
        **{name: json.dumps(value) for name, value in dataclasses.asdict(mark).items()},
        "crc32": str(_checksum(whole)),
    }
    path = _place(folder, mark.step)
    with whole_file(path) as beside:
        try:
            save_file(whole, beside, metadata=metadata)
        except SafetensorError as error:  # its word for every failure, a full disk too
            raise OSError(str(error)) from error
    return path


def read_checkpoint(folder: Path, step: int) -> Checkpoint:
    """Read a checkpoint and check that it is what was written.

    Raises:
        WorkspaceError: it is not there, torn or damaged.
    """
    path = _place(folder, step)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        fields = [field.name for field in dataclasses.fields(Mark)]
        mark = Mark(**{name: json.loads(metadata[name]) for name in fields})
        whole = _checksum(arrays) == int(metadata["crc32"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        message = f"The checkpoint {str(path)!r} cannot be read: {error!r}"
        raise WorkspaceError(message) from error
    if not whole:
        message = f"The checkpoint {str(path)!r} is damaged: its checksum does not fit."
        raise WorkspaceError(message)
    return Checkpoint(mark=mark, arrays=arrays, metadata=metadata)


class _Writer:
    """Do one thing after another in a thread of its own.

    No ThreadPoolExecutor, which takes nothing more once the interpreter begins to end; then a
    run's last checkpoint could not be written.
    """

    def __init__(self, name: str) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(
            target=self._work, name=f"maasnb checkpoints {name}", daemon=True
        )

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:  # noqa: ANN401 - the task's
        if self._thread.ident is None:
            self._thread.start()
        future: Future[Any] = Future()
        self._tasks.put((future, functools.partial(task, *arguments)))
        return future

    def close(self) -> None:
        if self._thread.ident is not None:
            self._tasks.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            future, task = item
            try:
                future.set_result(task())
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future has it
                future.set_exception(error)


class Checkpoints:
    """Write one run's checkpoints, each in its turn, and delete those that are no longer needed."""

    def __init__(self, folder: Path, about: Mapping[str, str], before: Callable[[], None]) -> None:
        """Take the run's folder, metadata for all, and what is to be done before each write."""
        self._folder = folder
        self._about = dict(about)
        self._before = before
        self._first: int | None = None
        self._best: int | None = None
        self._complaint = ""
        self._complained = False
        self._lock = threading.Lock()
        self._writer = _Writer(folder.name)
        self._latest: Future[Any] | None = None
        with contextlib.suppress(OSError):
            for torn in (folder / "checkpoints").glob(".*"):  # of a process that was killed
                torn.unlink()

    @property
    def busy(self) -> bool:
        """Say whether a write is under way."""
        return self._latest is not None and not self._latest.done()

    @property
    def steps(self) -> list[int]:
        """Return the steps of the checkpoints on the disk, the oldest first."""
        return checkpoint_steps(self._folder)

    def write(
        self,
        mark: Mark,
        arrays: Callable[[], Arrays],
        *,
        first: bool = False,
        best: bool = False,
    ) -> Future[Path | None]:
        """Have a state written; training goes on meanwhile.

        Args:
            mark: where in the run the state was.
            arrays: returns the state; called in the writing thread.
            first: whether it is what the run began with.
            best: whether its validation is the best one so far.

        Returns:
            Its file, or None where it could not be written, when that is known.
        """
        self._first = mark.step if first else self._first
        self._best = mark.step if best else self._best
        self._latest = self._writer.submit(self._write, mark, arrays)
        return self._latest

    def pin(self, *, first: int, best: int | None) -> None:
        """Say which ones of an earlier process stay."""
        self._first, self._best = first, best

    def forget_after(self, step: int) -> None:
        """Delete those of later steps, after all writes under way: the run has gone back."""
        if self._best is not None and self._best > step:
            self._best = None
        self._writer.submit(self._delete, lambda each: each > step).result()

    def complaint(self) -> str:
        """Return, once, why a checkpoint could not be written; empty where all is well."""
        with self._lock:
            words, self._complaint = self._complaint, ""
        return words

    def close(self) -> None:
        """Wait for all writes."""
        self._writer.close()

    def _write(self, mark: Mark, arrays: Callable[[], Arrays]) -> Path | None:
        try:
            self._before()
            path = write_checkpoint(self._folder, mark, arrays(), self._about)
            kept = {*self.steps[-_NEWEST:], self._first, self._best, mark.step}
            self._delete(lambda step: step not in kept)
        except Exception as error:  # noqa: BLE001 - no failure of a checkpoint stops training
            self._complain(error)
            return None
        self._complained = False
        return path

    def _delete(self, unwanted: Callable[[int], bool]) -> None:
        for step in self.steps:
            if unwanted(step):
                with contextlib.suppress(OSError):
                    _place(self._folder, step).unlink()

    def _complain(self, error: Exception) -> None:
        with self._lock:
            if not self._complained:
                whole = self.steps
                left = f"step {whole[-1]}" if whole else "none"
                self._complaint = (
                    f"A checkpoint could not be written; training goes on. The last good one: "
                    f"{left}. {error}"
                )
            self._complained = True


def _checksum(arrays: Arrays) -> int:
    total = 0
    for name in sorted(arrays):
        total = zlib.crc32(arrays[name].reshape(-1).view(np.uint8).data, total)
    return total
