"""A flax model's training steps, compiled by XLA over a donated flat list of leaves.

A step is a function of the leaves, a batch, the step's number and the learning rate. A chunk
gathers its rows once and loops over them inside the compiled program; the number of steps is an
input, so one compilation serves every length of chunk. On the CPU, where XLA is slow at
convolutions inside a loop, each step is dispatched by itself instead. That choice depends on the
model and the device alone, because it can change the last bit of a convolution.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from maasnb.backends.jax.losses import head, loss_function, make_transformation
from maasnb.backends.protocol import Array, Evaluation, Statistics
from maasnb.datasets.batches import Rows
from maasnb.tasks import Optimizer, Task

__all__ = ["EVALUATION_BATCH", "JaxProgram", "JaxState", "parameter_names"]

EVALUATION_BATCH = 1024
_LONGEST_CHUNK = 128  # steps; beyond that nothing is gained (a digits MLP: 128 steps are 10 ms)
_CHUNK_BYTES = 64 * 2**20  # what the gathered inputs of one chunk may take

Leaves = list[jax.Array]


@dataclasses.dataclass(frozen=True, slots=True)
class JaxState:
    """Hold parameters, the optimiser's state and the buffers as one flat list of leaves."""

    leaves: Leaves


@dataclasses.dataclass(frozen=True, slots=True)
class JaxPlaced:
    """Hold a split on the device."""

    inputs: jax.Array
    targets: jax.Array


@dataclasses.dataclass(frozen=True, slots=True)
class JaxLosses:
    """Hold losses on the device: arrays that joined begin with those of `count` steps."""

    parts: list[jax.Array]
    count: int


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


def parameter_names(params: nnx.State) -> list[str]:
    """Return the parameters' names, as `dense1.kernel`, in the order of the state's leaves."""
    return [".".join(map(str, path)) for path, _ in nnx.to_flat_state(params)]


