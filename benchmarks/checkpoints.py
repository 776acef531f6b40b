"""How long a checkpoint of ten million parameters and Adam's memory keeps training waiting.

Run `python benchmarks/checkpoints.py`. The loop calls `Keeper.keep` between two chunks of steps;
printed is how long these calls took. The whole run's time also has what the writing thread takes
from the training while both go on.
"""

import argparse
import os
import statistics
import tempfile
import time
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MAASNB_PANEL", "static")

import numpy as np

import maasnb as mb
from maasnb.training.keeping import Keeper

WIDTH = 3130  # 64 x 3130 x 3130 x 10 are ten million
GOALS_MS = {"torch": 120, "jax": 50}


class Calls:
    """Have the seconds of each call of `Keeper.keep` noted, by whether a checkpoint came of it."""

    def __init__(self) -> None:
        """Take the place of the method."""
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self._wrote = False
        keep, checkpoint = Keeper.keep, Keeper.checkpoint

        def keep_and_time(keeper: Keeper, mark: Any, state: Any) -> Any:
            wait_for(state)
            self._wrote, began = False, time.perf_counter()
            kept = keep(keeper, mark, state)
            self.seconds[self._wrote].append(time.perf_counter() - began)
            return kept

        def checkpoint_and_tell(keeper: Keeper, *given: Any) -> Any:
            self._wrote = True
            return checkpoint(keeper, *given)

        Keeper.keep, Keeper.checkpoint = keep_and_time, checkpoint_and_tell

    def shown(self, *, wrote: bool) -> str:
        """Return what was noted, in milliseconds."""
        found = self.seconds[wrote]
        if not found:
            return "none"
        return (
            f"{len(found)}, {statistics.median(found) * 1e3:.0f} ms (median), "
            f"{max(found) * 1e3:.0f} ms (longest)"
        )


def wait_for(state: Any) -> None:
    """Wait for steps that are still under way on the device: their time is not the checkpoint's."""
    if isinstance(leaves := getattr(state, "leaves", None), list):
        import jax

        jax.block_until_ready(leaves)


def measure(backend: str, epochs: int, calls: Calls) -> None:
    """Train with and without checkpoints, and print what they cost."""
    inputs = np.random.default_rng(0).normal(size=(512, 64)).astype(np.float32)
    data = mb.data(inputs, np.argmax(inputs[:, :10], axis=1), split=(1, 0, 0))
    layers = [mb.Dense(WIDTH, "relu"), mb.Dense(WIDTH, "relu"), mb.Dense(10)]

    def train(epochs: int, checkpoint_s: float) -> Any:
        net = mb.build(layers, backend=backend, data=data)
        return mb.train(net, data, epochs=epochs, checkpoint_s=checkpoint_s)

    train(1, 0.01)  # compiles
    plain = train(epochs, 3600)
    for found in calls.seconds.values():
        found.clear()
    often = train(epochs, 0.5)
    parameters = often.record.summary["parameters"]
    print(f"{backend}: {parameters:,} parameters, {often.steps} steps, goal {GOALS_MS[backend]} ms")
    print(f"  states kept and written: {calls.shown(wrote=True)}")
    print(f"  states kept in memory only: {calls.shown(wrote=False)}")
    print(f"  the run lasted {often.seconds:.1f} s, without checkpoints {plain.seconds:.1f} s")


def main() -> None:
    """Measure each backend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("torch", "jax"), help="by default both")
    parser.add_argument("--epochs", type=int, default=12, help="of 16 steps (default 12)")
    options = parser.parse_args()
    calls = Calls()
    with tempfile.TemporaryDirectory() as home:
        os.environ["MAASNB_HOME"] = home
        for backend in [options.backend] if options.backend else ["torch", "jax"]:
            measure(backend, options.epochs, calls)


if __name__ == "__main__":
    main()
