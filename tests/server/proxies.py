"""A proxy whose connections break after so many bytes, as bad networks do."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class BreakingProxy:
    """Pass connections on to a server; each is cut once so many bytes went there."""

    def __init__(self, url, after_bytes):
        self.target = (urlsplit(url).hostname, urlsplit(url).port)
        self.after_bytes = after_bytes
        self.cut = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.threads = []

    def accept(self):
        while True:
            try:
                near, _ = self.listening.accept()
            except OSError:
                return
            far = socket.create_connection(self.target, timeout=30)
            for work in (self.forward, self.back):
                self.threads.append(threading.Thread(target=work, args=(near, far)))
                self.threads[-1].start()

    def forward(self, near, far):
        left = self.after_bytes
        while left > 0:
            content = receive(near)
            if not content or not send(far, content[:left]):
                break
            left -= len(content)
        self.cut += left <= 0
        close(near, far)

    def back(self, near, far):
        while True:
            content = receive(far)
            if not content or not send(near, content):
                close(near, far)
                return


@contextlib.contextmanager
def breaking_proxy(url, after_bytes):
    """Yield a proxy's URL, and a function that says how many connections were cut."""
    proxy = BreakingProxy(url, after_bytes)
    acceptor = threading.Thread(target=proxy.accept)
    acceptor.start()
    try:
        port = proxy.listening.getsockname()[1]
        yield f"http://127.0.0.1:{port}", lambda: proxy.cut
    finally:
        close(proxy.listening)
        acceptor.join(30)
        for thread in proxy.threads:
            thread.join(30)


def receive(line):
    try:
        return line.recv(16384)
    except OSError:
        return b""


def send(line, content):
    try:
        line.sendall(content)
    except OSError:
        return False
    return True


def close(*lines):
    for line in lines:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()
