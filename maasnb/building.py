"""The verb `build`: layers as data become a native module of torch or flax."""

from collections.abc import Sequence
from typing import Any

from maasnb.backends import backend_named
from maasnb.datasets.loading import Data
from maasnb.layers import Layer, Spec, make_spec

__all__ = ["build"]


def build(
    layers: Sequence[Layer] | Spec,
    *,
    backend: str = "torch",
    data: Data | None = None,
    seed: int = 0,
) -> Any:  # noqa: ANN401 - a torch.nn.Module or a flax nnx.Module
    """Build a native module from layers: a torch.nn.Module or a flax nnx.Module.

    Args:
        layers: the layers in order, as `[mb.Dense(64, "relu"), mb.Dense(10)]`.
        backend: torch or jax.
        data: the data that the model is for, which gives the shape of the input.
        seed: fixes the initial weights.

    Returns:
        The module, with the framework's usual initial weights.

    Raises:
        ShapeError: the shape of the input is not known.
        UnknownNameError: there is no such backend.
        MissingPackageError: the backend's framework is not installed.
    """
    shape = None if data is None else data.input_shape
    spec = layers if isinstance(layers, Spec) else make_spec(layers, shape)
    return backend_named(backend).build(spec, seed)
