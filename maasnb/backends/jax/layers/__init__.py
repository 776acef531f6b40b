"""Layers as data become a flax `nnx.Module` of flax's own modules."""

from maasnb.backends.jax.layers.building import (
    build_module,
    final_activation,
    source_of,
    spec_of,
)

__all__ = ["build_module", "final_activation", "source_of", "spec_of"]
