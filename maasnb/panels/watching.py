"""How the endpoints of a notebook do, asked of their servers every few seconds.

The questions have a thread of their own: a server that is gone is waited for there, and nothing
else waits with it.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from maasnb.client.endpoint import Endpoint
from maasnb.errors import MaasError

__all__ = ["EndpointWatch", "endpoint_row"]

INTERVAL_S = 2.0
UNSEEN_INTERVAL_S = 10.0
MOST_ENDPOINTS = 20

Row = dict[str, Any]


def endpoint_row(variable: str, endpoint: Endpoint) -> Row:
    """Return what a server says of a model now; `ready` is false where it does not answer.

    Args:
        variable: the endpoint's name in the notebook.
        endpoint: the endpoint.
    """
    row: Row = {
        "variable": variable,
        "name": endpoint.name,
        "version": endpoint.version,
        "server": endpoint.server,
        "page": f"{endpoint.server}/#/models/{quote(endpoint.name, safe='')}",
        "curl": endpoint.curl(),
        "ready": endpoint.ready(),
        "versions": [],
        "serves": None,
        "requests_s": None,
    }
    if row["ready"]:
        # A server of another make answers and tells less.
        with contextlib.suppress(MaasError, KeyError, TypeError):
            path = f"/maas/v1/models/{quote(endpoint.name, safe='')}"
            state = endpoint.connection.get(path)
            row["versions"] = [each["version"] for each in state["versions"]]
            row["serves"] = state["serves"]
            counted = endpoint.stats()["versions"]
            minutes = [each["last_minute"]["requests_per_s"] for each in counted]
            row["requests_s"] = float(f"{sum(minutes):.3g}")
    return row


class EndpointWatch:
    """Keep the rows of endpoints as they are now, from the first page on."""

    def __init__(
        self, endpoints: Callable[[], Mapping[str, Endpoint]], changed: Callable[[], None]
    ) -> None:
        """Begin without asking anybody.

        Args:
            endpoints: returns the endpoints by variable.
            changed: is called when a row differs from before.
        """
        self.rows: list[Row] = []
        self._endpoints = endpoints
        self._changed = changed
        self._asked = threading.Event()
        self._over = False
        self._interval_s = UNSEEN_INTERVAL_S
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self, shown: bool) -> None:  # noqa: FBT001 - one word of a page
        """Say whether the sidebar is seen; a status bar alone is content with less."""
        self._interval_s = INTERVAL_S if shown else UNSEEN_INTERVAL_S
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="maasnb endpoints", daemon=True
                )
                self._thread.start()
        self._asked.set()

    def ask(self) -> None:
        """Ask at once: a cell has ended, or something was changed."""
        self._asked.set()

    def close(self) -> None:
        """Ask nobody any more."""
        self._over = True
        self._asked.set()

    def _work(self) -> None:
        while not self._over:
            self._asked.clear()
            chosen = list(self._endpoints().items())[:MOST_ENDPOINTS]
            rows = [endpoint_row(*each) for each in chosen]
            if rows != self.rows:
                self.rows = rows
                self._changed()
            # Without an endpoint there is nothing to ask before a cell makes one.
            self._asked.wait(self._interval_s if rows else None)
