"""A flax model's training behind the seam, over a donated flat list of leaves.

On the CPU, where XLA is slow at convolutions inside a loop, each step of a model with convolutions
is dispatched by itself; everything else runs many steps a dispatch. That choice depends on the
model and the device alone, because it can change the last bit of a convolution.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from concurrent.futures import Future, wait
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from maasnb.backends.jax.beside import Made, made_before, made_beside
from maasnb.backends.jax.calls import as_given, call, exact, traced_once
from maasnb.backends.jax.losses import is_one_number
from maasnb.backends.jax.steps import Leaves, Structure, compiled_steps, trained
from maasnb.backends.jax.streams import Streams
from maasnb.backends.jax.updates import make_transformation, refuse_unusable
from maasnb.backends.protocol import PLAIN, Array, Evaluation, Losses, Statistics
from maasnb.datasets.batches import Rows
from maasnb.parts import Parts, arguments, count, leaves, taken
from maasnb.rules import Rule
from maasnb.tasks import Kind, Optimizer, Task

__all__ = ["EVALUATION_BATCH", "JaxProgram", "JaxState", "device_name", "parameter_names"]

EVALUATION_BATCH = 1024
_LONGEST_CHUNK = 128  # steps; beyond that nothing is gained (a digits MLP: 128 steps are 10 ms)
_CHUNK_BYTES = 8 * 2**20  # of gathered inputs, which a chunk of one step has to gather too
_OUTPUT_NUMBERS = 2**23  # of one part of an evaluation: 32 MiB


@dataclasses.dataclass(frozen=True, slots=True)
class JaxState:
    """Hold parameters, the optimiser's state and the buffers as one flat list of leaves."""

    leaves: Leaves


@dataclasses.dataclass(frozen=True, slots=True)
class JaxPlaced:
    """Hold a split on the device."""

    inputs: Parts
    targets: Parts


@dataclasses.dataclass(frozen=True, slots=True)
class JaxLosses:
    """Hold losses on the device: of each example [steps, batch], and how many are real."""

    parts: list[jax.Array]
    counts: Array


