"""The compiled steps of a flax model: one, many in a loop, what one would show, and an evaluation.

A step is a function of the leaves, a batch, the step's number, the learning rate and the norm to
clip at. A chunk gathers its rows once and loops over them inside the compiled program; the number
of steps is an input, so one compilation serves every length of chunk. A step's statistics are a
program of their own that changes nothing: what is measured is trained by the same program as all
else. Nothing here depends on a model's weights: models of one structure share their compiled steps.
"""

import dataclasses
import warnings
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from maasnb.backends.jax.calls import call, call_with_loss
from maasnb.backends.jax.losses import head, loss_function
from maasnb.backends.jax.measuring import (
    Activations,
    Measurement,
    activations_of,
    counts_of,
    norms_of,
)
from maasnb.backends.jax.streams import Streams
from maasnb.backends.jax.updates import clipped, make_transformation, penalised
from maasnb.backends.jax.watching import Watched, watch
from maasnb.parts import count
from maasnb.parts import leaves as leaves_of
from maasnb.rules import Rule, replaced_parameter
from maasnb.tasks import Optimizer, Task

__all__ = ["Leaves", "Steps", "Structure", "compiled_steps", "trained"]

Leaves = list[jax.Array]
Tree = Any


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
        rule: what is done with losses and gradients.
        ragged: whether batches have padded rows.
        looped: whether loops are compiled as such; else they are unrolled.
    """

    training: Any
    evaluation: Any
    streams: Streams
    tree: Any
    task: Task
    optimizer: Optimizer
    rule: Rule
    ragged: bool
    looped: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Batch:
    """Hold what one step is given beside the leaves; leading axis [K] in a chunk.

    All are traced but `part`: how many rows are computed at a time.
    """

    inputs: Any
    targets: Any
    counts: Any
    steps: Any
    rates: Any
    part: int


_TRACED = [field.name for field in dataclasses.fields(_Batch) if field.name != "part"]
jax.tree_util.register_dataclass(_Batch, data_fields=_TRACED, meta_fields=["part"])


def trained(frozen: tuple[str, ...]) -> Any:  # noqa: ANN401 - a filter, as flax has them
    """Return flax's filter of the parameters that are trained."""
    if not frozen:
        return nnx.Param
    is_parameter = nnx.filterlib.to_predicate(nnx.Param)
    names = set(frozen)
    return lambda path, value: is_parameter(path, value) and ".".join(map(str, path)) not in names


