"""Kill training at random moments, have it go on in a new process, and compare the final weights.

Run `python benchmarks/kills.py --kills 20`. Each trial is a run with dropout and shuffling in a
process of its own that is killed with SIGKILL; a second process resumes and finishes it. The final
weights and the optimiser's state must be, bit for bit, those of a run that nobody interrupted, and
the log must have every step once.
"""

import argparse
import json
import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MAASNB_PANEL", "static")

import numpy as np

import maasnb as mb
from maasnb.events import Stepped
from maasnb.records.checkpoints import checkpoint_steps, read_checkpoint
from maasnb.records.record import read_events, read_summary

EPOCHS = 400
PATIENCE_S = 120


def train(backend: str, home: str, name: str) -> None:
    """Begin a run, or go on with it; what a process of its own does."""
    os.environ["MAASNB_HOME"] = home
    inputs = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    data = mb.data(inputs, np.argmax(inputs[:, :3], axis=1), split=(0.8, 0.2, 0))
    net = mb.build([mb.Dense(16, "tanh"), mb.Dropout(0.3), mb.Dense(3)], backend=backend, data=data)
    options = {"checkpoint_s": 0.02, "epochs": EPOCHS, "batch": 8}
    begun = (Path(home) / "runs" / name / "run.json").exists()
    mb.train(net, data, **options, **({"resume": name} if begun else {"name": name}))


def processes() -> Any:
    """Return what starts processes that have the frameworks loaded, which saves seconds each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "flax.nnx", "optax", "maasnb.training", "sklearn"])
    return context


def wait_for_steps(folder: Path, after: float) -> None:
    """Wait until a run has logged a chunk of steps since that time; by then all is compiled."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        if (folder / "events.jsonl").exists():
            events = read_events(folder)
            if any(
                isinstance(event, Stepped) and event.time > after and len(event.losses) > 1
                for event in events
            ):
                return
        time.sleep(0.02)
    message = f"{folder} got no steps"
    raise TimeoutError(message)


def kill_once(context: Any, backend: str, home: str, name: str, delay_s: float) -> int:
    """Let a run train for a while, kill it, and return at which step its log ends."""
    folder, began = Path(home) / "runs" / name, time.time()
    process = context.Process(target=train, args=(backend, home, name))
    process.start()
    wait_for_steps(folder, began)
    time.sleep(delay_s)
    process.kill()
    process.join()
    return max((event.step for event in read_events(folder)), default=0)


def finish(context: Any, backend: str, home: str, name: str) -> None:
    """Have a run go on to its end in a process of its own."""
    process = context.Process(target=train, args=(backend, home, name))
    process.start()
    process.join(PATIENCE_S)
    if process.exitcode != 0:
        message = f"{name} ended with exit code {process.exitcode}"
        raise RuntimeError(message)


def same(home: str, one: str, other: str) -> bool:
    """Say whether two finished runs have the same final state and each step's loss once."""
    folders = [Path(home) / "runs" / name for name in (one, other)]
    states = [read_checkpoint(folder, checkpoint_steps(folder)[-1]) for folder in folders]
    first, second = ({n: a.tobytes() for n, a in state.arrays.items()} for state in states)
    losses = []
    for folder in folders:
        logged: list[float] = []
        for event in read_events(folder):
            if isinstance(event, Stepped):
                if event.step != len(logged) + len(event.losses):
                    return False
                logged.extend(event.losses)
        losses.append(logged)
    finished = all(read_summary(folder)["status"] == "finished" for folder in folders)
    return finished and first == second and losses[0] == losses[1]


def trials(backend: str, kills: int, in_a_row: int, longest_s: float, seed: int) -> list[bool]:
    """Kill as many times, `in_a_row` times a run; return whether each run ended with the bits."""
    context, moments = processes(), random.Random(seed)
    with tempfile.TemporaryDirectory() as home:
        finish(context, backend, home, "whole")
        results = []
        for number in range(-(-kills // in_a_row)):
            name = f"killed-{number}"
            steps = []
            for _ in range(in_a_row):
                delay_s = moments.uniform(0, longest_s)
                steps.append(kill_once(context, backend, home, name, delay_s))
                if "status" in read_summary(Path(home) / "runs" / name):
                    break  # it had ended before
            if "status" not in read_summary(Path(home) / "runs" / name):
                finish(context, backend, home, name)
            results.append(same(home, "whole", name))
            print(f"{backend} {name}: killed at {steps}, same bits: {results[-1]}", flush=True)
    return results


def main() -> None:
    """Kill, compare and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="per backend (default 20)")
    parser.add_argument("--backend", choices=("torch", "jax"), help="by default both")
    parser.add_argument("--seed", type=int, default=0, help="fixes the moments (default 0)")
    options = parser.parse_args()
    counts = {}
    for backend in [options.backend] if options.backend else ["torch", "jax"]:
        results = trials(backend, options.kills, 1, 0.8, options.seed)
        counts[backend] = {"kills": len(results), "same_bits": sum(results)}
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