def device_name(device: Any) -> str:  # noqa: ANN401 - jax.Device is no type for pyright
    """Return what `device=` takes for a device."""
    alone = device.platform == "cpu" and device.id == 0
    return "cpu" if alone else f"{device.platform}:{device.id}"


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
        inputs: Parts,
        targets: Parts,
        ragged: bool,
        rule: Rule = PLAIN,
    ) -> None:
        """Split the model into its structure and its leaves."""
        self._model = model
        self._task = task
        self._device = device
        training, evaluation = nnx.clone(model), nnx.clone(model)
        training.train()
        evaluation.eval()
        kinds = (trained(rule.frozen), nnx.RngState, ...)
        training_graph, params, random, rest = nnx.split(training, *kinds)
        self._names = parameter_names(params)
        refuse_unusable(optimizer, params)
        self._first = (params, make_transformation(optimizer).init(params), rest)
        leaves, self._tree = jax.tree.flatten(self._first)
        self._types = [
            jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves
        ]
        examples = as_given(inputs, task.takes)
        self._looped = device.platform != "cpu" or not _convolves(evaluation, examples)
        self._own_loss = task.loss == "model" and rule.loss is None
        # A loss that is one number for the batch cannot leave padded rows out.
        self._one_number = self._own_loss or _is_one_number(
            rule, evaluation, task.kind, examples, targets
        )
        # Neither can running statistics of a batch, as those of BatchNorm.
        normed = bool(jax.tree.leaves(nnx.state(model, nnx.BatchStat)))
        self._whole = self._one_number or normed
        self._evaluated = max(1, min(EVALUATION_BATCH, _OUTPUT_NUMBERS // _numbers_of(task)))
        self._accumulate = rule.accumulate
        structure = Structure(
            training=training_graph,
            evaluation=nnx.split(evaluation, *kinds)[0],
            streams=Streams.of(random),
            tree=self._tree,
            task=task,
            optimizer=optimizer,
            rule=rule,
            ragged=ragged and not self._whole,
            looped=self._looped,
        )
        self._steps = compiled_steps(structure)

    @property
    def mode(self) -> str:
        """Return `"loop"` (many steps are one dispatch) or `"step"` (each is one)."""
        return "loop" if self._looped else "step"

    @property
    def device(self) -> str:
        """Return the device's name."""
        return device_name(self._device)

    def longest_chunk(self, placed: JaxPlaced, batch: int) -> int:
        """Return how many steps a chunk may have: a power of two whose batches fit into 8 MiB."""
        row_bytes = sum(max(part.nbytes // len(part), 1) for part in leaves(placed.inputs))
        fitting = max(_CHUNK_BYTES // (row_bytes * batch), 1)
        return min(_LONGEST_CHUNK, 1 << (fitting.bit_length() - 1))

    def init(self, seed: int) -> JaxState:
        """Copy the model's present parameters to the device, with a fresh optimiser."""
        leaves = jax.tree.leaves(self._first)
        # A copy, because a chunk donates its leaves and the model's own arrays must stay good.
        return JaxState(_copied([jax.device_put(leaf, self._device) for leaf in leaves]))

    def place(self, inputs: Parts, targets: Parts) -> JaxPlaced:
        """Copy a split to the device."""
        if self._task.loss == "binary_cross_entropy":
            targets = targets.astype(np.float32)
        inputs = as_given(inputs, self._task.takes)
        return JaxPlaced(
            jax.device_put(inputs, self._device), jax.device_put(targets, self._device)
        )

    def chunk(
        self,
        state: JaxState,
        placed: JaxPlaced,
        rows: Rows,
        lr: Array | float,
        clip: float | None = None,
    ) -> tuple[JaxState, JaxLosses]:
        """Take the steps of `rows`; the losses stay on the device."""
        rates = np.broadcast_to(np.asarray(lr, np.float32), len(rows))
        width = rows.indices.shape[1]
        if not self._whole or rows.counts.min() == width:
            return self._dispatch(state, placed, rows, rates, clip)
        # A smaller batch is a step of its own shape.
        found = []
        for step in range(len(rows)):
            state, losses = self._dispatch_one(
                state, placed, rows.at(step), rates[step : step + 1], clip
            )
            found.append(jnp.pad(losses, ((0, 0), (0, width - losses.shape[1]))))
        return state, JaxLosses(found, rows.counts)

    def _dispatch(
        self,
        state: JaxState,
        placed: JaxPlaced,
        rows: Rows,
        rates: Array,
        clip: float | None,
    ) -> tuple[JaxState, JaxLosses]:
        """Take steps in one dispatch, or in one each."""
        if self._looped:
            capacity = self.longest_chunk(placed, rows.indices.shape[1])
            arguments = (*_given(rows, rates, clip, capacity), np.int32(len(rows)))
            leaves, losses = self._steps.many(
                state.leaves, placed.inputs, placed.targets, *arguments, part=self._part_of(rows)
            )
            return JaxState(leaves), JaxLosses([losses], rows.counts)
        found = []
        for step in range(len(rows)):
            state, losses = self._dispatch_one(
                state, placed, rows.at(step), rates[step : step + 1], clip
            )
            found.append(losses)
        return state, JaxLosses(found, rows.counts)

    def _dispatch_one(
        self, state: JaxState, placed: JaxPlaced, rows: Rows, rate: Array, clip: float | None
    ) -> tuple[JaxState, jax.Array]:
        """Take the step of one batch; return the losses of its examples too [1, rows]."""
        given = _given(self._shown(rows), rate, clip)
        leaves, losses = self._steps.one(
            state.leaves, placed.inputs, placed.targets, *given, part=self._part_of(rows)
        )
        return JaxState(leaves), losses

    def _shown(self, rows: Rows) -> Rows:
        """Return the rows of one step as the model may see them: without padding, or with."""
        return _without_padding(rows) if self._whole else rows

    def _part_of(self, rows: Rows) -> int:
        """Return how many rows of a batch are computed at a time."""
        return -(-rows.indices.shape[1] // self._accumulate)

    def statistics(
        self,
        state: JaxState,
        placed: JaxPlaced,
        rows: Rows,
        lr: Array | float,
        clip: float | None = None,
        *,
        full: bool = True,
    ) -> tuple[JaxState, JaxLosses, Future[Made]]:
        """Measure what a step does, and take it as any other: no bit can differ."""
        rates = np.broadcast_to(np.asarray(lr, np.float32), 1)
        given = _given(self._shown(rows), rates, clip)
        beside = self._device.platform == "cpu"
        leaves = _copied(state.leaves) if beside else state.leaves
        found = (made_beside if beside else made_before)(
            lambda: self._steps.statistics(
                leaves, placed.inputs, placed.targets, *given, part=self._part_of(rows), full=full
            )
        )
        try:
            return *self.chunk(state, placed, rows, lr, clip), found
        except BaseException:
            wait([found])  # so that nothing of a run that failed goes on
            raise

    def host(self, losses: JaxLosses) -> Losses:
        """Wait for losses."""
        found = np.concatenate(jax.device_get(losses.parts))[: len(losses.counts)]
        means = found.sum(axis=1, dtype=np.float64) / losses.counts
        if self._one_number:
            return Losses(means=means, examples=None)
        if losses.counts.min() < found.shape[1]:
            found = np.where(np.arange(found.shape[1]) < losses.counts[:, None], found, np.nan)
        return Losses(means=means, examples=found)

    def host_statistics(self, statistics: Future[Made]) -> Statistics:
        """Wait for statistics."""
        made = statistics.result()
        return dataclasses.replace(made.measurement.on_host(self._names), beside_s=made.seconds)

    def evaluate(self, state: JaxState, placed: JaxPlaced) -> Evaluation:
        """Return the mean loss and the outputs over a split."""
        total, outputs, rows = 0.0, [], count(placed.targets)
        for start in range(0, rows, self._evaluated):
            inputs, targets = placed.inputs, placed.targets
            if rows > self._evaluated:  # cutting arrays on the device costs as much as a step
                part = slice(start, start + self._evaluated)
                inputs, targets = taken(inputs, part), taken(targets, part)
            with exact():
                output, loss = self._steps.outputs(state.leaves, inputs, targets)
            total += float(loss)
            if self._task.outputs:
                outputs.append(np.asarray(output))
        return Evaluation(loss=total / rows, outputs=np.concatenate(outputs) if outputs else None)

    def keep(self, state: JaxState, over: Leaves | None = None) -> Leaves:
        """Copy the leaves on the device."""
        return _copied(state.leaves) if over is None else _copied_over(over, state.leaves)

    def revert(self, kept: Leaves) -> JaxState:
        """Return a state of copies, because the next chunk donates them."""
        return JaxState(_copied(kept))

    def arrays(self, kept: Leaves) -> dict[str, Array]:
        """Return the leaves of a kept state as arrays, named by their paths."""
        return {name: np.asarray(leaf) for name, leaf in zip(self._paths(), kept, strict=True)}

    def snapshot(self, state: JaxState) -> dict[str, Array]:
        """Return the leaves as arrays, named by their paths."""
        return self.arrays(state.leaves)

    def restore(self, state: JaxState, arrays: Mapping[str, Array]) -> JaxState:
        """Return the state whose leaves are these arrays."""
        return JaxState([jax.device_put(arrays[name], self._device) for name in self._paths()])

    def update(self, state: JaxState) -> None:
        """Write parameters and buffers into the user's own module."""
        params, _, rest = jax.tree.unflatten(self._tree, _copied(state.leaves))
        nnx.update(self._model, params, rest)

    def _paths(self) -> list[str]:
        tree = jax.tree.unflatten(self._tree, self._types)
        return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


@jax.jit
def _copied(leaves: Leaves) -> Leaves:
    """Copy all leaves in one dispatch."""
    return [jnp.copy(leaf) for leaf in leaves]


@functools.partial(jax.jit, donate_argnums=0, keep_unused=True)
def _copied_over(old: Leaves, leaves: Leaves) -> Leaves:
    """Copy all leaves into the memory of an earlier copy."""
    return [jnp.copy(leaf) for leaf in leaves]


def _convolves(model: nnx.Module, inputs: Array) -> bool:
    """Say whether a model holds a convolution.

    XLA's CPU backend runs convolutions inside a loop at 0.4 of their speed outside (measured with
    jaxlib 0.10.2); delete this once that is mended.
    """
    graph, state = nnx.split(model)
    try:
        return traced_once(_holds_convolution, graph, (state, inputs))
    except Exception:  # noqa: BLE001 - a module that must have targets
        return False


def _holds_convolution(graph: Any, state: Any, inputs: Parts) -> bool:  # noqa: ANN401 - flax's types
    def called(state: Any, inputs: Parts) -> Any:  # noqa: ANN401 - flax's types
        given, named = arguments(inputs)
        return nnx.merge(graph, state, copy=True)(*given, **named)

    return "conv_general_dilated" in str(jax.make_jaxpr(called)(state, inputs))


def _is_one_number(
    rule: Rule, model: nnx.Module, kind: Kind, inputs: Parts, targets: Parts
) -> bool:
    """Say whether a loss of the user's own gives one number for a batch."""
    if rule.loss is None:
        return False
    graph, state = nnx.split(model)
    outputs = jax.eval_shape(
        lambda state, x: call(nnx.merge(graph, state, copy=True), x, kind), state, inputs
    )
    return is_one_number(rule.loss, outputs, targets)


def _numbers_of(task: Task) -> int:
    return max(math.prod(task.positions) * task.outputs, 1)


def _without_padding(rows: Rows) -> Rows:
    """Return the rows of one step as they are."""
    return Rows(rows.first, rows.seed, rows.indices[:, : rows.counts[0]], rows.counts)


def _given(
    rows: Rows, rates: Array, clip: float | None, capacity: int | None = None
) -> tuple[tuple[Array, ...], Any, Any]:
    """Return what a compiled step is given; strong types, so that nothing is traced twice."""
    padding = (capacity or len(rows)) - len(rows)
    steps = np.arange(rows.first, rows.first + len(rows) + padding, dtype=np.int32)
    parts = (rows.indices, rows.counts, rates)
    if padding:
        parts = tuple(np.concatenate([p, np.ones((padding, *p.shape[1:]), p.dtype)]) for p in parts)
    indices, counts, rates = parts
    limit = None if clip is None else np.float32(clip)
    return (indices, counts, steps, rates), np.uint32(rows.seed), limit