class Steps:
    """Compile, at their first use, the steps of all models of one structure."""

    def __init__(self, structure: Structure) -> None:
        """Take the structure; nothing is compiled yet."""
        self._structure = structure
        rule = structure.rule
        self._own_loss = structure.task.loss == "model" and rule.loss is None
        self._loss = loss_function(structure.task, rule)
        self._plain_loss = loss_function(structure.task, Rule(loss=rule.loss))
        self._trained = trained(rule.frozen)
        self._transformation = make_transformation(structure.optimizer)
        self.many = jax.jit(self._take_steps, donate_argnums=0, static_argnames="part")
        self.one = jax.jit(self._take_one_step, donate_argnums=0, static_argnames="part")
        self.statistics = jax.jit(self._statistics, static_argnames=("part", "full"))
        self.outputs = jax.jit(self._outputs)

    def _step(
        self, leaves: Leaves, batch: _Batch, seed: jax.Array, clip: jax.Array | None
    ) -> tuple[Leaves, jax.Array, tuple[Any, Any, Any]]:
        """Take one step; return the loss of each example, and what statistics are made of.

        The losses are averaged on the host: inside the program XLA fuses a mean with what is
        around it, so that its last bit would depend on whether the step is measured.
        """
        structure, rule = self._structure, self._structure.rule
        params, memory, rest = jax.tree.unflatten(structure.tree, leaves)
        gradients, losses, rest = self._differentiate(params, rest, batch, seed)
        gradients = penalised(rule, gradients, params)
        used = clipped(rule, gradients, clip)
        direction, memory = self._transformation.update(used, memory, params)
        updates = jax.tree.map(lambda part: batch.rates * part, direction)
        after = jax.tree.leaves((optax.apply_updates(params, updates), memory, rest))
        return after, losses, (params, gradients, updates)

    def _differentiate(
        self, params: nnx.State, rest: Tree, batch: _Batch, seed: jax.Array
    ) -> tuple[Tree, jax.Array, Tree]:
        """Return the gradients of a batch's mean loss, the loss of each example, and the buffers.

        A batch that is computed in parts has its gradients added up, part by part.
        """

        def body(carry: Tree, given: Tree) -> tuple[Tree, jax.Array]:
            gradients, rest = carry
            more, losses, rest = self._part(params, rest, batch, given, seed)
            return (jax.tree.map(jnp.add, gradients, more), rest), losses

        alike = self._parts(batch)
        if len(alike) == 1 and len(alike[0][-1]) == 1:
            return self._part(params, rest, batch, _only(alike[0]), seed)
        carry, losses = (jax.tree.map(jnp.zeros_like, params), rest), []
        for parts in alike:
            unroll = 1 if self._structure.looped else len(parts[-1])
            carry, found = jax.lax.scan(body, carry, parts, unroll=unroll)
            losses.append(found.reshape(-1))
        gradients, rest = carry
        return gradients, jnp.concatenate(losses), rest

    def _parts(self, batch: _Batch) -> list[tuple[Any, ...]]:
        """Return inputs, targets, which rows are real, and numbers, by part of the batch.

        Those of one size are put together, with a leading axis: all but a smaller last one.
        """
        rows, part = count(batch.targets), batch.part
        whole = rows // part
        real = jnp.arange(rows) < batch.counts
        first = batch.steps * self._structure.rule.accumulate
        numbers = first + jnp.arange(-(-rows // part), dtype=batch.steps.dtype)
        given, ends = (batch.inputs, batch.targets, real), whole * part
        found = []
        if whole:
            cut = jax.tree.map(lambda x: x[:ends].reshape(whole, part, *x.shape[1:]), given)
            found.append((*cut, numbers[:whole]))
        if ends < rows:
            left = jax.tree.map(lambda x: x[None, ends:], given)
            found.append((*left, numbers[whole:]))
        return found

    def _part(
        self,
        params: nnx.State,
        rest: Tree,
        batch: _Batch,
        part: Tree,
        seed: jax.Array,
    ) -> tuple[Tree, jax.Array, Tree]:
        """Differentiate the part of a batch's mean loss that some of its rows make."""
        structure = self._structure
        inputs, targets, real, number = part
        random = structure.streams.at(seed, number)
        half = structure.rule.precision == "bfloat16"

        def objective(params: nnx.State) -> tuple[jax.Array, tuple[jax.Array, Any]]:
            model = self._model(params, random, rest)
            losses = self._losses(model, _halved(inputs) if half else inputs, targets)
            _, left, _, after = nnx.split(model, self._trained, nnx.RngState, ...)
            _check_parameters(params, left)
            if structure.ragged:
                losses = jnp.where(real, losses, 0)
                return losses.sum() / batch.counts, (losses, after)
            return losses.sum() / count(batch.targets), (losses, after)

        (_, (losses, after)), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        if half:  # a buffer keeps its type, or the next step would be another program
            after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, rest)
        return gradients, losses, after

    def _model(self, params: nnx.State, random: nnx.State, rest: Tree) -> Any:  # noqa: ANN401 - a module
        """Return the module in training mode."""
        given = _halved(params) if self._structure.rule.precision == "bfloat16" else params
        return nnx.merge(self._structure.training, given, random, rest, copy=True)

    def _losses(self, model: Any, inputs: Tree, targets: Tree) -> jax.Array:  # noqa: ANN401 - a module
        """Return the loss of each example; one number for a batch stands for each."""
        if self._own_loss:
            loss, _ = call_with_loss(model, inputs, targets)
            return jnp.broadcast_to(loss.mean().astype(jnp.float32), (count(targets),))
        outputs = call(model, inputs, self._structure.task.kind)
        if self._structure.rule.precision == "bfloat16":
            outputs = _doubled(outputs)
        return self._loss(outputs, targets)

    def _take_steps(
        self,
        leaves: Leaves,
        inputs: Tree,
        targets: Tree,
        rows: tuple[Any, ...],
        seed: jax.Array,
        clip: jax.Array | None,
        count: jax.Array,
        *,
        part: int,
    ) -> tuple[Leaves, jax.Array]:
        batches = _gather(inputs, targets, rows, part)

        def body(number: jax.Array, carry: tuple[Leaves, jax.Array]) -> tuple[Leaves, jax.Array]:
            leaves, losses = carry
            batch = jax.tree.map(lambda each: each[number], batches)
            after, found, _ = self._step(leaves, batch, seed, clip)
            return after, losses.at[number].set(found)

        losses = jnp.zeros(leaves_of(batches.targets)[0].shape[:2])
        return jax.lax.fori_loop(0, count, body, (leaves, losses))

    def _take_one_step(
        self,
        leaves: Leaves,
        inputs: Tree,
        targets: Tree,
        rows: tuple[Any, ...],
        seed: jax.Array,
        clip: jax.Array | None,
        *,
        part: int,
    ) -> tuple[Leaves, jax.Array]:
        batch = _only(_gather(inputs, targets, rows, part))
        after, losses, _ = self._step(leaves, batch, seed, clip)
        return after, losses[None]

    def _statistics(
        self,
        leaves: Leaves,
        inputs: Tree,
        targets: Tree,
        rows: tuple[Any, ...],
        seed: jax.Array,
        clip: jax.Array | None,
        *,
        part: int,
        full: bool,
    ) -> Measurement:
        """Return what a step would show; with `full` histograms and activations too."""
        batch = _only(_gather(inputs, targets, rows, part))
        _, _, (params, gradients, updates) = self._step(leaves, batch, seed, clip)
        norms, ratios = norms_of(gradients), norms_of(updates) / norms_of(params)
        if not full:
            return Measurement(norms, ratios)
        counts = counts_of([*jax.tree.leaves(gradients), *jax.tree.leaves(params)])
        return Measurement(norms, ratios, counts, self._activations(leaves, batch, seed))

    def _activations(self, leaves: Leaves, batch: _Batch, seed: jax.Array) -> Activations:
        structure = self._structure
        params, _, rest = jax.tree.unflatten(structure.tree, leaves)
        weights = (params, rest)
        layers = [
            ".".join(map(str, path[:-1])) if isinstance(variable, nnx.Param) else None
            for state in weights
            for path, variable in nnx.to_flat_state(state)
        ]

        def forward(weights: Tree, inputs: Tree, targets: Tree, random: nnx.State) -> Any:  # noqa: ANN401 - whatever the module returns
            model = self._model(weights[0], random, weights[1])
            if structure.rule.precision == "bfloat16":
                inputs = _halved(inputs)
            if self._own_loss:
                return call_with_loss(model, inputs, targets)
            return call(model, inputs, structure.task.kind)

        def watched(part: tuple[Any, ...]) -> list[Watched]:
            inputs, targets, _, number = part
            random = structure.streams.at(seed, number)
            try:
                return watch(forward, weights, layers, inputs, targets, random)
            except Exception as error:  # noqa: BLE001 - what cannot be watched can be trained
                warnings.warn(f"maasnb cannot watch the activations: {error!r}", stacklevel=2)
                return []

        return activations_of(watched, self._parts(batch), looped=structure.looped)

    def _outputs(self, leaves: Leaves, inputs: Tree, targets: Tree) -> tuple[Any, jax.Array]:
        """Return what an evaluation keeps of the outputs, and the sum of the losses."""
        structure, task = self._structure, self._structure.task
        params, _, rest = jax.tree.unflatten(structure.tree, leaves)
        streams = structure.streams.at(0, 0)  # an evaluated model draws nothing
        model = nnx.merge(structure.evaluation, params, streams, rest, copy=True)
        if self._own_loss:
            loss, outputs = call_with_loss(model, inputs, targets)
            losses = jnp.broadcast_to(loss.mean(), (count(targets),))
        else:
            outputs = call(model, inputs, task.kind)
            losses = self._plain_loss(outputs, targets)
        if not task.outputs:
            return None, losses.sum()
        judged = outputs.argmax(axis=-1) if task.positions else head(task, outputs)
        return judged, losses.sum()


@lru_cache(maxsize=32)
def _shared_steps(structure: Structure) -> Steps:
    return Steps(structure)


def compiled_steps(structure: Structure) -> Steps:
    """Return the steps of a structure, shared with earlier models of an equal one."""
    try:
        return _shared_steps(structure)
    except TypeError:  # a module of the user's own may hold attributes that cannot be hashed
        return Steps(structure)


def _check_parameters(before: nnx.State, after: nnx.State) -> None:
    """Refuse, while it is traced, a module whose call replaces parameters that are trained.

    Raises:
        ModelError: names the first one.
    """
    kept, left = dict(nnx.to_flat_state(before)), dict(nnx.to_flat_state(after))
    for path, leaf in kept.items():
        now = left.get(path)
        if now is None or jnp.shape(now[...]) != jnp.shape(leaf[...]):
            shape = None if now is None else jnp.shape(now[...])
            raise replaced_parameter(".".join(map(str, path)), jnp.shape(leaf[...]), shape)


def _only(tree: Tree) -> Tree:
    """Return a tree of arrays [1, ...] without that axis."""
    return jax.tree.map(lambda each: each[0], tree)


def _gather(inputs: Tree, targets: Tree, rows: tuple[Any, ...], part: int) -> _Batch:
    indices, counts, steps, rates = rows
    return _Batch(
        inputs=jax.tree.map(lambda part: jnp.take(part, indices, axis=0), inputs),
        targets=jax.tree.map(lambda part: jnp.take(part, indices, axis=0), targets),
        counts=counts,
        steps=steps,
        rates=rates,
        part=part,
    )


def _halved(tree: Any) -> Any:  # noqa: ANN401 - any tree of arrays
    """Return a tree with its float32 arrays in bfloat16."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.bfloat16) if leaf.dtype == jnp.float32 else leaf, tree
    )


def _doubled(tree: Any) -> Any:  # noqa: ANN401 - any tree of arrays
    """Return a tree with its bfloat16 arrays in float32."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32) if leaf.dtype == jnp.bfloat16 else leaf, tree
    )
