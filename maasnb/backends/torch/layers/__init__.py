"""Layers as data become a `torch.nn.Sequential` of torch's own modules."""

from maasnb.backends.torch.layers.building import (
    build_module,
    final_activation,
    source_of,
    spec_of,
)

__all__ = ["build_module", "final_activation", "source_of", "spec_of"]
