"""The verb `runs`: the runs of this workspace, the newest first."""

import dataclasses
import datetime as dt
import os
from collections.abc import Mapping
from typing import Any, ClassVar

from maasnb.errors import WorkspaceError
from maasnb.language.translating import translated
from maasnb.records.record import read_summary, runs_folder
from maasnb.tables import aligned

__all__ = ["NO_RUNS", "RunRow", "Runs", "runs", "status_of"]

NO_RUNS = "There are no runs in this workspace yet. Type: %maas train net data"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """Describe one run of the workspace in a line."""

    name: str
    status: str
    created: float
    backend: str
    model: str
    data: str
    steps: int
    seconds: float
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Runs:
    """Hold the runs of a workspace, the newest first."""

    columns: ClassVar[tuple[str, ...]] = (
        "run",
        "status",
        "started",
        "backend",
        "data",
        "steps",
        "seconds",
        "validation",
    )

    rows: tuple[RunRow, ...]

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.rows)

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return a row a run, as text, in the order of `columns`."""
        return tuple(_cells(row) for row in self.rows)

    def __str__(self) -> str:
        """Return the table as text, or what to do where there are no runs."""
        if not self.rows:
            return translated(NO_RUNS)
        return aligned(self.table(), self.columns)

    __repr__ = __str__


def runs() -> Runs:
    """List the runs of this workspace, the newest first."""
    folder = runs_folder()
    rows = []
    for each in folder.iterdir() if folder.is_dir() else ():
        try:
            rows.append(_row(read_summary(each)))
        except (WorkspaceError, ValueError, TypeError):  # no run, or a torn or strange one
            continue
    return Runs(tuple(sorted(rows, key=lambda row: row.created, reverse=True)))


def _row(summary: dict[str, Any]) -> RunRow:
    return RunRow(
        name=str(summary.get("name", "?")),
        status=status_of(summary),
        created=float(summary.get("created", 0)),
        backend=str(summary.get("backend", "?")),
        model=str(summary.get("model", "?")),
        data=str(dict(summary.get("data", {})).get("name", "?")),
        steps=int(summary.get("steps", 0)),
        seconds=float(summary.get("seconds", 0)),
        metrics={name: float(value) for name, value in dict(summary.get("metrics", {})).items()},
    )


def status_of(summary: Mapping[str, Any]) -> str:
    """Return a run's status; one whose kernel is gone without a word is `"lost"`."""
    if "status" in summary:
        return str(summary["status"])
    if os.name == "nt":  # there, signal 0 is Ctrl-C, and nothing else asks without a package
        return "running"
    try:
        os.kill(int(summary["pid"]), 0)  # signal 0 only asks whether the process is there
    except (KeyError, ValueError, TypeError, OverflowError, ProcessLookupError):
        return "lost"
    except PermissionError:  # it is there, and another user's
        pass
    return "running"


def _cells(row: RunRow) -> tuple[str, ...]:
    started = dt.datetime.fromtimestamp(row.created).astimezone().strftime("%Y-%m-%d %H:%M")
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in row.metrics.items())
    seconds = f"{row.seconds:.1f}"
    return row.name, row.status, started, row.backend, row.data, str(row.steps), seconds, metrics
