"""Layers as data become pieces: which module of torch's stands for each, and how it is called.

A spec has channels last. Torch's convolutions want them behind the batch, so the axis is moved
before a row of such layers and back behind it; moving it copies nothing.
"""

import dataclasses
from collections.abc import Iterator

from maasnb.backends.pieces import Make, Piece, make
from maasnb.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Attention,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Embed,
    Flatten,
    GlobalPool,
    Inputs,
    Layer,
    LayerNorm,
    Parallel,
    Pool,
    Recurrent,
    Reshape,
    Residual,
    Shape,
    Spec,
    Step,
    Transformer,
)
from maasnb.layers.convolution import along_axes

__all__ = ["pieces_of"]

# GELU is the exact one (with erf) in every backend.
_ACTIVATIONS = {
    "elu": ("nn.ELU", "functional.elu({x})"),
    "gelu": ("nn.GELU", "functional.gelu({x})"),
    "leaky_relu": ("nn.LeakyReLU", "functional.leaky_relu({x})"),
    "relu": ("nn.ReLU", "functional.relu({x})"),
    "sigmoid": ("nn.Sigmoid", "torch.sigmoid({x})"),
    "silu": ("nn.SiLU", "functional.silu({x})"),
    "softmax": ("nn.Softmax", "functional.softmax({x}, dim=-1)"),
    "tanh": ("nn.Tanh", "torch.tanh({x})"),
}

_FIRST = (Conv, Pool, BatchNorm)
_EITHER = (Activation, Dropout, Residual, Parallel)


def pieces_of(spec: Spec, *, first: bool = False) -> tuple[Piece, ...]:
    """Return the pieces of a spec, in order.

    Args:
        spec: the spec.
        first: whether channels are first before it; then they are behind it, too.
    """
    found: list[Piece] = []
    now = first
    for step in spec.steps():
        now = now and len(step.shape) > 1
        wanted = _wanted(step, now)
        found += _moved(step.name, now, wanted)
        now = wanted
        found += _activated(step, list(_pieces(step, spec, now)), now)
        if "softmax" in step.layer.activations():
            now = False
    # What comes out of a spec has as many axes as its last layer gave it.
    if len(spec.output_shape()) < 2:
        return tuple(found)
    return (*found, *_moved("output", now, first))


def _wanted(step: Step, now: bool) -> bool:  # noqa: FBT001 - a state, not an option
    """Say whether a layer wants channels first."""
    if isinstance(step.layer, _FIRST):
        return len(step.shape) > 1
    stays = isinstance(step.layer, _EITHER) and step.layer.activations() != ("softmax",)
    return now if stays else False


def _moved(name: str, now: bool, wanted: bool) -> list[Piece]:  # noqa: FBT001 - states, not options
    if now == wanted:
        return []
    if wanted:
        return [Piece(name=f"{name}_first", make=make("ChannelsFirst"), form="{x}.movedim(-1, 1)")]
    return [Piece(name=f"{name}_last", make=make("ChannelsLast"), form="{x}.movedim(1, -1)")]


def _activated(step: Step, pieces: list[Piece], now: bool) -> list[Piece]:  # noqa: FBT001 - a state
    """Return pieces followed by the layer's activation."""
    for activation in step.layer.activations():
        made, form = _ACTIVATIONS[activation]
        name = f"{step.name}_{activation}" if pieces else step.name
        if activation == "softmax":
            pieces += _moved(name, now, wanted=False)
            pieces.append(Piece(name=name, make=make(made, dim=-1), form=form))
        else:
            pieces.append(Piece(name=name, make=make(made), form=form))
    return pieces


def _pieces(step: Step, spec: Spec, first: bool) -> Iterator[Piece]:  # noqa: FBT001 - a state
    """Yield the pieces of one layer, without its activation."""
    layer, shape = step.layer, step.shape
    match layer:
        case Activation():
            return
        case Residual() | Parallel() | Inputs():
            yield _composed(step, spec, first)
        case Conv():
            yield from _convolution(step.name, layer, shape)
        case Recurrent():
            yield _recurrent(step, layer)
        case _:
            yield Piece(
                name=step.name,
                make=_make(layer, shape),
                form=_form(layer, shape, mask=step.mask),
                masked=step.mask and layer.takes_mask,
                begins=isinstance(layer, Embed) and layer.padding,
            )


