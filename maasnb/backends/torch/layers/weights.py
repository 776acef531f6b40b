"""The weights of a built model under names and in layouts that every backend shares.

The shared ones are flax's: a kernel has its inputs before its outputs, a convolution's its places
in front. Each is one of torch's arrays with its axes in another order.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from maasnb.backends.protocol import Array
from maasnb.backends.torch.layers.recurrent import GRU, LSTM, RNN
from maasnb.errors import ModelError

__all__ = ["set_shared_weights", "shared_weights"]


@dataclasses.dataclass(frozen=True, slots=True)
class _Weight:
    """Hold a tensor of a module, its shared name, and the order that its axes have there."""

    name: str
    tensor: Tensor
    order: tuple[int, ...]


def shared_weights(model: nn.Module) -> dict[str, Array]:
    """Return parameters and buffers under their shared names."""
    return {
        weight.name: np.ascontiguousarray(
            weight.tensor.detach().cpu().permute(weight.order).numpy()
        ).copy()
        for weight in _weights(model)
    }


def set_shared_weights(model: nn.Module, arrays: Mapping[str, Array]) -> None:
    """Write arrays under shared names into a module.

    Raises:
        ModelError: they are not the module's; names the first one that is not.
    """
    found = {weight.name: weight for weight in _weights(model)}
    for name in [*found, *arrays]:
        shape = None if name not in found else _shape(found[name])
        if name not in arrays or shape != arrays[name].shape:
            given = f"shape {arrays[name].shape}" if name in arrays else "none"
            message = (
                f"The weights do not fit the model: {name} has {given}, expected "
                f"{'none' if shape is None else f'shape {shape}'}. The model was changed after "
                "mb.build made it; build it again."
            )
            raise ModelError(message)
    with torch.no_grad():
        for name, weight in found.items():
            back = tuple(int(axis) for axis in np.argsort(weight.order))
            weight.tensor.copy_(torch.tensor(np.array(arrays[name])).permute(back))


def _shape(weight: _Weight) -> tuple[int, ...]:
    return tuple(weight.tensor.shape[axis] for axis in weight.order)


def _weights(model: nn.Module) -> Iterator[_Weight]:
    for name, module in model.named_modules():
        yield from _of_module(f"{name}." if name else "", module)


def _of_module(prefix: str, module: nn.Module) -> Iterator[_Weight]:
    """Yield the weights that a module holds itself."""
    tensors = {
        **dict(module.named_parameters(recurse=False)),
        **{name: each for name, each in module.named_buffers(recurse=False) if name != "waves"},
    }
    names = {"weight": "kernel"}
    if isinstance(module, nn.Embedding):
        names = {"weight": "embedding"}
    elif isinstance(module, nn.LayerNorm | nn.BatchNorm1d | nn.BatchNorm2d):
        names = {"weight": "scale", "running_mean": "mean", "running_var": "var"}
    elif isinstance(module, nn.RNNBase):
        yield from _of_recurrent(prefix, module, tensors)
        return
    for name, tensor in tensors.items():
        if name == "num_batches_tracked":  # flax has none, and with a momentum nothing reads it
            continue
        order = tuple(range(tensor.ndim))
        if names.get(name) == "kernel":
            order = (*order[2:], 1, 0)
        yield _Weight(prefix + names.get(name, name), tensor, order)


def _of_recurrent(
    prefix: str, module: nn.RNNBase, tensors: Mapping[str, Tensor]
) -> Iterator[_Weight]:
    """Yield the weights of a recurrent module: for each layer of the inputs and of the state."""
    for name, tensor in tensors.items():
        part, of, layer = name.split("_")  # weight_ih_l0
        where = f"ahead{int(layer[1:]) + 1}." if isinstance(module, RNN | GRU | LSTM) else ""
        whose = "inputs" if of == "ih" else "state"
        what, order = ("kernel", (1, 0)) if part == "weight" else ("bias", (0,))
        yield _Weight(f"{prefix}{where}{whose}.{what}", tensor, order)