class JaxProgram:
    """Train one flax `nnx.Module`; `update` writes into the user's object."""

    def __init__(
        self,
        model: nnx.Module,
        task: Task,
        optimizer: Optimizer,
        device: Any,  # noqa: ANN401 - jax.Device is no type for pyright
        *,
        ragged: bool,
    ) -> None:
        """Split the model into structure and leaves; steps are compiled at their first use."""
        self._model = model
        self._task = task
        self._device = device
        self._ragged = ragged
        self._loss = loss_function(task)
        self._transformation = make_transformation(optimizer)
        training, evaluation = nnx.clone(model), nnx.clone(model)
        training.train()
        evaluation.eval()
        kinds = (nnx.Param, nnx.RngState, ...)
        self._training, params, self._random, rest = nnx.split(training, *kinds)
        self._evaluation, _, _, _ = nnx.split(evaluation, *kinds)
        self._names = parameter_names(params)
        self._first = (params, self._transformation.init(params), rest)
        leaves, self._structure = jax.tree.flatten(self._first)
        self._types = [
            jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves
        ]
        self._looped: bool | None = None
        self._chunk = jax.jit(self._take_steps, donate_argnums=0)
        self._single = jax.jit(self._take_one_step, donate_argnums=0)
        self._measure = jax.jit(self._take_measured_step, donate_argnums=0)
        self._apply = jax.jit(self._outputs)

    @property
    def mode(self) -> str:
        """Return `"loop"` (compiled) or `"step"` (a dispatch each); known after the first chunk."""
        return "step" if self._looped is False else "loop"

    def longest_chunk(self, placed: JaxPlaced, batch: int) -> int:
        """Return how many steps a chunk may have: a power of two whose batches fit into 64 MiB."""
        row_bytes = max(placed.inputs.nbytes // len(placed.inputs), 1)
        fitting = max(_CHUNK_BYTES // (row_bytes * batch), 1)
        return min(_LONGEST_CHUNK, 1 << (fitting.bit_length() - 1))

    def init(self, seed: int) -> JaxState:
        """Copy the model's present parameters to the device, with a fresh optimiser."""
        leaves = jax.tree.leaves(self._first)
        # A copy, because a chunk donates its leaves and the model's own arrays must stay good.
        return JaxState(
            [jax.device_put(jnp.array(leaf, copy=True), self._device) for leaf in leaves]
        )

    def place(self, inputs: Array, targets: Array) -> JaxPlaced:
        """Copy a split to the device."""
        if self._task.loss == "binary_cross_entropy":
            targets = targets.astype(np.float32)
        return JaxPlaced(
            jax.device_put(inputs, self._device), jax.device_put(targets, self._device)
        )

    def chunk(
        self, state: JaxState, placed: JaxPlaced, rows: Rows, lr: float
    ) -> tuple[JaxState, JaxLosses]:
        """Take the steps of `rows`; the losses stay on the device."""
        if self._looped is None:
            self._looped = not self._slow_in_a_loop(placed, rows)
        given = (placed.inputs, placed.targets)
        if self._looped:
            capacity = self.longest_chunk(placed, rows.indices.shape[1])
            arguments = _given(rows, lr, capacity)
            leaves, losses = self._chunk(state.leaves, *given, *arguments, np.int32(len(rows)))
            return JaxState(leaves), JaxLosses([losses], len(rows))
        leaves, losses = state.leaves, []
        for step in range(len(rows)):
            leaves, loss = self._single(leaves, *given, *_given(rows.at(step), lr))
            losses.append(loss)
        return JaxState(leaves), JaxLosses(losses, len(rows))

    def statistics(
        self, state: JaxState, placed: JaxPlaced, rows: Rows, lr: float
    ) -> tuple[JaxState, JaxLosses, tuple[jax.Array, jax.Array]]:
        """Take one step and measure its gradients and updates."""
        leaves, losses, norms = self._measure(
            state.leaves, placed.inputs, placed.targets, *_given(rows, lr)
        )
        return JaxState(leaves), JaxLosses([losses], 1), norms

    def host(self, losses: JaxLosses) -> Array:
        """Wait for losses."""
        parts = [np.atleast_1d(part) for part in jax.device_get(losses.parts)]
        return np.concatenate(parts)[: losses.count].astype(np.float64)

    def host_statistics(self, statistics: tuple[jax.Array, jax.Array]) -> Statistics:
        """Wait for statistics."""
        gradients, ratios = (np.asarray(norms).tolist() for norms in statistics)
        return Statistics(
            gradient_norm=dict(zip(self._names, gradients, strict=True)),
            update_ratio=dict(zip(self._names, ratios, strict=True)),
        )

    def evaluate(self, state: JaxState, placed: JaxPlaced) -> Evaluation:
        """Return the mean loss and the outputs over a split."""
        total, outputs = 0.0, []
        for start in range(0, len(placed.inputs), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            output, loss = self._apply(state.leaves, placed.inputs[part], placed.targets[part])
            total += float(loss)
            outputs.append(np.asarray(output))
        return Evaluation(loss=total / len(placed.inputs), outputs=np.concatenate(outputs))

    def keep(self, state: JaxState) -> Leaves:
        """Copy the leaves on the device."""
        return [jnp.array(leaf, copy=True) for leaf in state.leaves]

    def revert(self, kept: Leaves) -> JaxState:
        """Return a state of copies, because the next chunk donates them."""
        return JaxState([jnp.array(leaf, copy=True) for leaf in kept])

    def snapshot(self, state: JaxState) -> dict[str, Array]:
        """Return the leaves as arrays, named by their paths."""
        return {
            name: np.asarray(leaf) for name, leaf in zip(self._paths(), state.leaves, strict=True)
        }

    def restore(self, state: JaxState, arrays: Mapping[str, Array]) -> JaxState:
        """Return the state whose leaves are these arrays."""
        return JaxState([jax.device_put(arrays[name], self._device) for name in self._paths()])

    def update(self, state: JaxState) -> None:
        """Write parameters and buffers into the user's own module."""
        copies = [jnp.array(leaf, copy=True) for leaf in state.leaves]
        params, _, rest = jax.tree.unflatten(self._structure, copies)
        nnx.update(self._model, params, rest)

    def _paths(self) -> list[str]:
        tree = jax.tree.unflatten(self._structure, self._types)
        return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]

    def _random_at(self, seed: jax.Array, step: jax.Array) -> nnx.State:
        """Return the model's random streams for a step: keys folded from the seed, counts at 0."""
        key = jax.random.fold_in(jax.random.key(seed), step)
        leaves, structure = jax.tree.flatten(self._random)
        fresh = [
            jax.random.fold_in(key, number)
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else jnp.zeros_like(leaf)
            for number, leaf in enumerate(leaves)
        ]
        return jax.tree.unflatten(structure, fresh)

    def _step(
        self, leaves: Leaves, batch: _Batch, seed: jax.Array, lr: jax.Array
    ) -> tuple[Leaves, jax.Array, tuple[Any, Any, Any]]:
        """Take one step; also return what statistics are made of."""
        params, memory, rest = jax.tree.unflatten(self._structure, leaves)
        random = self._random_at(seed, batch.steps)

        def objective(params: nnx.State) -> tuple[jax.Array, Any]:
            model = nnx.merge(self._training, params, random, rest, copy=True)
            losses = self._loss(model(batch.inputs), batch.targets)
            after = nnx.split(model, nnx.Param, nnx.RngState, ...)[3]
            if not self._ragged:
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
        params, _, rest = jax.tree.unflatten(self._structure, leaves)
        model = nnx.merge(self._evaluation, params, self._random, rest, copy=True)
        output: jax.Array = model(inputs)
        return head(self._task, output), self._loss(output, targets).sum()

    def _slow_in_a_loop(self, placed: JaxPlaced, rows: Rows) -> bool:
        """Say whether the step holds a convolution and runs on the CPU.

        XLA's CPU backend runs convolutions inside a loop at 0.4 of their speed outside (measured
        with jaxlib 0.10.2); delete this once that is mended.
        """
        if self._device.platform != "cpu":
            return False

        def one(leaves: Leaves) -> Leaves:
            arguments = _given(rows.at(0), 0.0)
            return self._take_one_step(leaves, placed.inputs, placed.targets, *arguments)[0]

        return "conv_general_dilated" in str(jax.make_jaxpr(one)(self._types))


def _given(
    rows: Rows, lr: float, capacity: int | None = None
) -> tuple[tuple[Array, Array, Array], Any, Any]:
    """Return what a compiled step is given; strong types, so that nothing is traced twice."""
    padding = (capacity or len(rows)) - len(rows)
    steps = np.arange(rows.first, rows.first + len(rows) + padding, dtype=np.int32)
    indices = np.pad(rows.indices, ((0, padding), (0, 0)))
    counts = np.pad(rows.counts, (0, padding), constant_values=1)
    return (indices, counts, steps), np.uint32(rows.seed), np.float32(lr)


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
