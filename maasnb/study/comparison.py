"""The verb `compare`: several runs in one table and one picture, the best one first."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.errors import DataError, UnknownNameError, unknown_name
from maasnb.records.listing import runs as all_runs
from maasnb.records.observing import run_named
from maasnb.records.past import PastRun, read_run
from maasnb.records.run import Run
from maasnb.study.reports import Report

__all__ = ["compare", "differences"]

_RISING = ("accuracy", "f1", "f1_micro", "r2")
"""Metrics of which more is better; of all others, as of losses, less is."""
_MOST_RUNS = 50
_MOST_POINTS = 400


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Hold what is compared of one run."""

    name: str
    status: str
    steps: int
    seconds: float
    metrics: Mapping[str, float]
    settings: Mapping[str, Any]
    curve: np.ndarray[Any, Any]
    folder: str


def compare(*runs: Run | str, metric: str | None = None) -> Report:
    """Compare runs: a table sorted by a metric, with the settings in which they differ.

    Args:
        *runs: runs, or names of runs of this workspace; by default all of the workspace.
        metric: loss, or a metric that the runs were validated by; by default the first one that all
            runs have.

    Returns:
        The report: a row a run, the best one first, and a picture of their losses.

    Raises:
        UnknownNameError: there is no such run, or no such metric.
        DataError: there is nothing to compare.
    """
    chosen: Sequence[Run | str] = runs or [row.name for row in all_runs().rows[:_MOST_RUNS]]
    rows = [_row(each) for each in chosen]
    if not rows:
        message = "There are no runs in this workspace yet. Type: %maas train net data"
        raise DataError(message)
    metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
    by = _metric(rows, metrics, metric)
    rows = sorted(rows, key=lambda row: _rank(row, by))
    different, same = _settings([row.settings for row in rows])
    shown = [name for name in metrics if name != by]
    return Report(
        kind="comparison",
        title=f"{len(rows)} runs, the best one by validation {by} first"
        if len(rows) > 1
        else "1 run",
        columns=("run", by, *shown, *different, "steps", "seconds", "status", "record"),
        rows=[
            (
                row.name,
                *(_number(row.metrics.get(name)) for name in (by, *shown)),
                *(_text(row.settings.get(name)) for name in different),
                f"{row.steps:,}",
                f"{row.seconds:.1f}",
                row.status,
                row.folder,
            )
            for row in rows
        ],
        notes=_notes(different, same),
        values={row.name: row.metrics.get(by, math.nan) for row in rows},
        data={
            "names": np.array([row.name for row in rows]),
            **{f"curve {place}": row.curve for place, row in enumerate(rows)},
        },
    )


def differences(runs: Sequence[Run | PastRun]) -> dict[str, list[str]]:
    """Return the settings in which runs differ, by name: of each run what it was, as text."""
    given = [_given(run) for run in runs]
    different, _ = _settings(given)
    return {name: [_text(each.get(name)) for each in given] for name in different}


def _row(run: Run | str) -> _Row:
    found: Run | PastRun = _found(run) if isinstance(run, str) else run
    losses = np.asarray(found.history.losses, np.float64)
    return _Row(
        name=found.name,
        status=found.status,
        steps=found.steps,
        seconds=found.seconds,
        metrics=dict(found.metrics),
        settings=_given(found),
        curve=_curve(losses),
        folder=f"runs/{found.folder.name}",
    )


def _given(run: Run | PastRun) -> dict[str, Any]:
    """Return what a person chose for a run, by name."""
    chosen = {name: value for name, value in run.settings.items() if name != "mode"}
    return {"backend": run.backend.name, "data": run.data.name, **chosen}


def _found(name: str) -> Run | PastRun:
    try:
        return run_named(name)
    except UnknownNameError:
        return read_run(name)


def _curve(losses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return steps and mean losses [2, points] of at most `_MOST_POINTS` equal parts."""
    width = max(1, -(-len(losses) // _MOST_POINTS))
    parts = [losses[start : start + width] for start in range(0, len(losses), width)]
    ends = [min(start + width, len(losses)) for start in range(0, len(losses), width)]
    return np.array([ends, [part.mean() for part in parts]], np.float64)


def _metric(rows: Sequence[_Row], metrics: Sequence[str], metric: str | None) -> str:
    if not metrics:
        message = "No run has been validated yet; give the data a validation split, or wait."
        raise DataError(message)
    if metric is not None:
        if metric not in metrics:
            raise unknown_name("metric of these runs", metric, metrics)
        return metric
    common = [name for name in metrics if all(name in row.metrics for row in rows)]
    others = [name for name in common if name != "loss"]
    return (others or common or metrics)[0]


def _rank(row: _Row, by: str) -> float:
    value = row.metrics.get(by, math.nan)
    if not math.isfinite(value):
        return math.inf
    return -value if by in _RISING else value


def _settings(runs: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[tuple[str, Any]]]:
    """Return the names of the settings that differ, and those that are the same."""
    names = list(dict.fromkeys(name for run in runs for name in run))
    names = [name for name in names if name != "steps"]  # a column of its own says how many it took
    different, same = [], []
    for name in names:
        values = [run.get(name) for run in runs]
        if all(value == values[0] for value in values):
            same.append((name, values[0]))
        else:
            different.append(name)
    return different, same


def _notes(different: Sequence[str], same: Sequence[tuple[str, Any]]) -> tuple[str, ...]:
    notes = []
    if different:
        notes.append(f"They differ in {', '.join(different)}.")
    plain = [f"{name} {_text(value)}" for name, value in same if _tells(value)]
    if plain:
        notes.append(f"The same in all: {', '.join(plain)}.")
    return tuple(notes)


def _tells(value: object) -> bool:
    return (
        isinstance(value, int | float | str | Mapping)
        and not isinstance(value, bool)
        and _text(value) != ""
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):  # an optimizer: its name, and its numbers where it has some
        given = [f"{key} {_text(each)}" for key, each in value.items() if isinstance(each, float)]
        return " ".join([str(value.get("name", "")), *given]).strip()
    return f"{value:g}" if isinstance(value, float) else str(value)
