"""The compiled steps of a flax model: one, one that is measured, many in a loop, and an evaluation.

A step is a function of the leaves, a batch, the step's number and the learning rate. A chunk
gathers its rows once and loops over them inside the compiled program; the number of steps is an
input, so one compilation serves every length of chunk. Nothing here depends on a model's weights:
models of one structure share their compiled steps.
"""

import dataclasses
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from maasnb.backends.jax.losses import head, loss_function, make_transformation
from maasnb.backends.jax.streams import Streams
from maasnb.tasks import Optimizer, Task

__all__ = ["Leaves", "Steps", "Structure", "compiled_steps"]

Leaves = list[jax.Array]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Hold all that compiled steps depend on; two models with equal ones share them.

    Attributes:
        training: the model's graph in training mode.
        evaluation: the model's graph in evaluation mode.
        streams: the model's random streams.
        tree: how the flat leaves make up parameters, the optimiser's state and buffers.
        task: what the model is trained for.
        optimizer: the optimiser's name and numbers.
        ragged: whether batches have padded rows.
    """

    training: Any
    evaluation: Any
    streams: Streams
    tree: Any
    task: Task
    optimizer: Optimizer
    ragged: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Batch:
    """Hold what one step is given beside the leaves; leading axis [K] in a chunk."""

    inputs: Any
    targets: Any
    counts: Any
    steps: Any


jax.tree_util.register_dataclass(
    _Batch, data_fields=["inputs", "targets", "counts", "steps"], meta_fields=[]
)


class Steps:
    """Compile, at their first use, the steps of all models of one structure."""

    def __init__(self, structure: Structure) -> None:
        """Take the structure; nothing is compiled yet."""
        self._structure = structure
        self._loss = loss_function(structure.task)
        self._transformation = make_transformation(structure.optimizer)
        self.many = jax.jit(self._take_steps, donate_argnums=0)
        self.one = jax.jit(self._take_one_step, donate_argnums=0)
        self.measured = jax.jit(self._take_measured_step, donate_argnums=0)
        self.outputs = jax.jit(self._outputs)
        self.looped: bool | None = None  # whether many steps are one dispatch; None until known

    def _step(
        self, leaves: Leaves, batch: _Batch, seed: jax.Array, lr: jax.Array
    ) -> tuple[Leaves, jax.Array, tuple[Any, Any, Any]]:
        """Take one step; also return what statistics are made of."""
        structure = self._structure
        params, memory, rest = jax.tree.unflatten(structure.tree, leaves)
        random = structure.streams.at(seed, batch.steps)

        def objective(params: nnx.State) -> tuple[jax.Array, Any]:
            model = nnx.merge(structure.training, params, random, rest, copy=True)
            losses = self._loss(model(batch.inputs), batch.targets)
            after = nnx.split(model, nnx.Param, nnx.RngState, ...)[3]
            if not structure.ragged:
                return losses.mean(), after
            real = jnp.arange(len(losses)) < batch.counts
            return jnp.where(real, losses, 0).sum() / batch.counts, after

        (loss, rest), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        direction, memory = self._transformation.update(gradients, memory, params)
        updates = jax.tree.map(lambda part: -lr * part, direction)
        after = jax.tree.leaves((optax.apply_updates(params, updates), memory, rest))
        return after, loss, (params, gradients, updates)

    def _take_steps(
        self,
        leaves: Leaves,
        inputs: jax.Array,
        targets: jax.Array,
        rows: tuple[Any, ...],
        seed: jax.Array,
        lr: jax.Array,
        count: jax.Array,
    ) -> tuple[Leaves, jax.Array]:
        batches = _gather(inputs, targets, rows)

        def body(number: jax.Array, carry: tuple[Leaves, jax.Array]) -> tuple[Leaves, jax.Array]:
            leaves, losses = carry
            batch = jax.tree.map(lambda part: part[number], batches)
            after, loss, _ = self._step(leaves, batch, seed, lr)
            return after, losses.at[number].set(loss)

        return jax.lax.fori_loop(0, count, body, (leaves, jnp.zeros(len(batches.steps))))

    def _take_one_step(
        self,
        leaves: Leaves,
        inputs: jax.Array,
        targets: jax.Array,
        rows: tuple[Any, ...],
        seed: jax.Array,
        lr: jax.Array,
    ) -> tuple[Leaves, jax.Array]:
        batch = jax.tree.map(lambda part: part[0], _gather(inputs, targets, rows))
        after, loss, _ = self._step(leaves, batch, seed, lr)
        return after, loss

    def _take_measured_step(
        self,
        leaves: Leaves,
        inputs: jax.Array,
        targets: jax.Array,
        rows: tuple[Any, ...],
        seed: jax.Array,
        lr: jax.Array,
    ) -> tuple[Leaves, jax.Array, tuple[jax.Array, jax.Array]]:
        batch = jax.tree.map(lambda part: part[0], _gather(inputs, targets, rows))
        after, loss, (params, gradients, updates) = self._step(leaves, batch, seed, lr)
        weights = _norms(params)
        return after, loss[None], (_norms(gradients), _norms(updates) / weights)

    def _outputs(
        self, leaves: Leaves, inputs: jax.Array, targets: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        structure = self._structure
        params, _, rest = jax.tree.unflatten(structure.tree, leaves)
        streams = structure.streams.at(0, 0)  # an evaluated model draws nothing
        model = nnx.merge(structure.evaluation, params, streams, rest, copy=True)
        output: jax.Array = model(inputs)
        return head(structure.task, output), self._loss(output, targets).sum()


@lru_cache(maxsize=32)
def _shared_steps(structure: Structure) -> Steps:
    return Steps(structure)


def compiled_steps(structure: Structure) -> Steps:
    """Return the steps of a structure, shared with earlier models of an equal one."""
    try:
        return _shared_steps(structure)
    except TypeError:  # a module of the user's own may hold attributes that cannot be hashed
        return Steps(structure)


def _gather(inputs: jax.Array, targets: jax.Array, rows: tuple[Any, ...]) -> _Batch:
    indices, counts, steps = rows
    return _Batch(
        inputs=jnp.take(inputs, indices, axis=0),
        targets=jnp.take(targets, indices, axis=0),
        counts=counts,
        steps=steps,
    )


def _norms(tree: Any) -> jax.Array:  # noqa: ANN401 - any tree of arrays
    return jnp.stack([jnp.linalg.norm(leaf.ravel()) for leaf in jax.tree.leaves(tree)])
