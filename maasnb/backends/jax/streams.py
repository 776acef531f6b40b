"""A flax model's random streams, as a function of the run's seed and the step's number alone."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

__all__ = ["Streams"]


@dataclasses.dataclass(frozen=True, slots=True)
class Streams:
    """Hold the structure of a model's random state, without its keys.

    Attributes:
        tree: how the leaves make up the `nnx.State`.
        leaves: the shape and the dtype of each leaf: keys, and counts of the draws.
    """

    tree: Any
    leaves: tuple[tuple[tuple[int, ...], Any], ...]

    @classmethod
    def of(cls, random: nnx.State) -> "Streams":
        """Take the structure of a model's `nnx.RngState`."""
        leaves, tree = jax.tree.flatten(random)
        return cls(tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves))

    def at(self, seed: Any, step: Any) -> nnx.State:  # noqa: ANN401 - numbers or traced scalars
        """Return fresh streams for a step: keys folded from the seed, counts at 0."""
        key = jax.random.fold_in(jax.random.key(seed), step)
        fresh = [
            self._fresh(jax.random.fold_in(key, number), *leaf)
            for number, leaf in enumerate(self.leaves)
        ]
        return jax.tree.unflatten(self.tree, fresh)

    @staticmethod
    def _fresh(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:  # noqa: ANN401 - JAX's
        if not jnp.issubdtype(dtype, jax.dtypes.prng_key):
            return jnp.zeros(shape, dtype)
        return jax.random.split(key, shape) if shape else key
