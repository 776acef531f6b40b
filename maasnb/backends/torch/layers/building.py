"""Pieces become torch's modules, in a `torch.nn.Sequential` where that is enough."""

from collections.abc import Sequence

import torch
from torch import nn

from maasnb.backends.pieces import Make, Piece
from maasnb.backends.torch.layers import attention, composition, recurrent
from maasnb.backends.torch.layers.composition import Inputs, Parallel, Residual, Several, Stack
from maasnb.backends.torch.layers.pieces import pieces_of
from maasnb.backends.writing import Dialect, written
from maasnb.layers import Spec

__all__ = ["build_module", "final_activation", "source_of", "spec_of"]

_OWN = {
    name: getattr(room, name)
    for room in (attention, composition, recurrent)
    for name in room.__all__
}
_DIALECT = Dialect(
    imports={
        "torch": "import torch",
        "Tensor": "from torch import Tensor",
        "nn": "from torch import nn",
        "functional": "from torch.nn import functional",
    },
    parent="nn.Module",
    seeded=False,
    call="forward",
    concat="torch.cat([{parts}], dim={axis})",
    own=_OWN,
)


def build_module(spec: Spec, seed: int) -> nn.Sequential:
    """Return a `torch.nn.Sequential` for a spec, on the CPU, initialised as torch does.

    Args:
        spec: the layers and the shape of one example.
        seed: fixes the initial weights; torch's global random state is left as it was.
    """
    pieces = pieces_of(spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if spec.parts is not None:
            model: nn.Sequential = _filled(Several(), pieces)
        elif any(piece.begins for piece in pieces):
            model = _stack(pieces)
        else:
            model = _filled(nn.Sequential(), pieces)
    object.__setattr__(model, "maasnb_spec", spec)
    return model


def source_of(spec: Spec) -> str:
    """Return the code of a plain `nn.Module` that is the model of a spec."""
    return written(pieces_of(spec), _DIALECT)


def spec_of(model: nn.Module) -> Spec | None:
    """Return the spec of a module that `build_module` made; None for any other."""
    found = vars(model).get("maasnb_spec")
    return found if isinstance(found, Spec) else None


def final_activation(model: nn.Module) -> str | None:
    """Return `"softmax"` or `"sigmoid"` where a (nested) Sequential ends with it, else None."""
    while isinstance(model, nn.Sequential) and not isinstance(model, Residual) and len(model):
        model = model[-1]
    kinds: dict[type[nn.Module], str] = {nn.Softmax: "softmax", nn.Sigmoid: "sigmoid"}
    return kinds.get(type(model))


def _filled(model: nn.Sequential, pieces: Sequence[Piece]) -> nn.Sequential:
    for piece in pieces:
        model.add_module(piece.name, _module(piece))
    return model


def _stack(pieces: Sequence[Piece], kind: type[Stack] = Stack) -> nn.Sequential:
    """Return pieces in a row that hands a mask on."""
    masked = tuple(piece.name for piece in pieces if piece.masked)
    begins = next((piece.name for piece in pieces if piece.begins), None)
    return _filled(kind(masked, begins), pieces)


def _module(piece: Piece) -> nn.Module:
    if piece.make is not None:
        return _made(piece.make)
    if piece.join == "residual":
        return _stack(piece.ways[0][1], Residual)
    names = tuple(name for name, _ in piece.ways)
    if names[0].startswith("branch_"):
        inputs = tuple(name.removeprefix("branch_") for name in names)
        module: nn.Module = Inputs(inputs, piece.join, piece.axis)
    else:
        module = Parallel(piece.join, piece.axis)
    for name, way in piece.ways:
        module.add_module(name, _stack(way))
    return module


def _made(made: Make) -> nn.Module:
    kind = getattr(nn, made.name[3:]) if made.name.startswith("nn.") else _OWN[made.name]
    return kind(*made.arguments, **dict(made.keywords))
