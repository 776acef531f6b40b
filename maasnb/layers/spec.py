"""A model as plain data: the shape of one example, or of each of its parts, and the layers.

An image without an axis of channels, as [28, 28], gets one before the first layer that looks at
images, so that a spec says all that happens.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from maasnb.errors import MaasError, OptionError, ShapeError, unknown_name
from maasnb.layers.attention import Attention, Transformer
from maasnb.layers.composition import Inputs, Parallel, Residual
from maasnb.layers.convolution import Conv, GlobalPool, Pool
from maasnb.layers.dense import Activation, Dense, Dropout, Input
from maasnb.layers.layer import Layer, Shape
from maasnb.layers.normalization import BatchNorm, LayerNorm
from maasnb.layers.recurrent import GRU, LSTM, RNN, Embed
from maasnb.layers.shaping import Flatten, Reshape

__all__ = ["LAYERS", "Spec", "Step", "make_spec", "names_of"]

LAYERS: dict[str, type[Layer]] = {
    each.__name__: each
    for each in (
        Input,
        Inputs,
        Dense,
        Activation,
        Dropout,
        Conv,
        Pool,
        GlobalPool,
        Flatten,
        Reshape,
        Embed,
        RNN,
        GRU,
        LSTM,
        Attention,
        Transformer,
        LayerNorm,
        BatchNorm,
        Residual,
        Parallel,
    )
}
"""Name -> class, in the order of the documentation."""

_BY_KIND = {each.kind: each for each in LAYERS.values()}
_CHANNELS = (1, 3, 4)  # grey, colours, colours and opacity
_DEEPEST = 32  # composite layers within each other; a spec may come from a file

InputShape = Shape | tuple[tuple[str, Shape], ...]


class Step(NamedTuple):
    """Hold one layer in its place.

    Attributes:
        name: its name in the model.
        layer: the layer.
        shape: the shape of one example before it; () for `Inputs`, which has several.
        mask: whether there is a mask before it.
    """

    name: str
    layer: Layer
    shape: Shape
    mask: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Describe a model as plain data: the shape of one example, and the layers.

    Attributes:
        input: the shape of one example, without the batch; of a model with several inputs pairs of
            an input's name and its shape.
        layers: the layers, without `Input`.
        mask: whether there is a mask before the first one: a spec may be a part of another.
    """

    input: InputShape
    layers: tuple[Layer, ...]
    mask: bool = False

    @property
    def parts(self) -> dict[str, Shape] | None:
        """Return the shape of each input by name; None for a model with one input."""
        pairs = [each for each in self.input if isinstance(each, tuple)]
        return dict(pairs) if pairs else None

    @property
    def shape(self) -> Shape:
        """Return the shape of one example; () where it has several parts."""
        return tuple(each for each in self.input if isinstance(each, int))

    @property
    def tokens(self) -> int | None:
        """Return how many tokens the model knows, if its one input are tokens; else None."""
        first = self.layers[0] if self.layers else None
        return first.tokens if isinstance(first, Embed) else None

    def steps(self) -> Iterator[Step]:
        """Yield each layer in its place.

        Raises:
            ShapeError: a layer does not fit what is before it; names the layer.
        """
        shape, mask = self.shape, self.mask
        for name, layer in zip(names_of(self.layers), self.layers, strict=True):
            yield Step(name, layer, shape, mask)
            try:
                shape = self._after(layer, shape)
            except ShapeError as error:
                message = f"{name}: {error}"
                raise ShapeError(message) from None
            mask = layer.mask_after(mask)

    def shapes(self) -> tuple[Shape, ...]:
        """Return the shape of one example after each layer."""
        steps = list(self.steps())
        after = [step.shape for step in steps[1:]]
        return (*after, self._after(steps[-1].layer, steps[-1].shape)) if steps else ()

    def output_shape(self) -> Shape:
        """Return the shape of one example after all layers."""
        return self.shapes()[-1] if self.layers else self.shape

    def names(self) -> tuple[str, ...]:
        """Return a name for each layer, as `dense1`, `dropout1`, `dense2`."""
        return names_of(self.layers)

    def _after(self, layer: Layer, shape: Shape) -> Shape:
        if isinstance(layer, Inputs) and self.parts is not None:
            return layer.shape_after(self.parts)
        return layer.output_shape(shape)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON data.

        >>> Spec(input=(64,), layers=(Dropout(0.5),)).to_json()
        {'input': [64], 'layers': [{'layer': 'dropout', 'rate': 0.5}]}
        """
        parts = self.parts
        shape = (
            list(self.shape)
            if parts is None
            else {name: list(each) for name, each in parts.items()}
        )
        return {"input": shape, "layers": [layer.to_json() for layer in self.layers]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Spec":
        """Return the spec that `to_json` wrote.

        Raises:
            UnknownNameError: a layer's kind is not known.
            OptionError: a layer's fields cannot be used.
        """
        shape = data["input"]
        pairs: InputShape = (
            tuple((name, tuple(each)) for name, each in shape.items())
            if isinstance(shape, Mapping)
            else tuple(shape)
        )
        return cls(input=pairs, layers=tuple(_layer(each, 0) for each in data["layers"]))


def names_of(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return a name for each layer, by its kind and count."""
    counts: dict[str, int] = {}
    names = []
    for layer in layers:
        counts[layer.kind] = counts.get(layer.kind, 0) + 1
        names.append(f"{layer.kind}{counts[layer.kind]}")
    return tuple(names)


