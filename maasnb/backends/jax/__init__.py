"""JAX, flax and optax behind the seam: with the StableHLO runtime, the only folder that imports them."""

from maasnb.backends.jax.backend import backend

__all__ = ["backend"]
