"""Layers that bring numbers to mean 0 and deviation 1, then scale and shift them by weights."""

import dataclasses
from typing import ClassVar

from maasnb.layers.layer import Layer

__all__ = ["MOMENTUM", "SMALLEST_VARIANCE", "BatchNorm", "LayerNorm"]

SMALLEST_VARIANCE = 1e-5
"""What both kinds add to a variance in every backend; it is torch's own."""

MOMENTUM = 0.1
"""The weight of a new batch in the running mean and variance; torch's own."""


@dataclasses.dataclass(frozen=True, slots=True)
class LayerNorm(Layer):
    """Normalise each place over its last axis."""

    kind: ClassVar[str] = "layer_norm"


@dataclasses.dataclass(frozen=True, slots=True)
class BatchNorm(Layer):
    """Normalise each channel over the batch; an evaluated model uses running averages instead."""

    kind: ClassVar[str] = "batch_norm"
