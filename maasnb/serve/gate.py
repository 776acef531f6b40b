"""The gate: every artifact is checked in a process of its own before it may answer anybody.

The process (`maasnb.serve.gatekeeper`) gets the artifact through a pipe and nothing else: no
environment but what Python needs, no open file, no folder. Whatever happens in it, the server only
reads a line of JSON or sees that it died. What passed is written down in the registry, so that no
other server needs to check it again. The process is started when the first blob of an upload comes,
so that its imports happen while the rest is sent.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError, OverloadError
from maasnb.registry.models import Registry

if TYPE_CHECKING:
    from maasnb.serve.services import Services

__all__ = ["Gate", "verify"]

WALL_S = 60.0
"""Seconds until a process is killed that did not even end by itself, imports included."""
AT_ONCE = 2
MOST_WAITING = 16
WARM_S = 20.0
LONGEST_ANSWER_BYTES = 1 << 16
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR")


async def verify(services: "Services", manifest: Manifest) -> None:
    """Pass if an uploaded artifact is whole and answers as the notebook did.

    Args:
        services: the server's parts; the artifact's blobs are in its registry.
        manifest: the artifact.

    Raises:
        ArtifactError: a blob is missing, or the program is refused or fails on the golden pairs.
        OverloadError: too many artifacts wait to be checked.
    """
    await services.gate.verify(manifest)


class Gate:
    """Check artifacts, each in a process of its own."""

    def __init__(self, registry: Registry, formats: tuple[str, ...]) -> None:
        """Take the registry with the blobs, and the program formats that may run."""
        self._registry = registry
        self._formats = formats
        self._running = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._warm = _WarmChild()

    def expect(self) -> None:
        """Prepare for an artifact whose first blob has come."""
        self._warm.prepare()

    async def verify(self, manifest: Manifest) -> None:
        """Pass if an artifact is accepted here or was accepted by a server of the same registry.

        Raises:
            ArtifactError: it is not whole, or its program is refused or fails.
            OverloadError: too many artifacts wait to be checked.
        """
        if await asyncio.to_thread(self._passed, manifest):
            return
        if self._waiting >= MOST_WAITING:
            message = f"{self._waiting} artifacts wait to be checked; expected fewer. Try again."
            raise OverloadError(message, retry_after_s=5.0)
        self._waiting += 1
        try:
            async with self._running:
                await asyncio.to_thread(self._check, manifest)
        finally:
            self._waiting -= 1

    def _passed(self, manifest: Manifest) -> bool:
        formats = {each.format for each in manifest.programs} & set(self._formats)
        return bool(formats) and formats <= self._registry.accepted(manifest)

    def _check(self, manifest: Manifest) -> None:
        for blob in manifest.blobs:
            if not self._registry.has_blob(blob.digest):
                self._registry.blob(blob.digest)  # says that it is missing
        child = self._warm.take()
        # Wherever the process hangs, also while the artifact is written to it, it ends.
        timer = threading.Timer(WALL_S, _kill, (child,))
        timer.start()
        try:
            answer = self._asked(child, manifest)
        finally:
            timer.cancel()
            _kill(child)
            _close(child)
        if "error" in answer:
            raise ArtifactError(str(answer["error"]))
        for each in answer["passed"]:
            self._registry.accept(manifest, each)

    def _asked(self, child: "subprocess.Popen[bytes]", manifest: Manifest) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        content = manifest.to_bytes()
        header = {"manifest": len(content), "formats": self._formats}
        # A process that died, or refused before it read all, has its say all the same.
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps(header).encode() + b"\n" + content)
            for blob in manifest.blobs:
                child.stdin.write(self._registry.blob(blob.digest))
            child.stdin.flush()
        line = child.stdout.readline(LONGEST_ANSWER_BYTES)
        try:
            answer = json.loads(line)
        except ValueError:
            child.wait()
            raise ArtifactError(_death(manifest.name, child.returncode)) from None
        return answer if isinstance(answer, dict) else {"error": "The gate gave no answer."}


class _WarmChild:
    """A process that imports what it needs before it is needed, for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def prepare(self) -> None:
        """Start a process, unless there is one."""
        with self._lock:
            if self._child is None:
                self._child = _start()
                self._timer = threading.Timer(WARM_S, self._give_up)
                self._timer.daemon = True
                self._timer.start()

    def take(self) -> "subprocess.Popen[bytes]":
        """Return a process that nobody else has."""
        with self._lock:
            child, self._child = self._child, None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if child is not None and child.poll() is None:
            return child
        if child is not None:
            _close(child)
        return _start()

    def _give_up(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            _close(child)


def _start() -> "subprocess.Popen[bytes]":
    # The same code as this server's, wherever it was imported from.
    path = [entry for entry in sys.path if entry]
    code = f"import sys; sys.path[:] = {path!r}; from maasnb.serve.gatekeeper import main; main()"
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment |= {
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """End a process with all that it started."""
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def _close(child: "subprocess.Popen[bytes]") -> None:
    """Close a process's pipes, which ends it if it waits, and wait for its end."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


def _death(name: str, status: int) -> str:
    cause = f"with status {status}"
    if status < 0:
        cause = f"by {signal.Signals(-status).name}"
    return (
        f"The process that checked {name!r} ended {cause} instead of answering: the program "
        "crashed it, or needs more memory or time than the gate allows. Make the model smaller, or "
        "export it again."
    )
