"""The server's process: a socket, uvicorn, and an end when the notebook that started it ends."""

import asyncio
import contextlib
import dataclasses
import functools
import ipaddress
import json
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from maasnb.artifacts.manifest import FORMATS
from maasnb.errors import EndpointError, OptionError, missing_package, unknown_name
from maasnb.files import write_whole
from maasnb.runtimes.served import runtime_for
from maasnb.settings import writable_folder

if TYPE_CHECKING:
    import uvicorn

    from maasnb.serve.connections import Guard
    from maasnb.serve.services import Services

__all__ = ["SERVER_FILE", "ServerOptions", "is_loopback", "run_server"]

SERVER_FILE = "server.json"
STARTED_LOOK_S = 0.005
PARENT_LOOK_S = 0.5
# Longer than the pools of clients keep an idle connection, so that they close it first.
KEEP_ALIVE_S = 75
# How long requests that are being answered may take on at the end.
END_S = 30
EMBEDDED_END_S = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Say how to serve.

    Attributes:
        workspace: the folder with the registry and the token.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        runtimes: the program formats that may run.
        embedded: end with the process that started this one.
        insecure: serve on an address that other machines reach, without TLS.
        store: where the registry is: a folder, or an address as s3://bucket/prefix; None for what
            MAASNB_STORE names, else the workspace.
        tls_cert: the file with the certificate and those that sign it, PEM; None for no TLS.
        tls_key: the file with its private key, PEM; None where it is in the same file.
        drain_s: how long to answer on after SIGTERM, while others learn of the end, seconds.
    """

    workspace: Path
    host: str = "127.0.0.1"
    port: int = 8080
    runtimes: tuple[str, ...] = ("onnx",)
    embedded: bool = False
    insecure: bool = False
    store: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    drain_s: float = 0.0


def is_loopback(host: str) -> bool:
    """Say whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def run_server(options: ServerOptions, announce: Callable[[str], None]) -> None:
    """Serve a workspace until the process is told to end.

    Args:
        options: how to serve.
        announce: called with the server's URL once it answers.

    Raises:
        OptionError: the address is reached by other machines without TLS and `insecure` is not set,
            or the certificate cannot be used.
        UnknownNameError: there is no such runtime.
        MissingPackageError: a package of the server is not installed.
        EndpointError: the address is taken or not of this machine.
        WorkspaceError: the workspace or the store cannot be written.
    """
    _check(options)
    tls = _tls(options)
    uvicorn = _uvicorn()
    from maasnb.serve import connections  # noqa: PLC0415 - as above
    from maasnb.serve.app import Application  # noqa: PLC0415 - needs packages of the extra "serve"
    from maasnb.serve.infer import Express  # noqa: PLC0415 - as above
    from maasnb.serve.services import open_services  # noqa: PLC0415 - as above

    workspace = writable_folder(options.workspace)
    services = open_services(workspace, options.runtimes, options.store)
    most = connections.most_connections()
    limits = connections.Limits(connections=most)
    guard = connections.Guard(services.readiness, limits, Express(services))
    listening = _listen(options.host, options.port)
    host, port = listening.getsockname()[:2]
    url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    config = uvicorn.Config(
        Application(services),
        http=guard.protocol(),
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=EMBEDDED_END_S if options.embedded else END_S,
    )
    config.load()
    config.ssl = tls
    server = connections.Server(config, guard, 0.0 if options.embedded else options.drain_s)
    tell = functools.partial(_announce, url, workspace, announce)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            serving = _serve(server, guard, listening, tell, embedded=options.embedded)
            runner.run(_beside(services, serving))
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("Interrupted")
    finally:
        _forget(workspace / SERVER_FILE, url)


async def _beside(services: "Services", serving: Coroutine[Any, Any, None]) -> None:
    """Serve, and do meanwhile what no request waits for."""
    tasks = [
        asyncio.create_task(services.traffic.watch(services.models.get)),
        asyncio.create_task(services.shadows.work()),
    ]
    try:
        await serving
    finally:
        for task in tasks:
            task.cancel()


async def _serve(
    server: "uvicorn.Server",
    guard: "Guard",
    listening: socket.socket,
    tell: Callable[[], None],
    *,
    embedded: bool,
) -> None:
    parent = os.getppid()  # Taken before the URL is told, while the parent waits for it.
    watch = [asyncio.create_task(_tell_when_started(server, tell))]
    watch.append(asyncio.create_task(guard.watch()))
    if embedded:
        _end_with_input(server)
        watch.append(asyncio.create_task(_end_with_parent(server, parent)))
    await server.serve(sockets=[listening])
    for task in watch:
        task.cancel()


async def _tell_when_started(server: "uvicorn.Server", tell: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(STARTED_LOOK_S)
    tell()


def _end_with_input(server: "uvicorn.Server") -> None:
    """End when the pipe on the standard input closes, which happens however the parent ends."""

    def wait() -> None:
        # Not by sys.stdin, whose lock this thread would hold when the interpreter ends.
        with contextlib.suppress(OSError):
            while os.read(0, 1):
                pass
        server.should_exit = True

    threading.Thread(target=wait, name="parent", daemon=True).start()


async def _end_with_parent(server: "uvicorn.Server", parent: int) -> None:
    """End when the parent is gone although a fork of it still holds the pipe."""
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_LOOK_S)
    server.should_exit = True


def _announce(url: str, workspace: Path, announce: Callable[[str], None]) -> None:
    content = json.dumps({"url": url, "pid": os.getpid()}) + "\n"
    write_whole(workspace / SERVER_FILE, content.encode())
    announce(url)


def _forget(path: Path, url: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        if json.loads(path.read_text()).get("url") == url:
            path.unlink()


def _check(options: ServerOptions) -> None:
    if not is_loopback(options.host) and options.tls_cert is None and not options.insecure:
        message = (
            f"The address {options.host!r} is reached by other machines, and the token would "
            "travel unencrypted; expected a loopback address or TLS. Type: maasnb serve --host "
            f"{options.host} --tls-cert cert.pem --tls-key key.pem, or put a proxy with TLS before "
            "a loopback address, or add --insecure."
        )
        raise OptionError(message)
    if options.tls_key is not None and options.tls_cert is None:
        message = (
            f"There is a key ({str(options.tls_key)!r}) and no certificate; expected both. Type: "
            "maasnb serve --tls-cert cert.pem --tls-key key.pem"
        )
        raise OptionError(message)
    for name in options.runtimes:
        if name not in FORMATS:
            raise unknown_name("runtime", name, FORMATS, "Type: maasnb serve --runtimes onnx")
    if not options.embedded:
        for name in options.runtimes:
            runtime_for(name)


def _tls(options: ServerOptions) -> ssl.SSLContext | None:
    if options.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A key with a password would be asked for on the terminal; a server has none.
        context.load_cert_chain(options.tls_cert, options.tls_key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        message = (
            f"The certificate {str(options.tls_cert)!r} and the key "
            f"{str(options.tls_key or options.tls_cert)!r} cannot be used ({error}); expected PEM "
            "files that belong together, the key without a password."
        )
        raise OptionError(message) from error
    return context


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        message = (
            f"Cannot listen on {host}:{port} ({error.strerror or error}). Choose another port: "
            "maasnb serve --port 0 takes a free one."
        )
        raise EndpointError(message) from error
    return listening


def _uvicorn() -> ModuleType:
    try:
        import starlette  # noqa: F401, PLC0415 - asked for here to name the extra
        import uvicorn  # noqa: PLC0415 - needs the extra "serve"
    except ImportError as error:
        raise missing_package("The server", error.name or "uvicorn", "serve") from error
    return uvicorn


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
