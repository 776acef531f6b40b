"""What a run of a million steps leaves in memory and on the disk, and whether it grows slower.

Run `python benchmarks/long_run.py`, or with `--steps 100000` for a look. The model is as small as
models are, so that the cost of the record shows: a step of it takes microseconds.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MAASNB_PANEL", "static")

import numpy as np

import maasnb as mb
from maasnb.events import Ended, Event, Started, Stepped

BATCH, PER_EPOCH = 8, 1024


class Watch:
    """Note when each hundredth of the steps was told of, and how much memory there was then."""

    def __init__(self, steps: int) -> None:
        """Take how many steps there will be."""
        self._steps = steps
        self.times: list[float] = []
        self.computed: list[float] = []  # CPU seconds, which others' work on the machine spares
        self.at: list[int] = []
        self.memory: list[int] = []

    def __call__(self, event: Event, run: mb.Run) -> None:  # noqa: ARG002 - a callback's form
        """Look at the time and the memory, not at every event."""
        due = event.step * 100 >= len(self.times) * self._steps
        if isinstance(event, Started | Ended) or (isinstance(event, Stepped) and due):
            self.times.append(time.perf_counter())
            self.computed.append(time.process_time())
            self.at.append(event.step)
            self.memory.append(resident_bytes())

    def step_us(self, first: float, last: float) -> tuple[float, float]:
        """Return the microseconds a step took between two parts of the run, and those of CPU."""
        begin, end = (
            min(range(len(self.at)), key=lambda n: abs(self.at[n] - part * self._steps))
            for part in (first, last)
        )
        steps = (self.at[end] - self.at[begin]) / 1e6
        wall, computed = self.times, self.computed
        return (wall[end] - wall[begin]) / steps, (computed[end] - computed[begin]) / steps


def resident_bytes() -> int:
    """Return how much memory this process has now, or has had at the most."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def train(backend: str, epochs: int, on_event: Any = None) -> Any:
    """Train one layer with two outputs on four numbers."""
    inputs = np.random.default_rng(0).normal(size=(BATCH * PER_EPOCH * 5 // 4, 4))
    targets = (inputs[:, 0] > inputs[:, 1]).astype(int)
    data = mb.data(inputs, targets, split=(0.8, 0.2, 0))
    net = mb.build([mb.Dense(2)], backend=backend, data=data)
    return mb.train(net, data, epochs=epochs, batch=BATCH, on_event=on_event)


def main() -> None:
    """Train for long, and print what it left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("torch", "jax"), default="jax", help="default jax")
    parser.add_argument("--steps", type=int, default=1_000_000, help="default a million")
    options = parser.parse_args()
    epochs = -(-options.steps // PER_EPOCH)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MAASNB_HOME"] = home
        train(options.backend, 2)  # compiles
        watch = Watch(epochs * PER_EPOCH)
        run = train(options.backend, epochs, watch)
        log = run.folder / "events.jsonl"
        lines = sum(1 for _ in log.open("rb"))
        (first, first_cpu), (last, last_cpu) = watch.step_us(0, 0.1), watch.step_us(0.9, 1)
        print(
            f"{options.backend}: {run.steps:,} steps in {run.seconds:.0f} s; memory grew by "
            f"{(watch.memory[-1] - watch.memory[0]) / 1e6:.0f} MB (goal 100); events.jsonl has "
            f"{log.stat().st_size / 1e6:.1f} MB (goal 100) in {lines:,} lines; a step took "
            f"{first:.1f} us in the first tenth ({first_cpu:.1f} of CPU), {last:.1f} us in the "
            f"last ({last_cpu:.1f})"
        )


if __name__ == "__main__":
    main()
