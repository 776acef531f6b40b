"""The statistics of a training step in JAX, as arrays that a compiled program returns.

Histograms are by the exponent of a float32, which its bits hold: no logarithm is taken, and the
counts are the same in every backend. All of them are counted by one scatter.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from maasnb.backends.activations import FLAT, as_counts, described, unique_names
from maasnb.backends.jax.watching import Watched
from maasnb.backends.protocol import Statistics
from maasnb.events import HISTOGRAM_BINS, HISTOGRAM_LOW

__all__ = ["Activations", "Measurement", "activations_of", "counts_of", "norms_of"]

Tree = Any

_EXPONENT_BIAS = 127  # of float32


@dataclasses.dataclass(frozen=True, slots=True)
class Activations:
    """Hold what activation functions put out, by part of the batch.

    Attributes:
        moments: [parts, functions, 5], as `described` takes them.
        alive: of each function, which units are not 0 everywhere [parts, units].
        counts: [parts, functions, bins].
        named: the layer before each function, and its name.
    """

    moments: Any
    alive: Any
    counts: Any
    named: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """Hold the statistics of a step on the device.

    Attributes:
        gradient_norm: [parameters].
        update_ratio: [parameters].
        counts: of the gradients, then of the weights [2 * parameters, bins]; None without.
        activations: likewise None where only norms were asked for.
    """

    gradient_norm: Any
    update_ratio: Any
    counts: Any = None
    activations: Any = None

    def on_host(self, names: Sequence[str]) -> Statistics:
        """Wait for the numbers, and return them by parameter name."""
        found = jax.device_get(self)
        norms = dict(zip(names, found.gradient_norm.tolist(), strict=True))
        ratios = dict(zip(names, found.update_ratio.tolist(), strict=True))
        if found.counts is None:
            return Statistics(gradient_norm=norms, update_ratio=ratios)
        about, seen = [f"{of}/{name}" for of in ("gradient", "weight") for name in names], {}
        histograms = as_counts(about, found.counts)
        outputs = found.activations
        called = unique_names(outputs.named)
        if called:
            histograms |= as_counts(
                [f"activation/{name}" for name in called], outputs.counts.sum(axis=0)
            )
            for place, name in enumerate(called):
                function = outputs.named[place][1]
                seen[name] = described(function, outputs.moments[:, place], outputs.alive[place])
        return Statistics(
            gradient_norm=norms, update_ratio=ratios, activations=seen, histograms=histograms
        )


for _kind, _names in ((Activations, ["named"]), (Measurement, [])):
    jax.tree_util.register_dataclass(
        _kind,
        data_fields=[each.name for each in dataclasses.fields(_kind) if each.name not in _names],
        meta_fields=_names,
    )


def norms_of(tree: Tree) -> jax.Array:
    """Return the Euclidean norm of each leaf."""
    return jnp.stack([jnp.linalg.norm(leaf.ravel()) for leaf in jax.tree.leaves(tree)])


def counts_of(arrays: Sequence[jax.Array], masks: Sequence[jax.Array | None] = ()) -> jax.Array:
    """Return the histogram of each array [arrays, bins], of what its mask leaves."""
    size = len(arrays) * HISTOGRAM_BINS
    places = []
    for number, array in enumerate(arrays):
        place = _bins(array) + number * HISTOGRAM_BINS
        mask = masks[number] if masks else None
        places.append((place if mask is None else jnp.where(mask, place, size)).ravel())
    found = jnp.zeros(size, jnp.int32).at[jnp.concatenate(places)].add(1, mode="drop")
    return found.reshape(len(arrays), HISTOGRAM_BINS)


def activations_of(
    watch: Callable[[Any], Sequence[Watched]], parts: Sequence[Tree], *, looped: bool
) -> Activations:
    """Return what the activation functions put out for a batch.

    Args:
        watch: returns it for one part: inputs, targets, which rows are real, and a number.
        parts: the batch's parts, those of one size together [parts, ...].
        looped: whether a loop over parts is compiled as such.
    """
    named: tuple[tuple[str, str], ...] = ()

    def of_one(_: None, part: Tree) -> tuple[None, Any]:
        nonlocal named
        found = [each for each in watch(part) if each.values.ndim]
        named = tuple((each.layer, each.function) for each in found)
        return None, _summary(found, part[2])

    found = []
    for alike in parts:
        number = len(alike[2])
        if number > 1:
            unroll = 1 if looped else number
            found.append(jax.lax.scan(of_one, None, alike, unroll=unroll)[1])
        else:
            one = of_one(None, jax.tree.map(lambda each: each[0], alike))[1]
            found.append(jax.tree.map(lambda each: each[None], one))
    moments, alive, counts = jax.tree.map(lambda *each: jnp.concatenate(each), *found)
    return Activations(moments, alive, counts, named)


def _summary(found: Sequence[Watched], real: jax.Array) -> tuple[Any, Any, Any]:
    if not found:
        return jnp.zeros((0, 5)), [], jnp.zeros((0, HISTOGRAM_BINS), jnp.int32)
    values = [each.values.astype(jnp.float32) for each in found]
    masks = [_mask(each, real) for each in values]
    pairs = list(zip(found, values, masks, strict=True))
    moments = jnp.stack([_moments(each.function, value, mask) for each, value, mask in pairs])
    alive = [_alive(value, mask) for _, value, mask in pairs]
    return moments, alive, counts_of(values, masks)


def _mask(values: jax.Array, real: jax.Array) -> jax.Array:
    """Return which values are of examples, where the first axis is that of the batch."""
    rows, over = divmod(len(values), len(real))
    if over:
        return jnp.ones(values.shape, bool)
    of_rows = jnp.repeat(real, rows).reshape(-1, *[1] * (values.ndim - 1))
    return jnp.broadcast_to(of_rows, values.shape)


def _moments(function: str, values: jax.Array, mask: jax.Array) -> jax.Array:
    count = jnp.maximum(mask.sum(), 1)

    def mean_of(numbers: jax.Array) -> jax.Array:
        return jnp.where(mask, numbers, 0).sum() / count

    mean = mean_of(values)
    variance = mean_of((values - mean) ** 2)
    return jnp.stack(
        [
            mask.sum().astype(jnp.float32),
            mean,
            variance,
            mean_of(values == 0),
            mean_of(_saturated(function, values)),
        ]
    )


def _saturated(function: str, values: jax.Array) -> jax.Array:
    if function == "tanh":
        return jnp.abs(values) > 1 - 2 * FLAT
    if function == "sigmoid":
        return jnp.abs(values - 0.5) > 0.5 - FLAT
    return jnp.zeros(values.shape, bool)


def _alive(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Return which units, along the last axis, are not 0 everywhere [units]."""
    seen = (values != 0) & mask
    return seen.reshape(-1, values.shape[-1] if values.ndim > 1 else 1).any(axis=0)


def _bins(values: jax.Array) -> jax.Array:
    bits = jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.int32)
    exponents = (bits >> 23 & 0xFF) - _EXPONENT_BIAS
    return jnp.clip(exponents - HISTOGRAM_LOW + 1, 0, HISTOGRAM_BINS - 1)
