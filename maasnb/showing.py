"""The verbs `show` and `history`: what a run was made with, and the cells that made the runs.

Both read `run.json`, where a run's cell is kept with secrets masked, so they work after the kernel
that trained it has gone, and in another notebook.
"""

import dataclasses
import datetime as dt
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from maasnb.errors import WorkspaceError, unknown_name
from maasnb.language.translating import translated, translated_rows
from maasnb.records.listing import NO_RUNS, RunRow, runs
from maasnb.records.record import read_summary, runs_folder
from maasnb.records.run import Run
from maasnb.tables import aligned
from maasnb.training.starting import train

__all__ = ["RunCard", "RunCells", "history", "show"]

_SHORT = 60


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunCard:
    """Hold what a run was made with.

    Attributes:
        name: the run's name.
        rows: what is known, as rows of (what, value).
        code: the cell that made the run; empty where it is not known.
        shows_code: whether the code is what is shown.
    """

    name: str
    rows: tuple[tuple[str, str], ...]
    code: str
    shows_code: bool

    def table(self) -> tuple[tuple[str, str], ...]:
        """Return the rows; none where the code is shown."""
        return () if self.shows_code else self.rows

    def __str__(self) -> str:
        """Return the code, or a table of what is known."""
        if self.shows_code:
            missing = f"No cell is known of the run {self.name!r}: a script made it."
            return self.code or translated(missing)
        shown = aligned(translated_rows(self.rows))
        rows = "\n".join(f"  {line}" for line in shown.splitlines())
        return f"{translated(f'Run {self.name!r}')}\n{rows}"

    __repr__ = __str__


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunCells:
    """Hold the cells that made the runs of a workspace, the newest run first."""

    columns: ClassVar[tuple[str, ...]] = ("run", "started", "status", "cell")

    cards: tuple[tuple[RunRow, str], ...]

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.cards)

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return a row a run, in the order of `columns`; of a cell the line that trains."""
        return tuple(
            (row.name, _when(row.created), row.status, _line(cell)) for row, cell in self.cards
        )

    def __str__(self) -> str:
        """Return the table as text, or what to do where there are no runs."""
        if not self.cards:
            return translated(NO_RUNS)
        return aligned(self.table(), self.columns)

    __repr__ = __str__


def show(run: Run | str, *, code: bool = False) -> RunCard:
    """Show what a run was made with: data, model, options, result; or the cell that made it.

    Args:
        run: a run, or the name of one of this workspace.
        code: show the cell that made the run, to be copied or run again.

    Returns:
        The card; `card.code` is the cell.

    Raises:
        UnknownNameError: there is no such run; offers the nearest one.
        WorkspaceError: its record cannot be read.
    """
    summary = read_summary(_folder(run))
    return RunCard(
        name=str(summary.get("name", "?")),
        rows=tuple((what, value) for what, value in _rows(summary) if value),
        code=_cell(summary),
        shows_code=code,
    )


def history() -> RunCells:
    """List the runs of this workspace with the cells that made them, the newest first."""
    return RunCells(cards=tuple((row, _cell_of(row.name)) for row in runs().rows))


def _folder(run: Run | str) -> Path:
    if isinstance(run, Run):
        return run.folder
    folder = runs_folder() / run
    if Path(run).name != run or not (folder / "run.json").is_file():
        known = [row.name for row in runs().rows]
        raise unknown_name("run in this workspace", run, known, "Type: %maas runs")
    return folder


def _cell_of(name: str) -> str:
    try:
        return _cell(read_summary(runs_folder() / name))
    except WorkspaceError:  # removed meanwhile
        return ""


def _cell(summary: Mapping[str, Any]) -> str:
    code = summary.get("code")
    return str(code.get("cell", "")) if isinstance(code, Mapping) else ""


def _rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    data, code, origin = (_mapping(summary, name) for name in ("data", "code", "origin"))
    created = summary.get("created")
    metrics = _mapping(summary, "metrics")
    return [
        ("status", str(summary.get("status", ""))),
        ("started", _when(float(created)) if isinstance(created, int | float) else ""),
        ("data", str(data.get("name", ""))),
        ("model", f"{summary.get('model', '?')}, {summary.get('parameters', '?')} parameters"),
        ("backend", str(summary.get("backend", ""))),
        ("options", _options(_mapping(summary, "options"))),
        ("forked from", ", step ".join(str(each) for each in origin.values())),
        ("steps", str(summary.get("steps", ""))),
        ("validation", ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())),
        ("commit", str(code.get("commit", ""))[:12]),
        ("cell", _line(_cell(summary))),
    ]


def _options(options: Mapping[str, Any]) -> str:
    """Return the options that are not `train`'s defaults."""
    usual = {each.name: each.default for each in inspect.signature(train).parameters.values()}
    given = {name: value for name, value in options.items() if value not in (usual.get(name), [])}
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def _mapping(summary: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = summary.get(name)
    return value if isinstance(value, Mapping) else {}


def _when(created: float) -> str:
    return dt.datetime.fromtimestamp(created).astimezone().strftime("%Y-%m-%d %H:%M")


def _line(cell: str) -> str:
    """Return the line of a cell that trains, else its first one, short enough for a table."""
    lines = [line.strip() for line in cell.splitlines() if line.strip()]
    words = ("train", "fork", "replay")
    made = (line for line in lines if any(word in line for word in words))
    line = next(made, lines[0] if lines else "")
    return line if len(line) <= _SHORT else line[: _SHORT - 3] + "..."
