"""Modules that call others: in a row with a mask, around, side by side, and one for each input."""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from maasnb.backends.jax.layers import attention, recurrent
from maasnb.backends.jax.layers.pieces import make_of
from maasnb.backends.pieces import Make
from maasnb.layers import (
    Activation,
    Embed,
    Flatten,
    GlobalPool,
    Inputs,
    Layer,
    Parallel,
    Pool,
    Reshape,
    Residual,
    Shape,
    Spec,
    Step,
)
from maasnb.layers.convolution import along_axes

__all__ = [
    "ACTIVATION_FUNCTIONS",
    "Around",
    "Branches",
    "Several",
    "Stack",
    "Ways",
    "global_pool",
]

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

_OWN = {name: getattr(room, name) for room in (attention, recurrent) for name in room.__all__}
_WITHOUT_MODULE = (Activation, Flatten, GlobalPool, Pool, Reshape)


class Stack(nnx.Module):
    """Apply named layers one after the other, each followed by its activation."""

    def __init__(self, spec: Spec, rngs: nnx.Rngs) -> None:
        """Make flax's modules for the layers of a spec."""
        self.spec = spec
        for step in spec.steps():
            if not isinstance(step.layer, _WITHOUT_MODULE):
                setattr(self, step.name, _module(step, spec, rngs))

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Return the output [batch, ...] for inputs [batch, ...]; the mask says what is real."""
        return self._through(_steps(self.spec), x, mask)

    def _through(self, steps: Sequence[Step], x: jax.Array, mask: jax.Array | None) -> jax.Array:
        for step in steps:
            layer = step.layer
            if isinstance(layer, Embed) and layer.padding:
                mask = x != 0
            if isinstance(layer, _WITHOUT_MODULE):
                x = _applied(layer, step.shape, x, mask if step.mask else None)
            elif step.mask and layer.takes_mask:
                x = getattr(self, step.name)(x, mask)
            else:
                x = getattr(self, step.name)(x)
            for activation in layer.activations():
                x = ACTIVATION_FUNCTIONS[activation](x)
        return x


class Around(Stack):
    """Add what layers make of a signal to the signal."""

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Return the sum."""
        return x + super().__call__(x, mask)


class Ways(nnx.Module):
    """Send a signal several ways and join what comes out."""

    def __init__(self, specs: Sequence[Spec], join: str, rngs: nnx.Rngs) -> None:
        """Make `branch1`, `branch2` and so on."""
        self.count = len(specs)
        self.join = join
        for number, spec in enumerate(specs, start=1):
            setattr(self, f"branch{number}", Stack(spec, rngs))

    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Return the ways side by side, or their sum."""
        numbers = range(1, self.count + 1)
        return _joined((getattr(self, f"branch{each}")(x, mask) for each in numbers), self.join)


class Branches(nnx.Module):
    """Take several inputs by name and join what becomes of each."""

    def __init__(self, specs: Sequence[tuple[str, Spec]], join: str, rngs: nnx.Rngs) -> None:
        """Make a stack `branch_NAME` for each input."""
        self.names = tuple(name for name, _ in specs)
        self.join = join
        for name, spec in specs:
            setattr(self, f"branch_{name}", Stack(spec, rngs))

    def __call__(self, **inputs: jax.Array) -> jax.Array:
        """Return the ways side by side, or their sum."""
        ways = (getattr(self, f"branch_{name}")(inputs[name]) for name in self.names)
        return _joined(ways, self.join)


class Several(Stack):
    """Take several inputs by name, and go on with what they are joined to."""

    def __call__(self, **inputs: jax.Array) -> jax.Array:  # pyright: ignore[reportIncompatibleMethodOverride] - several inputs
        """Return the output [batch, ...] for inputs [batch, ...]."""
        first, *rest = _steps(self.spec)
        return self._through(rest, getattr(self, first.name)(**inputs), None)


def global_pool(x: jax.Array, how: str, mask: jax.Array | None) -> jax.Array:
    """Return the mean, or the largest, of each channel over all places; padding is left out."""
    places = tuple(range(1, x.ndim - 1))
    if mask is None:
        return x.mean(axis=places) if how == "mean" else x.max(axis=places)
    real = mask[:, :, None]
    if how == "max":
        return jnp.where(real, x, jnp.finfo(x.dtype).min).max(axis=1)
    return jnp.where(real, x, 0).sum(axis=1) / jnp.maximum(real.sum(axis=1), 1)


@functools.lru_cache(maxsize=256)
def _steps(spec: Spec) -> tuple[Step, ...]:
    return tuple(spec.steps())


def _module(step: Step, spec: Spec, rngs: nnx.Rngs) -> nnx.Module:
    """Return the module of a layer."""
    match step.layer:
        case Residual(layers=layers):
            return Around(Spec(input=step.shape, layers=layers, mask=step.mask), rngs)
        case Parallel(branches=branches, join=join):
            specs = [Spec(input=step.shape, layers=way, mask=step.mask) for way in branches]
            return Ways(specs, join, rngs)
        case Inputs(branches=branches, join=join):
            assert spec.parts is not None
            named = [(name, Spec(input=spec.parts[name], layers=way)) for name, way in branches]
            return Branches(named, join, rngs)
    made = make_of(step.layer, step.shape)
    if made is None:
        message = f"the jax backend does not build {type(step.layer).__name__} layers"
        raise NotImplementedError(message)
    return _made(made, rngs)


def _made(made: Make, rngs: nnx.Rngs) -> nnx.Module:
    kind = getattr(nnx, made.name[4:]) if made.name.startswith("nnx.") else _OWN[made.name]
    return kind(*made.arguments, **dict(made.keywords), rngs=rngs)


def _applied(layer: Layer, shape: Shape, x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Return what a layer without weights makes of a signal."""
    match layer:
        case Flatten():
            return x.reshape(x.shape[0], -1)
        case Reshape():
            assert isinstance(layer.shape, tuple)
            return x.reshape(x.shape[0], *layer.shape)
        case GlobalPool(how=how):
            return global_pool(x, how, mask)
        case Pool():
            size, stride = along_axes(
                "Pool", shape, size=layer.size, stride=layer.stride or layer.size
            )
            pool: Any = nnx.max_pool if layer.how == "max" else nnx.avg_pool
            return pool(x, window_shape=size, strides=stride)
    return x


def _joined(parts: Iterable[jax.Array], join: str) -> jax.Array:
    if join == "concat":
        return jnp.concatenate(list(parts), axis=-1)
    return functools.reduce(operator.add, parts)
