"""The verb `build`: layers as data become a native module of torch or flax."""

from collections.abc import Iterable, Sequence
from typing import Any

from maasnb.backends import backend_named
from maasnb.datasets.checks import as_seed
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, OptionError
from maasnb.layers import Input, Layer, Spec, make_spec

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
        ShapeError: the shape of the input is not known, or is not the data's.
        OptionError: something among the layers is no layer, or the seed is no whole number.
        DataError: the data is not what `mb.data` returns.
        UnknownNameError: there is no such backend.
        MissingPackageError: the backend's framework is not installed.
    """
    if data is not None and not isinstance(data, Data):
        message = (
            f"The data is a {type(data).__name__}; expected what mb.data returns. "
            "Type: data = mb.data(x, y)"
        )
        raise DataError(message)
    if isinstance(layers, Spec):
        layers = [Input(layers.input), *layers.layers]
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        message = f"Expected a list of layers, got {layers!r}. Type: mb.build([mb.Dense(10)], ...)"
        raise OptionError(message)
    spec = make_spec(list(layers), None if data is None else data.input_shape)
    return backend_named(backend).build(spec, as_seed(seed))
