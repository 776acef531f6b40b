"""Connections that nobody can hold for nothing, on top of uvicorn's.

uvicorn waits for ever for a request's next byte and takes any number of connections. Here a request
must be complete in time, its head must be small, and where there are too many connections those
that have been idle longest are closed. One look at all of them every second does that, so that a
request costs two reads of the clock. A request that can be answered at once is, when its last byte
has come, without uvicorn's task for it. This stands on names of uvicorn's that are not public; the
tests hold a real server against slow, idle and rude clients.
"""

import asyncio
import contextlib
import dataclasses
import functools
import logging
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol

import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from maasnb.serve.readiness import Readiness
from maasnb.serve.wire import encode

__all__ = ["Guard", "Limits", "Server", "most_connections"]

LOG = logging.getLogger(__name__)

# So many files are left for blobs, logs and libraries.
OTHER_FILES = 128
MOST_CONNECTIONS = 8192


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Say what a connection may take.

    Attributes:
        connections: how many there may be; of more, those that are idle are closed.
        head_s: until a request's head is complete, seconds.
        head_bytes: the largest head.
        body_s: until a request is complete, seconds; for each `body_bytes_a_s` that have come, a
            second more.
        body_bytes_a_s: the slowest body that may go on for long.
        unread_s: how long a client may leave an answer unread, seconds.
        look_s: how often all connections are looked at, seconds.
    """

    connections: int = MOST_CONNECTIONS
    head_s: float = 10.0
    head_bytes: int = 64 << 10
    body_s: float = 30.0
    body_bytes_a_s: int = 32 << 10
    unread_s: float = 60.0
    look_s: float = 1.0


Reply = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], None]


class Answering(Protocol):
    """What answers requests without a task, where it can."""

    def take(self, scope: dict[str, Any]) -> Callable[[bytes, Reply], bool] | None:
        """Return what answers a request, or says that it does not; None to leave it to others."""
        ...


class Guard:
    """The rules for a server's connections, and the look at them every second."""

    def __init__(self, readiness: Readiness, limits: Limits, express: Answering) -> None:
        """Take whether the server wants requests, what a connection may take, and a short way."""
        self.readiness = readiness
        self.limits = limits
        self.express = express
        self.connections: set[_Connection] = set()

    def protocol(self) -> Any:  # noqa: ANN401 - what uvicorn calls as if it were its own class
        """Return what makes a connection for uvicorn."""
        return functools.partial(_Connection, guard=self)

    def make_room(self) -> None:
        """Close the connections that have been idle longest where there are too many."""
        most = self.limits.connections
        if len(self.connections) <= most:
            return
        idle = [each for each in self.connections if not each.is_working]
        idle.sort(key=lambda each: each.last_s)
        # Some more than needed, so that not every new connection looks at all others.
        for connection in idle[: len(self.connections) - most + most // 64]:
            self.connections.discard(connection)
            connection.transport.abort()

    async def watch(self) -> None:
        """Close connections whose time is over, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.look_s)
            now = loop.time()
            for connection in list(self.connections):
                connection.look(now)


class _Connection(HttpToolsProtocol):
    """One connection.

    Attributes:
        last_s: when something last happened, by the event loop's clock.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        guard: Guard,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._guard = guard
        self._limits = guard.limits
        self.last_s = self.loop.time()
        # When the request that is being read began; None where none is.
        self._began_s: float | None = self.last_s
        self._in_head = True
        self._bytes = 0
        self._unread_s: float | None = None
        # What answers the request whose body is coming; None for uvicorn's task.
        self._express: Callable[[bytes, Reply], bool] | None = None

    @property
    def is_working(self) -> bool:
        """Say whether a request is being answered here."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._guard.connections.add(self)
        self._guard.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.last_s = self.loop.time()
        if self._began_s is None:
            self._began_s = self.last_s
            self._bytes = 0
        self._bytes += len(data)
        super().data_received(data)
        most = self._limits.head_bytes
        if self._in_head and self._bytes > most and not self.transport.is_closing():
            self._refuse(431, f"The head of the request has more than {most} bytes.")

    def on_message_begin(self) -> None:
        self._in_head = True
        if self._began_s is None:  # It came with the end of the request before.
            self._began_s = self.last_s
            self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        # How a waiting request learns that nobody waits for its answer.
        self.scope["maasnb.gone"] = self.transport.is_closing  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        if self._guard.readiness.draining:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        """Start a request's task, or wait for its body where it may be answered without one."""
        if cycle.more_body and not cycle.waiting_for_100_continue:
            self._express = self._guard.express.take(cycle.scope)  # type: ignore[arg-type]
        if self._express is None:
            self._start(cycle, app)

    def on_message_complete(self) -> None:
        self._began_s = None
        super().on_message_complete()
        express, self._express = self._express, None
        if express is not None:
            cycle = self.cycle
            if not express(bytes(cycle.body), functools.partial(self._reply, cycle)):
                self._start(cycle, self.app)

    def _start(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's
        cycle.transport = _WithHead(self.transport, self.loop)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)

    def _reply(
        self,
        cycle: RequestResponseCycle,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """Send a whole answer in one write."""
        if cycle.disconnected or self.transport.is_closing():
            return
        cycle.response_started = cycle.response_complete = True
        parts = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
        self.transport.write(b"".join(parts))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        self.last_s = self.loop.time()
        super().on_response_complete()

    def look(self, now: float) -> None:
        """Close the connection if its time is over."""
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self._unread_s = self._unread_s or now
            if now - self._unread_s > self._limits.unread_s:
                self.transport.abort()
            return
        self._unread_s = None
        # A body that the server does not read at present is not late.
        if self._began_s is None or self.flow.read_paused:
            return
        waste = self._in_head or self.is_answered
        limits = self._limits
        more_s = self._bytes / limits.body_bytes_a_s
        allowed_s = limits.head_s if waste else limits.body_s + more_s
        if now - self._began_s <= allowed_s:
            return
        if self.is_answered or not self._bytes:
            self.transport.close()
        else:
            self._refuse(408, f"The request did not come whole within {allowed_s:.0f} s.")

    @property
    def is_answered(self) -> bool:
        """Say whether the answer to the present request has begun, so that no other may."""
        return not self._in_head and self.cycle is not None and self.cycle.response_started

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the words that every failure has."""
        self._refuse(400, f"{msg} Expected HTTP/1.1.")

    def _refuse(self, status: int, words: str) -> None:
        body = encode({"error": words})
        head = (
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()


class _WithHead:
    """What an answer is written to: its head goes out with the beginning of its body.

    uvicorn writes them one after the other, and each write is a call of the system, a packet, and a
    call more for who reads it.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif self._head is None and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
            self._loop.call_soon(self._flush)  # where the body is long in coming
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


class Server(uvicorn.Server):
    """A server that ends without failing anybody: it answers on while others learn of its end."""

    def __init__(self, config: uvicorn.Config, guard: Guard, drain_s: float) -> None:
        """Take uvicorn's configuration.

        Args:
            config: how to serve.
            guard: the rules for connections.
            drain_s: how long to answer on after SIGTERM.
        """
        super().__init__(config)
        self._guard = guard
        self._drain_s = drain_s
        self._end_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Begin to end: at SIGTERM after a while, at Ctrl-C or a second signal at once."""
        again = self._guard.readiness.draining
        self._guard.readiness.draining = True
        if sig == signal.SIGTERM and self._drain_s and not again:
            self._end_s = time.monotonic() + self._drain_s
            return
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Say whether to end; uvicorn asks ten times a second."""
        if self._end_s is not None and time.monotonic() >= self._end_s:
            self.should_exit = True
        return await super().on_tick(counter)


def most_connections() -> int:
    """Return how many connections this process may hold; lets it open as many files as it can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not there on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_CONNECTIONS + OTHER_FILES
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            soft = limit
        if soft != resource.RLIM_INFINITY:
            return max(16, min(MOST_CONNECTIONS, soft - OTHER_FILES))
    return MOST_CONNECTIONS
