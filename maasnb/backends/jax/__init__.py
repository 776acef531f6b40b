"""JAX, flax and optax behind the seam; only this folder and the StableHLO runtime import them."""

from maasnb.backends.jax.backend import backend

__all__ = ["backend"]
