"""Layers as data become pieces: which module of flax's stands for each, and how it is called."""

from collections.abc import Iterator

from maasnb.backends.pieces import Make, Piece, make
from maasnb.layers import (
    GRU,
    LSTM,
    RNN,
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
from maasnb.layers.normalization import MOMENTUM, SMALLEST_VARIANCE

__all__ = ["make_of", "pieces_of"]

# GELU is the exact one (with erf) in every backend.
_ACTIVATIONS = {
    "elu": "nnx.elu({x})",
    "gelu": "nnx.gelu({x}, approximate=False)",
    "leaky_relu": "nnx.leaky_relu({x})",
    "relu": "nnx.relu({x})",
    "sigmoid": "nnx.sigmoid({x})",
    "silu": "nnx.silu({x})",
    "softmax": "nnx.softmax({x})",
    "tanh": "nnx.tanh({x})",
}
_KINDS: dict[type[Recurrent], str] = {RNN: "RNN", GRU: "GRU", LSTM: "LSTM"}


def pieces_of(spec: Spec) -> tuple[Piece, ...]:
    """Return the pieces of a spec, in order."""
    return tuple(piece for step in spec.steps() for piece in _pieces(step, spec))


def _pieces(step: Step, spec: Spec) -> Iterator[Piece]:
    """Yield a layer, then its activation."""
    layer, shape = step.layer, step.shape
    if isinstance(layer, Residual | Parallel | Inputs):
        yield _composed(step, spec)
    else:
        made, form = make_of(layer, shape), _form(layer, shape, mask=step.mask)
        if made is not None or form:
            yield Piece(
                name=step.name,
                make=made,
                form=form,
                masked=step.mask and layer.takes_mask,
                begins=isinstance(layer, Embed) and layer.padding,
            )
    for activation in layer.activations():
        yield Piece(name=f"{step.name}_{activation}", form=_ACTIVATIONS[activation])


def make_of(layer: Layer, shape: Shape) -> Make | None:
    """Return how the module of a layer is made; None for one without weights."""
    match layer:
        case Dense(units=units, bias=bias):
            return make("nnx.Linear", shape[-1], units, **({} if bias else {"use_bias": False}))
        case Dropout(rate=rate):
            return make("nnx.Dropout", rate)
        case Conv():
            kernel, stride = along_axes("Conv", shape, kernel=layer.kernel, stride=layer.stride)
            padding = layer.padding.upper()
            made = make("nnx.Conv", shape[-1], layer.filters, kernel, padding=padding)
            more = (("strides", stride),) if max(stride) > 1 else ()
            more += () if layer.bias else (("use_bias", False),)
            return Make(made.name, made.arguments, (*made.keywords, *more))
        case Embed(tokens=tokens, width=width):
            return make("nnx.Embed", tokens, width)
        case LayerNorm():
            return make(
                "nnx.LayerNorm", shape[-1], epsilon=SMALLEST_VARIANCE, use_fast_variance=False
            )
        case BatchNorm():
            return make(
                "nnx.BatchNorm",
                shape[-1],
                momentum=1 - MOMENTUM,
                epsilon=SMALLEST_VARIANCE,
                use_fast_variance=False,
            )
        case Recurrent():
            keywords = {
                name: True for name in ("sequences", "bidirectional") if getattr(layer, name)
            }
            sizes = (shape[-1], layer.units, *([layer.layers] if layer.layers > 1 else []))
            return make("Recurrent", _KINDS[type(layer)], *sizes, **keywords)
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
    return None


def _form(layer: Layer, shape: Shape, *, mask: bool) -> str:
    """Return how source writes a layer without weights; empty for a call of its module."""
    match layer:
        case Flatten():
            return "{x}.reshape({x}.shape[0], -1)"
        case Reshape():
            assert isinstance(layer.shape, tuple)
            return f"{{x}}.reshape({{x}}.shape[0], {', '.join(map(str, layer.shape))})"
        case Pool():
            size, stride = along_axes(
                "Pool", shape, size=layer.size, stride=layer.stride or layer.size
            )
            kind = "max" if layer.how == "max" else "avg"
            return f"nnx.{kind}_pool({{x}}, window_shape={size}, strides={stride})"
        case GlobalPool(how=how) if mask:
            return f"global_pool({{x}}, {how!r}, mask)"
        case GlobalPool(how=how):
            return f"{{x}}.{how}(axis={tuple(range(1, len(shape)))})"
    return ""


def _composed(step: Step, spec: Spec) -> Piece:
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
        found.append((name, pieces_of(inner)))
    return Piece(
        name=step.name,
        ways=tuple(found),
        join=join,
        masked=step.mask,
        one_signal=shapes is None,
    )
