"""The server that a notebook starts for its workspace, and that ends with it.

`server.json` names the last server of a workspace. It is used only if it proves that it holds the
workspace's token, so the token is never sent to a stranger on the same port. Otherwise a child
process is started; it holds the reading end of a pipe whose writing end closes when this process
ends, however it ends.
"""

import atexit
import contextlib
import dataclasses
import json
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from maasnb.artifacts.manifest import FORMATS
from maasnb.client.http import Connection
from maasnb.errors import EndpointError, MaasError, OptionError
from maasnb.serve.server import SERVER_FILE
from maasnb.serve.tokens import TOKEN_FILE, identity_proof, same_token, workspace_token

__all__ = [
    "LOG_FILE",
    "SERVER_FILE",
    "ServerAddress",
    "ensure_server",
    "live_server",
    "stop_server",
]

LOG_FILE = "server.log"
START_S = 60.0
STOP_S = 10.0
LOG_TAIL_LINES = 15

_children: dict[Path, subprocess.Popen[bytes]] = {}
_starting = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Say where a workspace's server is and what it asks for."""

    url: str
    token: str = dataclasses.field(repr=False)
    token_file: Path


def ensure_server(workspace: Path) -> ServerAddress:
    """Return the live server of a workspace; start one that ends with this process if need be.

    Raises:
        WorkspaceError: the workspace cannot be written.
        EndpointError: the server did not start; shows the end of its log.
    """
    with _starting:
        return live_server(workspace) or _start(workspace)


def live_server(workspace: Path) -> ServerAddress | None:
    """Return the server that serves a workspace now, or None."""
    try:
        url = json.loads((workspace / SERVER_FILE).read_text())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    token = workspace_token(workspace)
    nonce = secrets.token_hex(32)
    connection: Connection | None = None
    try:
        connection = Connection(str(url))
        proof = connection.get(f"/maas/v1/identity?nonce={nonce}").get("proof")
    except (MaasError, OptionError):
        return None
    finally:
        if connection is not None:
            connection.close()
    if not isinstance(proof, str) or not same_token(proof, identity_proof(token, nonce)):
        return None
    return ServerAddress(url=url, token=token, token_file=workspace / TOKEN_FILE)


def stop_server(workspace: Path) -> None:
    """End the server that this process started for a workspace, and wait until it has ended."""
    child = _children.pop(workspace, None)
    if child is None:
        return
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _start(workspace: Path) -> ServerAddress:
    token = workspace_token(workspace)
    stop_server(workspace)
    # -P: a module beside the notebook must not take the place of one of Python's own.
    command = [sys.executable, "-P", "-m", "maasnb", "serve", "--embedded", "--host", "127.0.0.1"]
    command += ["--port", "0", "--workspace", str(workspace), "--runtimes", ",".join(FORMATS)]
    # Accelerators are the notebook's; spinning threads would take its cores.
    environment = {"JAX_PLATFORMS": "cpu", "OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    with (workspace / LOG_FILE).open("wb") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            # An interrupt of the kernel goes to its process group; the server must live on.
            start_new_session=True,
        )
    _children[workspace] = child
    try:
        url = _announced(child)
    except BaseException:
        stop_server(workspace)
        raise
    if not url:
        stop_server(workspace)
        message = (
            f"The server of the workspace {str(workspace)!r} did not start. Its log "
            f"({str(workspace / LOG_FILE)!r}) ends with:\n{_log_tail(workspace)}"
        )
        raise EndpointError(message)
    return ServerAddress(url=url, token=token, token_file=workspace / TOKEN_FILE)


def _announced(child: subprocess.Popen[bytes]) -> str:
    """Return the URL that the server prints once it answers; empty where it did not start."""
    lines: list[bytes] = []
    output = child.stdout
    assert output is not None

    def read(pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            lines.append(pipe.readline())

    reader = threading.Thread(target=read, args=(output,), daemon=True)
    reader.start()
    reader.join(START_S)
    if reader.is_alive():
        child.kill()
        reader.join()
    output.close()
    return lines[0].decode().strip() if lines else ""


def _log_tail(workspace: Path) -> str:
    try:
        lines = (workspace / LOG_FILE).read_text(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-LOG_TAIL_LINES:]) or "(nothing)"


@atexit.register
def _stop_all() -> None:
    for workspace in list(_children):
        stop_server(workspace)