def make_spec(
    layers: Sequence[Layer], input_shape: Shape | Mapping[str, Shape] | None = None
) -> Spec:
    """Join layers and the shape of one example to a `Spec`.

    Args:
        layers: the layers; the first may be an `Input`, or `Inputs` for several.
        input_shape: the shape of one example, for layers that do not begin with `Input`; by name
            where it has several parts.

    Returns:
        The spec.

    Raises:
        OptionError: there are no layers, or something among them is no layer.
        ShapeError: the input's shape is not known, or is given twice and differs; or a layer does
            not fit what is before it.
    """
    items = list(layers)
    for item in items:
        if not isinstance(item, Layer):
            message = (
                f"Expected layers, got {item!r}. "
                'Type: mb.build([mb.Dense(64, "relu"), mb.Dense(10)], data=data)'
            )
            raise OptionError(message)
    if any(isinstance(item, Input | Inputs) for item in items[1:]):
        message = "Input may only be the first layer."
        raise OptionError(message)
    if not items or (len(items) == 1 and isinstance(items[0], Input)):
        message = 'There are no layers. Type, for example: Dense(64, "relu")'
        raise OptionError(message)
    if isinstance(items[0], Inputs):
        spec = _of_several(items[0], items[1:], input_shape)
    else:
        given = items.pop(0) if isinstance(items[0], Input) else None
        shape = _one_shape(given, input_shape)
        if given is None:
            _check_channels(items, shape)
        spec = Spec(input=shape, layers=_with_channels(tuple(items), shape))
    spec.shapes()  # refuses what does not fit
    return spec


def _one_shape(given: Layer | None, known: Shape | Mapping[str, Shape] | None) -> Shape:
    """Return the shape of one example, of an `Input` and of what the data says."""
    if isinstance(known, Mapping):
        names = ", ".join(known)
        message = (
            f"The inputs have several parts ({names}). Begin with a layer that takes them by name: "
            f"Inputs({', '.join(f'{name}=[...]' for name in known)})"
        )
        raise ShapeError(message)
    if given is None and known is None:
        message = (
            "The number of inputs is not known. Begin with the line Input(64), or name the data: "
            "%%maas build net --data digits (in Python: mb.build(layers, data=digits))."
        )
        raise ShapeError(message)
    if given is None:
        assert known is not None
        return tuple(known)
    assert isinstance(given, Input)
    assert isinstance(given.shape, tuple)
    if known is not None and tuple(known) != given.shape:
        message = (
            f"The first layer says Input{given.shape}, but the data has examples of shape "
            f"{tuple(known)}. Leave the Input line out, or use the data's shape."
        )
        raise ShapeError(message)
    return given.shape


