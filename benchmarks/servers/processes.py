"""Each server as a process of its own: started, waited for, measured and ended."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.servers.models import Model
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token

__all__ = ["NAMES", "Server", "ask"]

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
NAMES = ("maasnb", "unbatched", "static", "mlserver", "mlserver-default", "litserve")
START_S = 120.0
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


class Server:
    """A server with one model, called `mlp`."""

    def __init__(self, name: str, model: Model, folder: Path, peers: Path, threads: int) -> None:
        """Start it.

        Args:
            name: one of `NAMES`.
            model: what it serves.
            folder: an empty folder for its files.
            peers: the Python that the other projects are installed for.
            threads: how many threads a run of the program may take.
        """
        self.name, self.model, self.folder = name, model, folder
        self.token = ""
        self.port = _free_port()
        folder.mkdir(parents=True)
        self._log = (folder / "log").open("wb")
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            self._command(peers, threads),
            cwd=folder,
            env=environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        try:
            self._fill()
        except BaseException:
            self.end()
            raise

    def _command(self, peers: Path, threads: int) -> list[str]:
        port = str(self.port)
        if self.name in ("maasnb", "unbatched"):
            self.token = workspace_token(self.folder / "maas")
            begin = ["-m", "maasnb", "serve"]
            begin = begin if self.name == "maasnb" else [str(FOLDER / "unbatched.py")]
            return [
                sys.executable,
                *begin,
                "--port",
                port,
                "--workspace",
                str(self.folder / "maas"),
            ]
        if self.name == "static":
            return [sys.executable, str(FOLDER / "static.py"), port]
        program = self.folder / "model.onnx"
        program.write_bytes(self.model.program)
        if self.name == "litserve":
            script = str(FOLDER / "litserve_server.py")
            return [str(peers), script, port, str(program), str(threads)]
        self._configure_mlserver(program, threads)
        return [str(peers.parent / "mlserver"), "start", str(self.folder)]

    def _configure_mlserver(self, program: Path, threads: int) -> None:
        """Write MLServer's settings: without workers, metrics and access log, or as it comes."""
        settings: dict[str, object] = {
            "host": "127.0.0.1",
            "http_port": self.port,
            "grpc_port": _free_port(),
        }
        if self.name == "mlserver":
            settings |= {"debug": False, "metrics_endpoint": None, "parallel_workers": 0}
        else:
            settings["metrics_port"] = _free_port()
        (self.folder / "settings.json").write_text(json.dumps(settings))
        source = (FOLDER / "mlserver_model.py").read_text()
        (self.folder / "mlserver_model.py").write_text(source)
        model = {
            "name": "mlp",
            "implementation": "mlserver_model.OnnxModel",
            "parameters": {"uri": str(program), "extra": {"threads": threads}},
        }
        if self.model.batched:
            model |= {"max_batch_size": 32, "max_batch_time": 0.002}
        (self.folder / "model-settings.json").write_text(json.dumps(model))

    def _fill(self) -> None:
        """Wait for it, and publish the model where it is ours."""
        self._await("/v2/health/live" if self.token else self.path, 200)
        if self.token:
            connection = Connection(self.url, self.token)
            upload(self.model.artifact, connection)
            connection.close()
            self._await(self.path, 200)

    def _await(self, path: str, status: int) -> None:
        ends = time.monotonic() + START_S
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        method = "POST" if path == self.path else "GET"
        found: object = None
        while time.monotonic() < ends and self.process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                content = self.model.body if method == "POST" else b""
                kind = {**headers, "content-type": "application/json"}
                found = httpx.request(method, self.url + path, content=content, headers=kind)
                if found.status_code == status:
                    return
            time.sleep(0.05)
        log = (self.folder / "log").read_text(errors="replace")[-2000:]
        message = f"{self.name} does not answer ({found}). Its log ends with:\n{log}"
        raise RuntimeError(message)

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def path(self) -> str:
        """Return the path of inference."""
        return "/v2/models/mlp/infer"

    def cpu_s(self) -> float:
        """Return the processor time that it has taken, with its children."""
        return sum(_cpu_s(pid) for pid in _tree(self.process.pid))

    def resident_bytes(self) -> int:
        """Return the memory that it holds, with its children."""
        return sum(_resident_bytes(pid) for pid in _tree(self.process.pid))

    def end(self) -> None:
        """End it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

    def __enter__(self) -> "Server":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.end()


def ask(
    server: Server, *, connections: int, seconds: float, rate: float = 0.0, mark: str = ""
) -> "subprocess.Popen[str]":
    """Start to ask a server; the process prints one line of JSON at the end."""
    body = server.folder / "body.json"
    body.write_bytes(server.model.body)
    words = {
        "host": "127.0.0.1",
        "port": server.port,
        "path": server.path,
        "token": server.token,
        "body": body,
        "connections": connections,
        "seconds": seconds,
        "rate": rate,
        "mark": mark,
    }
    command = [sys.executable, str(FOLDER / "load.py")]
    for name, value in words.items():
        command.append(f"--{name}={value}")  # a token may begin with a dash
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _tree(int(child))


def _cpu_s(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S
    return 0.0


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
