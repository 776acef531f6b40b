"""What the sidebar shows of a kernel and its workspace, as rows of plain JSON values.

Nothing is computed on a device and no framework is imported, so the rows may be asked for several
times a second while a run trains.
"""

import functools
import math
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from maasnb.backends import BACKENDS, backend_named
from maasnb.backends.protocol import Backend
from maasnb.client.endpoint import Endpoint
from maasnb.events import Event, Stepped
from maasnb.panels.buckets import bucketed, width_for
from maasnb.panels.feed import feed_of, resident_mb
from maasnb.records.history import History
from maasnb.records.listing import RunRow, runs
from maasnb.records.record import read_events, runs_folder

__all__ = [
    "MOST_RUNS",
    "Workspace",
    "curve_of",
    "devices_of",
    "endpoints_in",
    "memory",
    "models_in",
    "run_row",
]

MOST_RUNS = 500
MOST_MODELS = 50
MOST_POINTS = 32
"""A sparkline is about as many pixels wide, and a row stays below half a kilobyte."""
MOST_CURVES = 40
MOST_LOG_BYTES = 4_000_000
"""The log of a run that ended is only read for its sparkline where it is not longer."""
LOWER_IS_BETTER = frozenset({"loss", "mae"})

Row = dict[str, Any]
Array = np.ndarray[Any, np.dtype[Any]]


def run_row(run: Any) -> Row:  # noqa: ANN401 - a run, by its attributes
    """Return the row of a run of this kernel; it may be training meanwhile."""
    losses = run.history.losses
    loss = float(losses[-1]) if len(losses) else math.nan
    speed = run.history.steps_per_s
    left = (run.total_steps - run.steps) / speed if speed > 0 else math.nan
    feed = feed_of(run.name)
    ended = feed.ended if feed is not None else None
    return {
        "name": run.name,
        "status": run.status,
        "step": run.steps,
        "steps": run.total_steps,
        "loss": _finite(loss),
        "curve": curve_of(losses),
        "best": _best(run),
        "seconds": round(run.seconds, 1),
        "left_s": _finite(left) if run.status == "running" else None,
        "backend": run.backend.name,
        "data": run.data.name,
        "here": True,
        "reason": ended.reason if ended is not None else "",
    }


def curve_of(losses: Array, most: int = MOST_POINTS) -> list[float | None]:
    """Return the means of equal parts of a run's losses, a number that is not finite as None."""
    means = bucketed(losses, width_for(len(losses), 1, most))[:, 1]
    return [_finite(float(each)) for each in means]


def _best(run: Any) -> list[Any] | None:  # noqa: ANN401 - a run, by its attributes
    """Return the name and the best value of the metric that people look at first."""
    names = [*run.task.metrics, "loss"]
    for name in names:
        seen = [event.metrics[name] for event in run.history.validated if name in event.metrics]
        finite = [value for value in seen if math.isfinite(value)]
        if finite:
            return [name, _finite((min if name in LOWER_IS_BETTER else max)(finite))]
    return None


class Workspace:
    """Read the rows of runs that are not this kernel's, each record only when it has changed."""

    def __init__(self) -> None:
        """Begin without any record read."""
        self._lock = threading.Lock()
        self._curves: dict[str, tuple[float, list[float | None]]] = {}

    def rows(self, skip: Iterable[str]) -> tuple[list[Row], int]:
        """Return the newest runs of the workspace, and how many there are.

        Args:
            skip: the names of runs that have a row already.
        """
        here = set(skip)
        with self._lock:
            all_rows = runs().rows
            others = [row for row in all_rows if row.name not in here][:MOST_RUNS]
            found = [self._row(row, place < MOST_CURVES) for place, row in enumerate(others)]
        return found, len(others) + len(here)

    def _row(self, row: RunRow, drawn: bool) -> Row:  # noqa: FBT001 - a step of `rows`
        metric = next(
            ([name, _finite(value)] for name, value in row.metrics.items() if name != "loss"),
            ["loss", _finite(row.metrics["loss"])] if "loss" in row.metrics else None,
        )
        going_on = row.status in ("running", "paused")
        return {
            "name": row.name,
            "status": "elsewhere" if going_on else row.status,
            "step": row.steps,
            "steps": row.steps,
            "loss": None,
            "curve": self._curve(row.name) if drawn else [],
            "best": metric,
            "seconds": _finite(round(row.seconds, 1)) or 0,
            "left_s": None,
            "backend": row.backend,
            "data": row.data,
            "here": False,
            "reason": "",
        }

    def _curve(self, name: str) -> list[float | None]:
        folder = runs_folder() / name
        try:
            found = (folder / "events.jsonl").stat()
            known = self._curves.get(name)
            if known is not None and known[0] == found.st_mtime:
                return known[1]
            short = found.st_size <= MOST_LOG_BYTES
            curve = curve_of(_losses(read_events(folder))) if short else []
        except OSError:
            return []
        self._curves[name] = (found.st_mtime, curve)
        return curve


def _losses(events: Iterator[Event]) -> Array:
    history = History()
    for event in events:
        if isinstance(event, Stepped):
            history.add(event)
    return history.losses


def models_in(names: Mapping[str, Any]) -> list[Row]:
    """Return a row for each model that has a name in a notebook.

    Args:
        names: the notebook's variables.
    """
    rows: dict[int, Row] = {}
    for name, value in list(names.items()):
        if name.startswith("_") or isinstance(value, type) or id(value) in rows:
            continue
        try:
            backend = _owner(value)
            if backend is None:
                continue
            count = sum(each.count for each in backend.parameters(value))
        except Exception:  # noqa: BLE001 - a strange model must not empty the sidebar
            continue
        kind = type(value).__name__
        rows[id(value)] = {
            "name": name, "type": kind, "backend": backend.name, "parameters": count,
        }  # fmt: skip
        if len(rows) == MOST_MODELS:
            break
    return list(rows.values())


def _owner(value: object) -> Backend | None:
    """Return the backend of a model, of the frameworks that are loaded."""
    for name, (package, _) in BACKENDS.items():
        if package in sys.modules and backend_named(name).owns(value):
            return backend_named(name)
    return None


def endpoints_in(names: Mapping[str, Any]) -> dict[str, Endpoint]:
    """Return the endpoints of a notebook by variable, one for each model of a server."""
    found: dict[tuple[str, str], tuple[str, Endpoint]] = {}
    for name, value in list(names.items()):
        if isinstance(value, Endpoint) and not name.startswith("_"):
            found[value.server, value.name] = (name, value)
    return dict(found.values())


def devices_of(models: Iterable[Row]) -> list[Row]:
    """Return the devices of the frameworks that hold a model already; no other is started."""
    return [
        {"backend": name, "name": device.name, "description": device.description}
        for name in sorted({row["backend"] for row in models})
        for device in backend_named(name).devices()
    ]


def memory() -> Row:
    """Return how much memory the kernel holds and the machine has, in MB; None where not told."""
    return {"kernel_mb": resident_mb(), "machine_mb": _machine_mb()}


@functools.cache
def _machine_mb() -> float | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return round(int(file.readline().split()[1]) / 1000)
    except (OSError, ValueError, IndexError):
        return None


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
