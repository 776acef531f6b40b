"""Deadlines of runs: one thread tells onnxruntime to stop those whose time is over.

A run is entered with its deadline before it starts and taken out when it ends. The thread looks at
the open ones every `TICK_S` while there are any, and sleeps on an event while there are none, so
that a run of some microseconds costs two entries in a dictionary and no thread is woken for it.
"""

import threading
import time
from typing import Protocol

__all__ = ["TICK_S", "Deadlines", "Stoppable"]

TICK_S = 0.02


class Stoppable(Protocol):
    """What a run is told to stop by, as onnxruntime's `RunOptions`."""

    terminate: bool


class Deadlines:
    """The runs that are going on, with the time by which each must end."""

    def __init__(self) -> None:
        """Begin without a thread; the first run starts it."""
        self._open: dict[int, tuple[float, Stoppable]] = {}
        self._some = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def enter(self, run: Stoppable, ends: float) -> int:
        """Watch a run.

        Args:
            run: what stops it.
            ends: when it must have ended, as `time.monotonic` counts.

        Returns:
            What `leave` takes.
        """
        key = id(run)
        self._open[key] = (ends, run)
        if not self._some.is_set():
            self._wake()
        return key

    def leave(self, key: int) -> None:
        """Watch a run no more, because it ended."""
        self._open.pop(key, None)

    def _wake(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._watch, name="maasnb deadlines", daemon=True
                )
                self._thread.start()
        self._some.set()

    def _watch(self) -> None:
        while True:
            self._some.wait()
            now = time.monotonic()
            for ends, run in list(self._open.values()):
                if now >= ends:
                    run.terminate = True
            if not self._open:
                self._some.clear()
                # A run that came in between has seen the event still set.
                if self._open:
                    self._some.set()
                continue
            time.sleep(TICK_S)
