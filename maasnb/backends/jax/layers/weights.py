"""The weights of a built model under names and in layouts that every backend shares: flax's own."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx

from maasnb.backends.protocol import Array
from maasnb.errors import ModelError

__all__ = ["set_shared_weights", "shared_weights"]


def shared_weights(model: nnx.Module) -> dict[str, Array]:
    """Return parameters and buffers under their shared names."""
    return {name: np.array(leaf[...]) for name, leaf in _weights(model).items()}


def set_shared_weights(model: nnx.Module, arrays: Mapping[str, Array]) -> None:
    """Write arrays under shared names into a module.

    Raises:
        ModelError: they are not the module's; names the first one that is not.
    """
    found = _weights(model)
    for name in [*found, *arrays]:
        shape = None if name not in found else tuple(found[name][...].shape)
        if name not in arrays or shape != arrays[name].shape:
            given = f"shape {arrays[name].shape}" if name in arrays else "none"
            message = (
                f"The weights do not fit the model: {name} has {given}, expected "
                f"{'none' if shape is None else f'shape {shape}'}. The model was changed after "
                "mb.build made it; build it again."
            )
            raise ModelError(message)
    for name, leaf in found.items():
        leaf[...] = jnp.array(arrays[name], leaf[...].dtype)


def _weights(model: nnx.Module) -> dict[str, nnx.Variable]:
    _, _, state = nnx.split(model, nnx.RngState, ...)
    return {".".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(state)}
