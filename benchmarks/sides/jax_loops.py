"""The JAX loops that a person would write: over nnx state, over a flat list of leaves, nnx.jit."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from benchmarks.sides.flax_models import loss_of, make_model
from benchmarks.sides.workloads import LR, Workload

__all__ = ["batches_of", "prepare_best", "prepare_nnx_jit", "prepare_plain", "step_of"]


def batches_of(workload: Workload) -> Iterator[tuple[Any, Any]]:
    """Yield a run's batches as NumPy arrays, in a new order in each epoch."""
    generator = np.random.default_rng(0)
    for _ in range(workload.epochs):
        order = generator.permutation(len(workload.inputs))
        for first in range(0, len(order), workload.batch):
            rows = order[first : first + workload.batch]
            yield workload.inputs[rows], workload.targets[rows]


def step_of(graph: Any, rest: Any) -> tuple[Any, Callable[..., tuple[Any, Any, Any]]]:
    """Return the optimiser, and a step of it: (params, memory, inputs, targets) -> those, loss."""
    optimizer = optax.adam(LR)

    def step(params: Any, memory: Any, inputs: Any, targets: Any) -> tuple[Any, Any, Any]:
        def objective(params: Any) -> Any:
            return loss_of(nnx.merge(graph, params, rest)(inputs), targets)

        loss, gradients = jax.value_and_grad(objective)(params)
        updates, memory = optimizer.update(gradients, memory, params)
        return optax.apply_updates(params, updates), memory, loss

    return optimizer, step


def prepare_plain(
    workload: Workload, make: Callable[[Workload], Any] = make_model
) -> Callable[[], float]:
    """Return a jitted step over nnx state that donates it, fed from the host."""
    graph, _, rest = nnx.split(make(workload), nnx.Param, ...)
    optimizer, step = step_of(graph, rest)
    compiled = jax.jit(step, donate_argnums=(0, 1))

    def run() -> float:
        params = nnx.state(make(workload), nnx.Param)
        began = time.perf_counter()
        memory, losses = optimizer.init(params), []
        for inputs, targets in batches_of(workload):
            params, memory, loss = compiled(params, memory, inputs, targets)
            losses.append(loss)
        jax.block_until_ready((params, losses))
        return time.perf_counter() - began

    return run


def prepare_best(workload: Workload) -> Callable[[], float]:
    """Return a jitted step over a flat list of leaves that donates them."""
    graph, first, rest = nnx.split(make_model(workload), nnx.Param, ...)
    optimizer, step = step_of(graph, rest)
    structure = jax.tree.structure((first, optimizer.init(first)))

    def flat_step(leaves: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
        params, memory = jax.tree.unflatten(structure, leaves)
        params, memory, loss = step(params, memory, inputs, targets)
        return jax.tree.leaves((params, memory)), loss

    compiled = jax.jit(flat_step, donate_argnums=0)

    def run() -> float:
        params = nnx.state(make_model(workload), nnx.Param)
        began = time.perf_counter()
        leaves, losses = jax.tree.leaves((params, optimizer.init(params))), []
        for inputs, targets in batches_of(workload):
            leaves, loss = compiled(leaves, inputs, targets)
            losses.append(loss)
        jax.block_until_ready((leaves, losses))
        return time.perf_counter() - began

    return run


def prepare_nnx_jit(workload: Workload) -> Callable[[], float]:
    """Return the step of flax's own tutorial: `nnx.jit` over a model and its optimiser."""

    @nnx.jit
    def step(model: Any, optimizer: Any, inputs: Any, targets: Any) -> Any:
        loss, gradients = nnx.value_and_grad(lambda m: loss_of(m(inputs), targets))(model)
        optimizer.update(model, gradients)
        return loss

    transformation = optax.adam(LR)

    def run() -> float:
        model, losses = make_model(workload), []
        began = time.perf_counter()
        optimizer = nnx.Optimizer(model, transformation, wrt=nnx.Param)
        for inputs, targets in batches_of(workload):
            losses.append(step(model, optimizer, inputs, targets))
        jax.block_until_ready((nnx.state(model), losses))
        return time.perf_counter() - began

    return run
