"""Layers as data become a `torch.nn.Sequential` of torch's own modules."""

from collections.abc import Callable

import torch
from torch import nn

from maasnb.layers import Activation, Dense, Dropout, Layer, Spec

__all__ = ["ACTIVATION_MODULES", "build_module", "final_activation"]

# GELU is the exact one (with erf) in every backend.
ACTIVATION_MODULES: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softmax": lambda: nn.Softmax(dim=-1),
    "tanh": nn.Tanh,
}


def build_module(spec: Spec, seed: int) -> nn.Sequential:
    """Return a `torch.nn.Sequential` for a spec, on the CPU, initialised as torch does.

    Args:
        spec: the layers and the shape of one example.
        seed: fixes the initial weights; torch's global random state is left as it was.
    """
    model = nn.Sequential()
    shape = spec.input
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, layer in zip(spec.names(), spec.layers, strict=True):
            for suffix, module in _modules(layer, shape):
                model.add_module(name + suffix, module)
            shape = layer.output_shape(shape)
    return model


def _modules(layer: Layer, shape: tuple[int, ...]) -> list[tuple[str, nn.Module]]:
    match layer:
        case Dense(units=units, bias=bias):
            modules: list[tuple[str, nn.Module]] = [("", nn.Linear(shape[-1], units, bias=bias))]
        case Dropout(rate=rate):
            modules = [("", nn.Dropout(rate))]
        case Activation(name=name):
            return [("", ACTIVATION_MODULES[name]())]
        case _:
            message = f"the torch backend does not build {type(layer).__name__} layers"
            raise NotImplementedError(message)
    return modules + [(f"_{name}", ACTIVATION_MODULES[name]()) for name in layer.activations()]


def final_activation(model: nn.Module) -> str | None:
    """Return `"softmax"` or `"sigmoid"` where a (nested) Sequential ends with it, else None."""
    while isinstance(model, nn.Sequential) and len(model):
        model = model[-1]
    kinds: dict[type[nn.Module], str] = {nn.Softmax: "softmax", nn.Sigmoid: "sigmoid"}
    return kinds.get(type(model))
