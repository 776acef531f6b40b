"""The verb `build`: layers as data become a native module of torch or flax."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from maasnb.backends import backend_named
from maasnb.backends.protocol import Array
from maasnb.datasets.checks import as_seed, check_known
from maasnb.datasets.loading import Data
from maasnb.datasets.recipes import Tokens
from maasnb.datasets.text import TextStep
from maasnb.errors import DataError, OptionError, ShapeError
from maasnb.layers import Embed, Input, Inputs, Layer, Shape, Spec, make_spec

__all__ = ["as_tokens", "build", "check_tokens"]


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
    shape = None if data is None else _shape_of(data)
    if isinstance(layers, Spec):
        return backend_named(backend).build(_checked(_fitting(layers, shape), data), as_seed(seed))
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        message = f"Expected a list of layers, got {layers!r}. Type: mb.build([mb.Dense(10)], ...)"
        raise OptionError(message)
    spec = make_spec(list(layers), shape)
    return backend_named(backend).build(_checked(spec, data), as_seed(seed))


def check_tokens(spec: Spec, data: Data) -> None:
    """Pass if a model knows every token of its data.

    A framework may read past its table in silence: JAX answers NaN, or takes another token's row.

    Raises:
        ShapeError: there are more tokens than an `Embed` that reads them has, or negative ones.
    """
    first = spec.layers[0] if spec.layers else None
    branches = dict(first.branches) if isinstance(first, Inputs) else {}
    for split in (data.train, data.validation, data.test):
        parts = split.inputs if isinstance(split.inputs, dict) else {"": split.inputs}
        for name, part in parts.items():
            reader = branches.get(name, ())[:1] if name else spec.layers[:1]
            if reader and isinstance(reader[0], Embed) and part.size and part.dtype.kind in "iu":
                _check_range(reader[0], int(part.min()), int(part.max()), data)


def as_tokens(spec: Spec | None, x: Array) -> Array:
    """Return what a person asks a model of tokens, as whole numbers that it knows.

    Args:
        spec: what the model was built of; None where that is not known.
        x: tokens [n, ...], of any type.

    Raises:
        DataError: there is a fraction, a negative token, or one that the model's `Embed` has not.
    """
    check_known(x, (None if spec is None else spec.tokens) or 2**31)
    return x if x.dtype.kind in "iu" else x.astype(np.int64)


def _checked(spec: Spec, data: Data | None) -> Spec:
    if data is not None:
        check_tokens(spec, data)
    return spec


def _check_range(embed: Embed, low: int, high: int, data: Data) -> None:
    step = data.recipe.steps[0] if data.recipe.steps else None
    known = len(step.vocabulary) if isinstance(step, TextStep | Tokens) else 0
    needed = max(high + 1, known)
    if low < 0:
        message = (
            f"The data has the token {low}, but Embed({embed.tokens}, {embed.width}) numbers "
            "tokens from 0. Give whole numbers from 0 on, as in: x = x - x.min()"
        )
        raise ShapeError(message)
    if needed > embed.tokens:
        message = (
            f"The data has the tokens 0 to {needed - 1}, but Embed({embed.tokens}, {embed.width}) "
            f"knows {embed.tokens}. Type: Embed({needed}, {embed.width})"
        )
        raise ShapeError(message)


def _shape_of(data: Data) -> Shape | dict[str, Shape]:
    """Return the shape of one example, or of each of its named parts."""
    inputs = data.train.inputs
    if isinstance(inputs, dict):
        return {name: part.shape[1:] for name, part in inputs.items()}
    return data.input_shape


def _fitting(spec: Spec, shape: Shape | dict[str, Shape] | None) -> Spec:
    """Return a spec that was made before, if it is for examples of this shape."""
    if spec.parts is None:
        return make_spec([Input(spec.shape), *spec.layers], shape)
    if shape is not None and shape != spec.parts:
        message = f"The layers are for inputs of shapes {spec.parts}, but the data has {shape}."
        raise ShapeError(message)
    return spec
