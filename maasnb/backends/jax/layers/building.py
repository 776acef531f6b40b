"""A spec becomes a flax `nnx.Module` of flax's own modules."""

from flax import nnx

from maasnb.backends.jax.layers import attention, recurrent
from maasnb.backends.jax.layers.composition import Several, Stack, global_pool
from maasnb.backends.jax.layers.pieces import pieces_of
from maasnb.backends.writing import Dialect, written
from maasnb.layers import Spec

__all__ = ["build_module", "final_activation", "source_of", "spec_of"]

_DIALECT = Dialect(
    imports={
        "jax": "import jax",
        "jnp": "import jax.numpy as jnp",
        "nnx": "from flax import nnx",
    },
    parent="nnx.Module",
    seeded=True,
    call="__call__",
    concat="jnp.concatenate([{parts}], axis={axis})",
    own={
        **{name: getattr(room, name) for room in (recurrent, attention) for name in room.__all__},
        "global_pool": global_pool,
    },
)


def build_module(spec: Spec, seed: int) -> Stack:
    """Return a flax module for a spec, initialised as flax does.

    Args:
        spec: the layers and the shape of one example.
        seed: fixes the initial weights.
    """
    kind = Stack if spec.parts is None else Several
    return kind(spec, nnx.Rngs(seed))


def source_of(spec: Spec) -> str:
    """Return the code of a plain `nnx.Module` that is the model of a spec."""
    return written(pieces_of(spec), _DIALECT)


def spec_of(model: nnx.Module) -> Spec | None:
    """Return the spec of a module that `build_module` made; None for any other."""
    return model.spec if isinstance(model, Stack) else None


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
