"""A line that says how far a long upload is, where somebody watches."""

import sys
import time
from typing import TextIO

from maasnb.settings import static_panels

__all__ = ["Meter"]

QUIET_S = 1.0
"""What is done sooner needs no line."""
UPDATE_S = 0.2


class Meter:
    """Write one line over and over, and take it away at the end."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        """Say what is done, as `"Publishing 'digits'"`; nothing is written yet."""
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._watched = not static_panels() and (
            stream is not None or "ipykernel" in sys.modules or self._stream.isatty()
        )
        self._due = time.monotonic() + QUIET_S
        self._width = 0

    def tell(self, done_bytes: int, total_bytes: int) -> None:
        """Say how far it is.

        Args:
            done_bytes: what was sent.
            total_bytes: what there is to send.
        """
        now = time.monotonic()
        if not self._watched or now < self._due:
            return
        self._due = now + UPDATE_S
        percent = 100 * done_bytes // max(total_bytes, 1)
        done, total = done_bytes / 1e6, total_bytes / 1e6
        line = f"{self._what}: {done:.1f} of {total:.1f} MB, {percent} %"
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)

    def end(self) -> None:
        """Take the line away."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0
