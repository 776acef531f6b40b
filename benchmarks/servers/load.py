"""Asks one server the same thing over many connections, and says how fast the answers came.

A process of its own, on plain sockets, so that asking costs as little as it can beside the server
and the same for every server. Without a rate each connection asks again as soon as it has its
answer; with one, requests are spread evenly over time.
"""

import argparse
import json
import re
import selectors
import socket
import sys
import time
from pathlib import Path

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
READ_BYTES = 1 << 18


class Line:
    """One connection, and the request that is under way on it."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.began = 0.0
        self.found = b""
        self.wanted = -1
        self.free = True

    def ask(self, now: float) -> None:
        self.free, self.began, self.found, self.wanted = False, now, b"", -1
        self.socket.sendall(self.request)

    def read(self) -> int:
        """Return the answer's status once it is whole, 0 before, -1 where the connection broke."""
        part = self.socket.recv(READ_BYTES)
        if not part:
            return -1
        self.found += part
        if self.wanted < 0:
            end = self.found.find(b"\r\n\r\n")
            if end < 0:
                return 0
            length = LENGTH.search(self.found, 0, end)
            self.wanted = end + 4 + int(length[1]) if length else len(self.found)
        if len(self.found) < self.wanted:
            return 0
        self.free = True
        return int(self.found[9:12])


class Load:
    """The connections to one server, and what came of them."""

    def __init__(self, address: tuple[str, int], request: bytes, connections: int) -> None:
        self.address, self.request = address, request
        self.selector = selectors.DefaultSelector()
        self.lines = [self.open() for _ in range(connections)]
        self.latencies: list[float] = []
        self.failed = 0
        self.marks: dict[str, float] = {}

    def open(self) -> Line:
        line = Line(self.address, self.request)
        self.selector.register(line.socket, selectors.EVENT_READ, line)
        return line

    def run(self, seconds: float, rate: float, mark: bytes) -> None:
        """Ask for so long; remember when an answer first held the mark."""
        begun = time.perf_counter()
        asked = 0
        while (now := time.perf_counter()) < begun + seconds:
            free = [line for line in self.lines if line.free]
            due = len(free) if not rate else int((now - begun) * rate) + 1 - asked
            for line in free[: max(due, 0)]:
                line.ask(time.perf_counter())
                asked += 1
            wait = 0.001 if rate and due <= 0 else 1.0 if not rate else 0.002
            for key, _ in self.selector.select(wait):
                self.take(key.data, mark)

    def take(self, line: Line, mark: bytes) -> None:
        status = line.read()
        if status == 0:
            return
        now = time.perf_counter()
        if status != 200:
            self.failed += 1
        else:
            self.latencies.append(now - line.began)
        if mark and mark in line.found and "mark" not in self.marks:
            self.marks["mark"] = time.time()
        closing = b"\r\nconnection: close" in line.found[:512].lower()
        if status < 0 or closing:
            self.selector.unregister(line.socket)
            line.socket.close()
            self.lines[self.lines.index(line)] = self.open()


def main() -> None:
    """Read the order from the command line, warm up, ask, and print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--host", "--path", "--token", "--mark"):
        parser.add_argument(name, default="")
    parser.add_argument("--port", type=int)
    parser.add_argument("--body", type=Path)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--warm", type=float, default=0.3)
    parser.add_argument("--rate", type=float, default=0.0)
    order = parser.parse_args()
    body = order.body.read_bytes()
    head = f"POST {order.path} HTTP/1.1\r\nHost: {order.host}\r\nContent-Type: application/json\r\n"
    if order.token:
        head += f"Authorization: Bearer {order.token}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    load = Load((order.host, order.port), request, order.connections)
    load.run(order.warm, order.rate, b"")
    while not all(line.free for line in load.lines):
        for key, _ in load.selector.select(30):
            load.take(key.data, b"")
    load.latencies, warm_failed = [], load.failed
    began = time.perf_counter()
    load.run(order.seconds, order.rate, order.mark.encode())
    took = time.perf_counter() - began
    latencies = sorted(load.latencies) or [float("nan")]
    result = {
        "requests": len(load.latencies),
        "failed": load.failed,
        "warm_failed": warm_failed,
        "rps": len(load.latencies) / took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))],
        "mark": load.marks.get("mark"),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
