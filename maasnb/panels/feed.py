"""What a panel shows of a run, gathered from its events and told in small frames.

A reset frame holds everything so far; an append frame holds what came since, and carries the next
number, so that a reader notices a gap and asks for a reset. Losses travel as buckets
(`buckets.py`), at most five frames go out a second, and one holds at most `MOST_NEW` new buckets: a
faster run gets wider ones, and the reader asks for the detail of the part that it zooms into.
"""

import dataclasses
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.events import Ended, Event, Intervened, Measured, Stepped, Validated, Warned
from maasnb.panels.buckets import bucketed, halves, width_for

__all__ = ["Feed", "Frame", "feed_of"]

INTERVAL_S = 0.2
MOST_NEW = 32
MOST_RATES = 512
MOST_MEASURED = 256
MOST_VALIDATED = 512
MOST_NOTES = 200
MOST_STATISTICS = 48
"""So many numbers of one kind go into one append, or those of the newest measurement."""
SPEED_WINDOW_S = 3.0
MEMORY_INTERVAL_S = 1.0

Sender = Callable[["Frame"], None]

_feeds: "weakref.WeakValueDictionary[str, Feed]" = weakref.WeakValueDictionary()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Hold one message to the front end: JSON and binary parts."""

    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


def feed_of(name: str) -> "Feed | None":
    """Return the feed of a run of this kernel, as long as somebody holds the run."""
    return _feeds.get(name)


@dataclasses.dataclass(slots=True)
class _Pending:
    """Hold what the next append has to tell besides losses."""

    validated: list[Validated] = dataclasses.field(default_factory=list)
    interventions: list[Intervened] = dataclasses.field(default_factory=list)
    warnings: list[Warned] = dataclasses.field(default_factory=list)
    measured: list[Measured] = dataclasses.field(default_factory=list)


class Feed:
    """Turn one run's events into frames for any number of panels."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Take the run; `take` must be told its events."""
        self.run = run
        self.warnings: list[Warned] = []
        self.ended: Ended | None = None
        self._senders: list[Sender] = []
        self._lock = threading.RLock()
        self._number = 0
        self._step = run.steps
        self._next = 0.0
        self._width = 1
        self._sent = 0
        self._measured_sent = 0
        self._rates: list[tuple[int, float]] = []
        self._last: Stepped | None = None
        self._speeds: list[tuple[float, int, int]] = []
        self._samples = 0
        self._memory: tuple[float, float | None] = (-math.inf, None)
        self._pending = _Pending()
        _feeds[run.name] = self

    def connect(self, send: Sender) -> Callable[[], None]:
        """Have appends sent to one more panel, from its next reset on; return what ends that."""
        with self._lock:
            self._senders.append(send)

        def end() -> None:
            with self._lock:
                if send in self._senders:
                    self._senders.remove(send)

        return end

    def take(self, event: Event, run: Any = None) -> None:  # noqa: ANN401, ARG002 - a callback's form
        """Take one event into account; called in the training thread, after the run's history."""
        with self._lock:
            urgent = self._note(event)
            now = time.monotonic()
            if self._senders and (urgent or now >= self._next):
                self._next = now + INTERVAL_S
                self._tell(self._append())

    def tell_all(self) -> None:
        """Send every panel all there is; one of them has asked for it."""
        with self._lock:
            self._tell(self.reset())

    def remember(self, event: Event) -> None:
        """Take an event of a record into account, of which nobody is told."""
        with self._lock:
            self._note(event)
            self._pending = _Pending()
            self._speeds.clear()

    def _tell(self, frame: Frame) -> None:
        for send in list(self._senders):
            send(frame)

    def _note(self, event: Event) -> bool:
        """Remember an event; say whether a person should see it at once."""
        self._step = event.step
        if isinstance(event, Stepped):
            self._note_steps(event)
            return False
        if isinstance(event, Measured):
            self._note_statistics(event)
            return False
        if isinstance(event, Validated):
            self._pending.validated.append(event)
        elif isinstance(event, Warned):
            self.warnings.append(event)
            self._pending.warnings.append(event)
        elif isinstance(event, Intervened):
            self._pending.interventions.append(event)
            if event.action == "rollback":
                self._go_back(int(event.value or 0))
            # A callback may set the learning rate at every step; a person does not.
            return event.action != "lr" or event.source not in ("callback", "replay")
        if isinstance(event, Ended):
            self.ended = event
            return True
        return False

    def _note_statistics(self, event: Measured) -> None:
        most = max(MOST_STATISTICS // max(len(event.gradient_norm), 1), 1)
        self._pending.measured = [*self._pending.measured, event][-most:]

    def _note_steps(self, event: Stepped) -> None:
        self._last = event
        self._samples += event.samples
        if not self._rates or self._rates[-1][1] != event.lr:
            if self._rates and self._rates[-1][0] < event.step - len(event.losses):
                self._rates.append((event.step - len(event.losses), self._rates[-1][1]))
            self._rates.append((event.step, event.lr))
            if len(self._rates) > MOST_RATES:
                self._rates = [*self._rates[:-64:2], *self._rates[-64:]]
        now = time.monotonic()
        self._speeds.append((now, event.step, self._samples))
        while len(self._speeds) > 2 and now - self._speeds[0][0] > SPEED_WINDOW_S:
            self._speeds.pop(0)

    def _go_back(self, step: int) -> None:
        """Have the next frame begin anew: after a roll back, what was told is no longer so."""
        self._step = step
        self._rates = [rate for rate in self._rates if rate[0] <= step]
        self._speeds.clear()
        self._sent = -1

    # What is told.

    def reset(self) -> Frame:
        """Return everything so far."""
        with self._lock:
            self._number += 1
            self._pending = _Pending()
            losses = self.run.history.losses
            self._width = width_for(len(losses), self._width)
            self._sent = len(losses)
            measured = _thinned(self.run.history.measured, MOST_MEASURED)
            names = list(measured[-1].gradient_norm) if measured else []
            self._measured_sent = len(names)
            content = {
                "type": "reset",
                "number": self._number,
                "run": self._about(),
                "now": self._now(),
                "width": self._width,
                "count": len(losses),
                "rates": [*self._rates, *self._latest_rate()],
                "validated": [
                    _validated(each)
                    for each in _thinned(self.run.history.validated, MOST_VALIDATED)
                ],
                "interventions": [
                    _intervened(each) for each in self.run.history.interventions[-MOST_NOTES:]
                ],
                "warnings": [_warned(each) for each in self.warnings[-MOST_NOTES:]],
                "parameters": names,
                "measured": [each.step for each in measured],
            }
            return Frame(
                content=content,
                buffers=(bucketed(losses, self._width).tobytes(), _statistics(measured, names)),
            )

    def detail(self, first: int, last: int) -> Frame:
        """Return the losses of the steps `first` up to `last` in narrower buckets."""
        losses = self.run.history.losses
        first = min(max(first, 0), len(losses))
        part = losses[first : max(last, first)]
        width = width_for(len(part))
        content = {"type": "detail", "first": first, "width": width, "count": len(part)}
        return Frame(content=content, buffers=(bucketed(part, width).tobytes(),))

    def _append(self) -> Frame:
        if self._sent < 0:
            return self.reset()
        self._number += 1
        losses, pending = self.run.history.losses, self._pending
        self._pending = _Pending()
        self._width = width_for(len(losses) - self._sent, self._width, MOST_NEW)
        self._width = width_for(len(losses), self._width)
        first = self._sent // self._width
        self._sent = len(losses)
        content: dict[str, Any] = {
            "type": "append",
            "number": self._number,
            "now": self._now(),
            "width": self._width,
            "count": len(losses),
            "first": first,
        }
        more = {
            "validated": [_validated(each) for each in pending.validated],
            "interventions": [_intervened(each) for each in pending.interventions],
            "warnings": [_warned(each) for each in pending.warnings],
        }
        content.update({key: value for key, value in more.items() if value})
        buffers = [bucketed(losses, self._width, first).tobytes()]
        if pending.measured:
            names = list(pending.measured[-1].gradient_norm)
            content["measured"] = [each.step for each in pending.measured]
            if self._measured_sent != len(names):
                content["parameters"] = names
                self._measured_sent = len(names)
            buffers.append(_statistics(pending.measured, names))
        return Frame(content=content, buffers=tuple(buffers))

    def _about(self) -> dict[str, Any]:
        run = self.run
        return {
            "name": run.name,
            "backend": run.backend.name,
            "data": run.data.name,
            "steps": run.total_steps,
            "steps_per_epoch": run.steps_per_epoch,
            "epochs": run.epochs,
            "metrics": list(run.task.metrics),
            "origin": run.origin,
        }

    def _now(self) -> dict[str, Any]:
        run = self.run
        steps_s, samples_s = self._speed()
        last = self._last
        ended = {"reason": self.ended.reason} if self.ended and self.ended.reason else {}
        return {
            "step": self._step,
            "status": run.status,
            "loss": _finite(last.losses[-1]) if last and last.losses else None,
            "lr": last.lr if last else self._set_rate(),
            "seconds": round(run.seconds, 1),
            "steps_s": steps_s,
            "samples_s": samples_s,
            "memory": self._memory_mb(),
            **ended,
        }

    def _set_rate(self) -> float | None:
        value = self.run.settings.get("lr")
        return value if isinstance(value, int | float) else None

    def _latest_rate(self) -> list[tuple[int, float]]:
        return [(self._last.step, self._last.lr)] if self._last else []

    def _speed(self) -> tuple[float, float]:
        if self.run.status != "running":
            self._speeds.clear()
        if len(self._speeds) < 2:
            return 0.0, 0.0
        (then, step, samples), (now, last, all_samples) = self._speeds[0], self._speeds[-1]
        passed = max(now - then, 1e-9)
        return _short((last - step) / passed), _short((all_samples - samples) / passed)

    def _memory_mb(self) -> float | None:
        at, value = self._memory
        now = time.monotonic()
        if now - at > MEMORY_INTERVAL_S:
            value = resident_mb()
            self._memory = (now, value)
        return value


def resident_mb() -> float | None:
    """Return how much memory this process holds, in MB; None where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
    except (OSError, ValueError, IndexError):
        return None


def _thinned(events: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many of the events, evenly spaced, and the last one."""
    events = list(events)
    stride = -(-len(events) // most) if events else 1
    kept = events[::stride]
    return kept if not events or kept[-1] is events[-1] else [*kept, events[-1]]


def _statistics(measured: Sequence[Measured], names: Sequence[str]) -> bytes:
    """Return norms and ratios [measured, 2, parameters] as two bytes each."""
    table = [[_row(each.gradient_norm, names), _row(each.update_ratio, names)] for each in measured]
    return halves(np.array(table, np.float32)).tobytes() if table else b""


def _row(values: Mapping[str, float], names: Sequence[str]) -> list[float]:
    return [values.get(name, math.nan) for name in names]


def _validated(event: Validated) -> list[Any]:
    metrics = {name: _finite(value) for name, value in event.metrics.items()}
    return [event.step, event.epoch, metrics]


def _intervened(event: Intervened) -> list[Any]:
    return [event.step, event.action, event.value, event.source]


def _warned(event: Warned) -> list[Any]:
    return [event.step, event.message]


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _short(value: float) -> float:
    return float(f"{value:.4g}")
