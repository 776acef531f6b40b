"""How fast maasnb trains, as ratios to hand-written loops measured interleaved in the same process.

Run `python benchmarks/training.py --json FILE`. A ratio above 1 says that maasnb is faster. Each
pair is one run of maasnb and one of the other loop, right after each other, in an order that
alternates; the ratio of a row is the median over the pairs. Both sides are timed from a fresh model
to the final weights, the first run of each left out, because it compiles.
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MAASNB_PANEL", "static")

import numpy as np

import maasnb as mb

EPOCHS, BATCH, LR = 20, 32, 1e-3
LAYERS = (mb.Dense(64, "relu"), mb.Dense(32, "relu"), mb.Dense(10))

Loop = Callable[[], float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """Hold one measured ratio."""

    workload: str
    framework: str
    subject: str = "maasnb"
    against: str
    ratio: float
    pairs: int


def maasnb_loop(data: mb.Data, backend: str) -> Loop:
    """Return a whole run of `mb.train`; it returns its steps a second, by the run's own clock."""

    def loop() -> float:
        model = mb.build(LAYERS, backend=backend, data=data)
        began = time.perf_counter()
        run = mb.train(model, data, epochs=EPOCHS, batch=BATCH, lr=LR)
        return run.steps / (time.perf_counter() - began)

    return loop


def batches_of(data: mb.Data) -> list[np.ndarray]:
    """Return the rows of each step's batch, shuffled anew in each epoch."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(EPOCHS):
        order = generator.permutation(len(data.train))
        rows += [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    return rows


def torch_loop(data: mb.Data, *, fused: bool) -> Loop:
    """Return the loop that a person would write: tensors indexed on the device, Adam."""
    import torch

    inputs = torch.tensor(data.train.inputs)
    targets = torch.tensor(data.train.targets).long()

    def loop() -> float:
        model = mb.build(LAYERS, backend="torch", data=data)
        began = time.perf_counter()
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=fused or None)
        rows = batches_of(data)
        losses = []
        for indices in rows:
            batch = torch.from_numpy(indices)
            loss = torch.nn.functional.cross_entropy(model(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return len(rows) / (time.perf_counter() - began)

    return loop


def jax_loop(data: mb.Data, *, flat: bool) -> Loop:
    """Return a jitted step over nnx state, or over a flat list of leaves, dispatched each step."""
    import jax
    import optax
    from flax import nnx

    graph, first = nnx.split(mb.build(LAYERS, backend="jax", data=data))
    optimizer = optax.adam(LR)

    def step(params: Any, memory: Any, inputs: Any, targets: Any) -> tuple[Any, Any, Any]:
        def objective(params: Any) -> Any:
            logits = nnx.merge(graph, params)(inputs)
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

        loss, gradients = jax.value_and_grad(objective)(params)
        updates, memory = optimizer.update(gradients, memory, params)
        return optax.apply_updates(params, updates), memory, loss

    _, structure = jax.tree.flatten((first, optimizer.init(first)))

    def flat_step(leaves: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
        params, memory = jax.tree.unflatten(structure, leaves)
        params, memory, loss = step(params, memory, inputs, targets)
        return jax.tree.leaves((params, memory)), loss

    compiled = jax.jit(step, donate_argnums=(0, 1))
    compiled_flat = jax.jit(flat_step, donate_argnums=0)
    inputs, targets = data.train.inputs, data.train.targets

    def loop() -> float:
        began = time.perf_counter()
        params = jax.tree.map(jax.numpy.copy, first)
        memory = optimizer.init(params)
        leaves = jax.tree.leaves((params, memory))
        rows = batches_of(data)
        losses = []
        for indices in rows:
            if flat:
                leaves, loss = compiled_flat(leaves, inputs[indices], targets[indices])
            else:
                params, memory, loss = compiled(params, memory, inputs[indices], targets[indices])
            losses.append(loss)
        jax.block_until_ready(losses)
        return len(rows) / (time.perf_counter() - began)

    return loop


def ratio_of(ours: Loop, other: Loop, pairs: int) -> float:
    """Return the median of our speed over the other's, after one pair that is not counted."""
    ratios = []
    for number in range(pairs + 1):
        first, second = (ours, other) if number % 2 else (other, ours)
        speeds = {first: first(), second: second()}
        ratios.append(speeds[ours] / speeds[other])
    return statistics.median(ratios[1:])


def measure(pairs: int) -> list[Row]:
    """Return a row for each hand-written loop."""
    data = mb.data("digits")
    loops = [
        ("torch", "hand-written", torch_loop(data, fused=False)),
        ("torch", "best-hand-written", torch_loop(data, fused=True)),
        ("jax", "hand-written", jax_loop(data, flat=False)),
        ("jax", "best-hand-written", jax_loop(data, flat=True)),
    ]
    return [
        Row(
            workload="digits-mlp",
            framework=framework,
            against=against,
            ratio=round(ratio_of(maasnb_loop(data, framework), other, pairs), 3),
            pairs=pairs,
        )
        for framework, against, other in loops
    ]


def machine() -> dict[str, str | int | None]:
    """Return what the figures were measured on."""
    import jax
    import torch

    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "jax": jax.__version__,
        "omp_wait_policy": os.environ["OMP_WAIT_POLICY"],
    }


def main() -> None:
    """Measure, print a table, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--pairs", type=int, default=9, help="how many pairs a row (default 9)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        os.environ["MAASNB_HOME"] = workspace
        rows = measure(options.pairs)
    print(f"{'workload':<12} {'framework':<10} {'maasnb against':<20} {'ratio':>6} {'pairs':>6}")
    for row in rows:
        against = f"{row.framework:<10} {row.against:<20}"
        print(f"{row.workload:<12} {against} {row.ratio:>6.2f} {row.pairs:>6}")
    if options.json:
        result = {"machine": machine(), "rows": [dataclasses.asdict(row) for row in rows]}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
