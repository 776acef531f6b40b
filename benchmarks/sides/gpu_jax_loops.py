"""The JAX loops that a person would write for a GPU, and one that takes every pain."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.sides.jax_loops import prepare_plain, step_of
from benchmarks.sides.workloads import Workload

__all__ = ["LOOPS"]

Make = Callable[[Workload], Any]


def _flat(workload: Workload, make: Make) -> tuple[Any, Callable[..., tuple[Any, Any]]]:
    """Return the optimiser, and a step over leaves that takes its rows on the GPU."""
    graph, first, rest = nnx.split(make(workload), nnx.Param, ...)
    optimizer, step = step_of(graph, rest)
    tree = jax.tree.structure((first, optimizer.init(first)))

    def flat_step(leaves: Any, inputs: Any, targets: Any, rows: Any) -> tuple[Any, Any]:
        params, memory = jax.tree.unflatten(tree, leaves)
        params, memory, loss = step(params, memory, inputs[rows], targets[rows])
        return jax.tree.leaves((params, memory)), loss

    return optimizer, flat_step


def prepare_best(workload: Workload, make: Make) -> Callable[[], float]:
    """Return a jitted step over a flat list of leaves, with the data on the GPU."""
    optimizer, step = _flat(workload, make)
    inputs, targets = jnp.asarray(workload.inputs), jnp.asarray(workload.targets)
    compiled = jax.jit(step, donate_argnums=0)

    def run() -> float:
        params = nnx.state(make(workload), nnx.Param)
        began = time.perf_counter()
        leaves, losses = jax.tree.leaves((params, optimizer.init(params))), []
        generator = np.random.default_rng(0)
        for _ in range(workload.epochs):
            order = generator.permutation(len(workload.inputs)).astype(np.int32)
            for first in range(0, len(order), workload.batch):
                rows = order[first : first + workload.batch]
                leaves, loss = compiled(leaves, inputs, targets, rows)
                losses.append(loss)
        jax.block_until_ready((leaves, losses))
        return time.perf_counter() - began

    return run


def prepare_scan(workload: Workload, make: Make) -> Callable[[], float]:
    """Return a loop with an epoch as one `scan`, which leaves the last, smaller batch out."""
    optimizer, step = _flat(workload, make)
    inputs, targets = jnp.asarray(workload.inputs), jnp.asarray(workload.targets)
    batches = len(workload.inputs) // workload.batch

    def epoch(leaves: Any, inputs: Any, targets: Any, order: Any) -> tuple[Any, Any]:
        return jax.lax.scan(lambda at, rows: step(at, inputs, targets, rows), leaves, order)

    compiled = jax.jit(epoch, donate_argnums=0)

    def run() -> float:
        params = nnx.state(make(workload), nnx.Param)
        began = time.perf_counter()
        leaves, losses = jax.tree.leaves((params, optimizer.init(params))), []
        generator = np.random.default_rng(0)
        for _ in range(workload.epochs):
            order = generator.permutation(len(workload.inputs)).astype(np.int32)
            rows = order[: batches * workload.batch].reshape(batches, -1)
            leaves, found = compiled(leaves, inputs, targets, rows)
            losses.append(found)
        jax.block_until_ready((leaves, losses))
        return time.perf_counter() - began

    return run


LOOPS = {
    "hand-written": prepare_plain,
    "best-hand-written": prepare_best,
    "scan by hand": prepare_scan,
}
