"""How fast maasnb trains on a GPU, against loops by hand that keep the data on the GPU too.

Run `python -m benchmarks.gpu torch --json FILE` (or `jax`) on a machine with a CUDA GPU. All sides
train the same model from the same weights, in turns, in one process; a figure is the median of the
runs after the first, in microseconds a step. `--built` takes models of `mb.build` in place of
modules of one's own: only these have their steps recorded as CUDA graphs in torch.
"""

import argparse
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MAASNB_PANEL", "static")

import maasnb as mb
from benchmarks.sides.workloads import LR, WORKLOADS, Workload, load
from benchmarks.training import machine

EPOCHS = {"digits-mlp": 40, "lstm-text": 6, "cnn": 16, "tiny-gpt": 6}

Run = Callable[[], float]
Make = Callable[[Workload], Any]


def built(workload: Workload, backend: str) -> Any:
    """Return a workload's model, made of maasnb's layers."""
    layers = {
        "digits-mlp": [mb.Dense(64, "relu"), mb.Dense(32, "relu")],
        "lstm-text": [mb.Embed(2000, 64), mb.LSTM(128, layers=2)],
        "cnn": [
            mb.Conv(8, 3, "relu"),
            mb.Pool(2),
            mb.Conv(16, 3, "relu"),
            mb.Pool(2),
            mb.Flatten(),
        ],
        "tiny-gpt": [mb.Embed(workload.classes, 64), mb.Transformer(64, 4, layers=2, causal=True)],
    }
    made = [*layers[workload.name], mb.Dense(workload.classes)]
    return mb.build(made, backend=backend, data=data_of(workload))


def data_of(workload: Workload) -> Any:
    """Return a workload's rows as data for maasnb, all for training."""
    labels = [str(number) for number in range(workload.classes)]
    return mb.data(
        workload.inputs, workload.targets, labels=labels, split=(1, 0, 0), name=workload.name
    )


def sides_of(framework: str, *, from_layers: bool) -> tuple[Make, dict[str, Any]]:
    """Return how a model is made, and the sides by name."""
    if framework == "torch":
        from benchmarks.sides import gpu_torch_loops as loops
        from benchmarks.sides.torch_models import make_model
    else:
        from benchmarks.sides import gpu_jax_loops as loops
        from benchmarks.sides.flax_models import make_model
    made: Make = (lambda workload: built(workload, framework)) if from_layers else make_model
    return made, {"maasnb": _ours, "maasnb on the CPU": _ours_on_cpu, **loops.LOOPS}


def _ours(workload: Workload, make: Make, device: str = "gpu") -> Run:
    data = data_of(workload)

    def run() -> float:
        model = make(workload)
        began = time.perf_counter()
        mb.train(model, data, epochs=workload.epochs, batch=workload.batch, lr=LR, device=device)
        return time.perf_counter() - began

    return run


def _ours_on_cpu(workload: Workload, make: Make) -> Run:
    return _ours(workload, make, "cpu")


def measure(
    workload: Workload, make: Make, sides: dict[str, Any], runs: int
) -> dict[str, list[float]]:
    """Return the seconds of each side's runs, which take turns; the first of each is left out."""
    prepared = {name: side(workload, make) for name, side in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in prepared}
    for number in range(runs + 1):
        for name in list(prepared)[:: 1 if number % 2 else -1]:
            took = prepared[name]()
            if number:
                seconds[name].append(took)
    return seconds


def main() -> None:
    """Measure, print, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=("torch", "jax"))
    parser.add_argument("--workload", choices=WORKLOADS, action="append", help="default all")
    parser.add_argument("--without", action="append", default=[], help="a side that is left out")
    parser.add_argument("--built", action="store_true", help="models of mb.build")
    parser.add_argument("--runs", type=int, default=3, help="of each side (default 3)")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    os.environ["MAASNB_HOME"] = tempfile.mkdtemp()
    make, sides = sides_of(options.framework, from_layers=options.built)
    sides = {name: side for name, side in sides.items() if name not in options.without}
    gpu = next(row for row in mb.devices().rows if row.backend == options.framework)
    rows = []
    for name in options.workload or WORKLOADS:
        workload = dataclasses.replace(load(name, options.framework), epochs=EPOCHS[name])
        found = measure(workload, make, sides, options.runs)
        ours = statistics.median(found["maasnb"])
        for side, seconds in found.items():
            middle = statistics.median(seconds)
            row = {
                "workload": name, "framework": options.framework, "built": options.built,
                "side": side, "us_per_step": round(1e6 * middle / workload.steps, 1),
                "ratio": round(middle / ours, 2), "steps": workload.steps,
                "seconds": [round(each, 4) for each in seconds],
            }  # fmt: skip
            rows.append(row)
            print(f"{name:11} {side:18} {row['us_per_step']:9.1f} us/step {row['ratio']:6.2f}")
    if options.json:
        about = {**machine(), "gpu": gpu.description}
        options.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
