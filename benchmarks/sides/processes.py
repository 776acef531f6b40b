"""Each side trains in a process of its own, which says how long a run took each time it is asked.

So every library has its own threads and, where it wants one, its own backend, and the runs of two
sides can still follow each other closely. A process that is not asked waits for a line.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.sides.workloads import load

__all__ = ["SIDES", "Side"]

ROOT = Path(__file__).parents[2]

# Where each side is prepared: by framework and name.
SIDES = {
    ("torch", "maasnb"): "ours:prepare_torch",
    ("torch", "hand-written"): "torch_loops:prepare_plain",
    ("torch", "best-hand-written"): "torch_loops:prepare_best",
    ("torch", "lightning"): "torch_peers:prepare_lightning",
    ("torch", "lightning-logging"): "torch_peers:prepare_logging",
    ("torch", "hf-trainer"): "torch_peers:prepare_hf",
    ("torch", "fastai"): "torch_peers:prepare_fastai",
    ("torch", "skorch"): "torch_peers:prepare_skorch",
    ("torch", "keras-torch"): "keras_peers:prepare_keras",
    ("jax", "maasnb"): "ours:prepare_jax",
    ("jax", "hand-written"): "jax_loops:prepare_plain",
    ("jax", "best-hand-written"): "jax_loops:prepare_best",
    ("jax", "nnx-jit"): "jax_loops:prepare_nnx_jit",
    ("jax", "keras-jax"): "keras_peers:prepare_keras",
    ("jax", "keras-jax-16"): "keras_peers:prepare_sixteen",
}


class Side:
    """Hold the process of one side of a comparison."""

    def __init__(self, framework: str, name: str, workload: str, options: dict[str, bool]) -> None:
        """Start the process; `options` has `quick`, and `validate` for maasnb alone."""
        self.words = f"{name} ({framework}, {workload})"
        self._home = tempfile.TemporaryDirectory()
        self._complaints = Path(self._home.name) / "stderr"
        environment = {
            **os.environ,
            "KERAS_BACKEND": framework,
            "MAASNB_HOME": self._home.name,
            "MAASNB_PANEL": "static",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        order = json.dumps([framework, name, workload, options])
        with self._complaints.open("wb") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.sides.processes", order],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )

    def run(self) -> float:
        """Have it train once; return the seconds.

        Raises:
            RuntimeError: the process ended; holds the last that it wrote.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = ""
        try:
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            pass
        if not answer:
            self._process.wait()
            last = self._complaints.read_text(errors="replace").strip().splitlines()[-15:]
            message = f"{self.words} ended:\n" + "\n".join(last)
            raise RuntimeError(message)
        return float(answer)

    def __enter__(self) -> "Side":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if kind is None:
            try:
                self._process.stdin.close()  # it sees the end of its orders
            except BrokenPipeError:
                pass
        else:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._home.cleanup()


def prepare(
    framework: str, name: str, workload: str, *, quick: bool, validate: bool
) -> Callable[[], float]:
    """Return the function that trains once and returns the seconds."""
    module, function = SIDES[framework, name].split(":")
    options: dict[str, Any] = {"validate": validate} if name == "maasnb" else {}
    maker = getattr(importlib.import_module(f"benchmarks.sides.{module}"), function)
    return maker(load(workload, framework, quick=quick), **options)


def serve() -> None:
    """Train once for each line; what libraries print goes to the errors."""
    framework, name, workload, options = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run = prepare(framework, name, workload, **options)
    for _ in sys.stdin:
        answers.write(f"{run()!r}\n")
        answers.flush()


if __name__ == "__main__":
    serve()
