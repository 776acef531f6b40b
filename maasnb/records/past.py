"""A run that is read from its record: what it was, what it showed, and how it ended."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from maasnb.errors import WorkspaceError, unknown_name
from maasnb.events import Ended, Event, Intervened, Started
from maasnb.records.history import History
from maasnb.records.listing import runs, status_of
from maasnb.records.record import read_events, read_summary, runs_folder
from maasnb.tasks import Task

__all__ = ["Named", "PastRun", "read_run"]


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """Stand for data or a backend of which only the name is known."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """Hold what the record of a run tells; it cannot be steered.

    Attributes:
        name: the run's name.
        folder: where its record is.
        status: how it ended; `"lost"` if its kernel ended without a word, `"elsewhere"` if another
            kernel is training it.
        settings: its options, as `run.json` has them.
        task: what it was trained for.
        data: the data, by name only.
        backend: the backend, by name only.
        origin: the run and the step that it was forked from, or None.
        history: its losses, statistics, validations and interventions.
        steps: how many steps it had taken.
        total_steps: how many it was to take.
        steps_per_epoch: how many make one pass over the training split.
        epochs: how many passes it was to make.
        seconds: the wall time of the training.
        metrics: loss and metrics at the end.
        error: None; a record holds the reason in words.
    """

    name: str
    folder: Path
    status: str
    settings: Mapping[str, Any]
    task: Task
    data: Named
    backend: Named
    origin: Mapping[str, Any] | None
    history: History
    steps: int
    total_steps: int
    steps_per_epoch: int
    epochs: int
    seconds: float
    metrics: Mapping[str, float]
    error: BaseException | None = None


def read_run(name: str, tell: Callable[[Event], object] = lambda event: None) -> PastRun:
    """Read a run of this workspace from its record.

    Args:
        name: the run's name.
        tell: is called with each event, in order.

    Raises:
        UnknownNameError: there is no such run; offers the nearest one.
        WorkspaceError: its record cannot be read.
    """
    folder = runs_folder() / name
    if Path(name).name != name or not (folder / "run.json").is_file():
        known = [row.name for row in runs().rows]
        raise unknown_name("run in this workspace", name, known, "Type: %maas runs")
    summary = read_summary(folder)
    history = History()
    steps, total, per_epoch, seconds = 0, 0, 0, 0.0
    try:
        for event in read_events(folder):
            history.add(event)
            tell(event)
            steps = event.step
            if isinstance(event, Started):
                total, per_epoch = event.steps, event.steps_per_epoch
            elif isinstance(event, Ended):
                seconds = event.seconds
            elif isinstance(event, Intervened) and event.action == "rollback":
                steps = int(event.value or 0)
        task = Task.from_json(summary["task"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        message = (
            f"The record of the run {name!r} cannot be read: {error!r}. Its folder is {folder}."
        )
        raise WorkspaceError(message) from error
    status = status_of(summary)
    return PastRun(
        name=name,
        folder=folder,
        status="elsewhere" if status in ("running", "paused") else status,
        settings=dict(summary.get("settings", {})),
        task=task,
        data=Named(str(dict(summary.get("data", {})).get("name", "?"))),
        backend=Named(str(summary.get("backend", "?"))),
        origin=summary.get("origin"),
        history=history,
        steps=steps,
        total_steps=total,
        steps_per_epoch=per_epoch,
        epochs=total // per_epoch if per_epoch else 0,
        seconds=seconds,
        metrics=history.metrics,
    )
