"""Layers as data become a flax `nnx.Module` of flax's own modules."""

from collections.abc import Callable

import jax
from flax import nnx

from maasnb.layers import Activation, Dense, Dropout, Layer, Spec

__all__ = ["ACTIVATION_FUNCTIONS", "Stack", "build_module", "final_activation"]

# GELU is the exact one (with erf) in every backend.
ACTIVATION_FUNCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "elu": nnx.elu,
    "gelu": lambda x: nnx.gelu(x, approximate=False),
    "leaky_relu": nnx.leaky_relu,
    "relu": nnx.relu,
    "sigmoid": nnx.sigmoid,
    "silu": nnx.silu,
    "softmax": nnx.softmax,
    "tanh": nnx.tanh,
}


class Stack(nnx.Module):
    """Apply named layers one after the other, each followed by its activation."""

    def __init__(self, spec: Spec, rngs: nnx.Rngs) -> None:
        """Make flax's modules for the layers of a spec."""
        self.spec = spec
        shape = spec.input
        for name, layer in zip(spec.names(), spec.layers, strict=True):
            module = _module(layer, shape, rngs)
            if module is not None:
                setattr(self, name, module)
            shape = layer.output_shape(shape)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the output [batch, ...] for inputs [batch, ...]."""
        for name, layer in zip(self.spec.names(), self.spec.layers, strict=True):
            if not isinstance(layer, Activation):
                x = getattr(self, name)(x)
            for activation in layer.activations():
                x = ACTIVATION_FUNCTIONS[activation](x)
        return x


def build_module(spec: Spec, seed: int) -> Stack:
    """Return a flax module for a spec, initialised as flax does.

    Args:
        spec: the layers and the shape of one example.
        seed: fixes the initial weights.
    """
    return Stack(spec, nnx.Rngs(seed))


def _module(layer: Layer, shape: tuple[int, ...], rngs: nnx.Rngs) -> nnx.Module | None:
    match layer:
        case Dense(units=units, bias=bias):
            return nnx.Linear(shape[-1], units, use_bias=bias, rngs=rngs)
        case Dropout(rate=rate):
            return nnx.Dropout(rate, rngs=rngs)
        case Activation():
            return None
        case _:
            message = f"the jax backend does not build {type(layer).__name__} layers"
            raise NotImplementedError(message)


def final_activation(model: nnx.Module) -> str | None:
    """Return `"softmax"` or `"sigmoid"` where the model can be seen to end with it, else None."""
    if isinstance(model, Stack):
        last = model.spec.layers[-1].activations()[-1:]
        return last[0] if last and last[0] in ("softmax", "sigmoid") else None
    if isinstance(model, nnx.Sequential) and len(model.layers):
        names = {nnx.softmax: "softmax", nnx.sigmoid: "sigmoid"}
        last_layer = model.layers[-1]
        return names.get(last_layer) if callable(last_layer) else None
    return None