def _check_channels(layers: Sequence[Layer], shape: Shape) -> None:
    """Refuse images of the data that have their channels first, as torch's own data sets have.

    Raises:
        ShapeError: they are; an `Input` says that they are not.
    """
    first = next((layer for layer in layers if not layer.keeps_raw), None)
    sides = min(shape[1:], default=0)
    if (
        len(shape) == 3
        and first is not None
        and _looks_at_images(first)
        and shape[0] in _CHANNELS
        and shape[2] not in _CHANNELS
        and sides > max(_CHANNELS)
        and not any(isinstance(layer, Reshape) for layer in layers[: layers.index(first)])
    ):
        message = (
            f"The data has examples of shape {shape}, which look like images with the channels "
            "first; layers take them last, in every backend. Type: x = np.moveaxis(x, 1, -1); or "
            f"Input({shape}) as the first layer, if they are none"
        )
        raise ShapeError(message)


def _of_several(
    inputs: Inputs, rest: Sequence[Layer], known: Shape | Mapping[str, Shape] | None
) -> Spec:
    """Return the spec of a model with several inputs."""
    names = [name for name, _ in inputs.branches]
    if known is not None and (not isinstance(known, Mapping) or set(known) != set(names)):
        there = ", ".join(known) if isinstance(known, Mapping) else f"one of shape {tuple(known)}"
        message = (
            f"Inputs names {', '.join(names)}, but the data has {there}; expected the same names. "
            'Type: mb.data({"table": x, "image": images}, y)'
        )
        raise ShapeError(message)
    shapes, branches = {}, {}
    for name, layers in inputs.branches:
        first = layers[0] if layers and isinstance(layers[0], Input) else None
        try:
            shape = _one_shape(first, None if known is None else known[name])
        except ShapeError as error:
            message = f"{name}: {error}"
            raise ShapeError(message) from None
        shapes[name] = shape
        branches[name] = _with_channels(layers[first is not None :], shape)
    joined = Inputs(**branches, join=inputs.join)
    return Spec(input=tuple(shapes.items()), layers=(joined, *rest))


def _with_channels(layers: tuple[Layer, ...], shape: Shape) -> tuple[Layer, ...]:
    """Return layers that give an image without an axis of channels one."""
    for number, layer in enumerate(layers):
        if len(shape) == 2 and _looks_at_images(layer):
            return (*layers[:number], Reshape((*shape, 1)), *layers[number:])
        if not layer.keeps_raw:
            break
        try:
            shape = layer.output_shape(shape)
        except ShapeError:  # is raised again where the layer's name is known
            break
    return layers


def _looks_at_images(layer: Layer) -> bool:
    """Say whether a layer, or the first one inside it, is for images unless it says otherwise."""
    if isinstance(layer, Conv):
        return not (isinstance(layer.kernel, tuple) and len(layer.kernel) == 1)
    if isinstance(layer, Pool):
        return not (isinstance(layer.size, tuple) and len(layer.size) == 1)
    if isinstance(layer, Residual):
        return _looks_at_images(layer.layers[0])
    return isinstance(layer, Parallel) and any(_looks_at_images(way[0]) for way in layer.branches)


def _layer(fields: Mapping[str, Any], depth: int) -> Layer:
    """Return the layer of JSON data, and those inside it."""
    kind = fields["layer"]
    if kind not in _BY_KIND:
        raise unknown_name("layer", str(kind), _BY_KIND)
    if depth > _DEEPEST:
        message = f"Layers stand more than {_DEEPEST} deep within each other."
        raise OptionError(message)
    rest = {name: _inside(each, depth) for name, each in fields.items() if name != "layer"}
    try:
        return _BY_KIND[kind].from_fields(rest)
    except MaasError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        message = f"These are no fields of a layer {kind!r}: {rest} ({error})."
        raise OptionError(message) from None


def _inside(value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON data
    if isinstance(value, Mapping) and "layer" in value:
        return _layer(value, depth + 1)
    if isinstance(value, Mapping):
        return {name: _inside(each, depth) for name, each in value.items()}
    return [_inside(each, depth) for each in value] if isinstance(value, list) else value