def _make(layer: Layer, shape: Shape) -> Make:  # noqa: C901 - a table
    """Return how the module of a simple layer is made."""
    match layer:
        case Dense(units=units, bias=bias):
            return make("nn.Linear", shape[-1], units, **({} if bias else {"bias": False}))
        case Dropout(rate=rate):
            return make("nn.Dropout", rate)
        case Flatten():
            return make("nn.Flatten")
        case Reshape():
            assert isinstance(layer.shape, tuple)
            return make("Reshape", *layer.shape)
        case Pool():
            size, stride = along_axes(
                "Pool", shape, size=layer.size, stride=layer.stride or layer.size
            )
            kind = "MaxPool" if layer.how == "max" else "AvgPool"
            return make(f"nn.{kind}{len(size)}d", size, stride)
        case GlobalPool(how=how):
            return make("GlobalPool", how)
        case Embed(tokens=tokens, width=width):
            return make("nn.Embedding", tokens, width)
        case LayerNorm():
            return make("nn.LayerNorm", shape[-1])
        case BatchNorm():
            axes = 2 if len(shape) == 3 else 1
            return make(f"nn.BatchNorm{axes}d", shape[-1])
        case Attention(heads=heads, causal=causal):
            return make("Attention", shape[-1], heads, causal=causal)
        case Transformer():
            return make(
                "Transformer",
                shape[0],
                layer.width,
                layer.heads,
                layer.layers,
                layer.hidden or 4 * layer.width,
                causal=layer.causal,
                dropout=layer.dropout,
                positions=layer.positions,
            )
    message = f"the torch backend does not build {type(layer).__name__} layers"
    raise NotImplementedError(message)


def _form(layer: Layer, shape: Shape, *, mask: bool) -> str:
    """Return how source writes a layer that has no weights; empty for a call of its module."""
    match layer:
        case Flatten():
            return "{x}.flatten(1)"
        case Reshape():
            assert isinstance(layer.shape, tuple)
            return f"{{x}}.reshape(-1, {', '.join(map(str, layer.shape))})"
        case GlobalPool(how=how) if not mask:
            return f"{{x}}.{'mean' if how == 'mean' else 'amax'}(dim={tuple(range(1, len(shape)))})"
    return ""


def _convolution(name: str, layer: Conv, shape: Shape) -> Iterator[Piece]:
    """Yield a convolution, behind zeros where torch cannot add as many on one side as the other."""
    kernel, stride = along_axes("Conv", shape, kernel=layer.kernel, stride=layer.stride)
    sides = [(0, 0)] * len(kernel)
    if layer.padding == "same":  # as XLA does it: the odd zero stands at the end
        each = zip(shape, kernel, stride, strict=False)
        totals = [
            max((-(-size // step) - 1) * step + width - size, 0) for size, width, step in each
        ]
        sides = [(total // 2, total - total // 2) for total in totals]
    even = all(low == high for low, high in sides)
    if not even:
        zeros = tuple(side for pair in reversed(sides) for side in pair)
        yield Piece(
            name=f"{name}_zeros",
            make=make(f"nn.ZeroPad{len(kernel)}d", zeros),
            form=f"functional.pad({{x}}, {zeros})",
        )
    keywords = {"stride": stride} if max(stride) > 1 else {}
    if even and any(low for low, _ in sides):
        keywords["padding"] = tuple(low for low, _ in sides)
    made = make(f"nn.Conv{len(kernel)}d", shape[-1], layer.filters, kernel, **keywords)
    if not layer.bias:
        made = dataclasses.replace(made, keywords=(*made.keywords, ("bias", False)))
    yield Piece(name=name, make=made)


def _recurrent(step: Step, layer: Recurrent) -> Piece:
    """Return a recurrent layer: one module of torch's, or two a layer that read from both ends."""
    kinds: dict[type[Recurrent], str] = {RNN: "RNN", GRU: "GRU", LSTM: "LSTM"}
    kind, width = kinds[type(layer)], step.shape[-1]
    sizes = (width, layer.units, layer.layers)
    if layer.bidirectional:
        made = make("Bidirectional", kind, *sizes, sequences=layer.sequences)
        return Piece(name=step.name, make=made, masked=step.mask)
    states = "{self}({x})[0]"
    last = f"last_state({states}, mask)" if step.mask else f"{states}[:, -1]"
    return Piece(
        name=step.name,
        make=make(kind, *sizes, sequences=layer.sequences),
        written=make(f"nn.{kind}", *sizes[: 3 if layer.layers > 1 else 2], batch_first=True),
        form=states if layer.sequences else last,
        masked=step.mask,
    )


def _composed(step: Step, spec: Spec, first: bool) -> Piece:  # noqa: FBT001 - a state
    """Return the piece of a layer that is made of layers."""
    match step.layer:
        case Residual(layers=layers):
            ways, join = [("", layers)], "residual"
        case Parallel(branches=branches, join=join):
            ways = [(f"branch{number}", way) for number, way in enumerate(branches, start=1)]
        case Inputs(branches=branches, join=join):
            ways = [(f"branch_{name}", way) for name, way in branches]
        case _:
            raise AssertionError
    shapes = spec.parts if isinstance(step.layer, Inputs) else None
    found = []
    for name, layers in ways:
        shape = step.shape if shapes is None else shapes[name.removeprefix("branch_")]
        inner = Spec(input=shape, layers=layers, mask=step.mask)
        found.append((name, pieces_of(inner, first=first)))
    return Piece(
        name=step.name,
        ways=tuple(found),
        join=join,
        axis=1 if first else -1,
        one_signal=shapes is None,
        masked=step.mask,
    )
