"""Layers that are made of layers: a way around some, several ways side by side, several inputs."""

import dataclasses
import keyword
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from maasnb.errors import OptionError, ShapeError
from maasnb.layers.dense import Input
from maasnb.layers.layer import Layer, Shape, check_word

__all__ = ["Inputs", "Parallel", "Residual", "joined_shape", "layers_of", "mask_behind"]

Layers = tuple[Layer, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Residual(Layer):
    """Add what layers make of a signal to the signal: `Residual([LayerNorm(), Attention(4)])`.

    Attributes:
        layers: the layers; they keep the shape.
    """

    kind: ClassVar[str] = "residual"
    takes_mask: ClassVar[bool] = True

    layers: Layers

    def __post_init__(self) -> None:
        """Check the layers and store them as a tuple."""
        object.__setattr__(self, "layers", layers_of("Residual", self.layers))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape.

        Raises:
            ShapeError: the layers change it.
        """
        after = _through(self.layers, shape)
        if after != shape:
            message = (
                f"The layers of Residual turn examples of shape {shape} into {after}; expected the "
                "same shape, because both are added. End them with a layer of that size."
            )
            raise ShapeError(message)
        return shape

    def to_json(self) -> dict[str, Any]:
        """Return the layers as JSON data."""
        return {"layer": self.kind, "layers": [each.to_json() for each in self.layers]}

    def source(self, prefix: str = "") -> str:
        """Return the Python that stands for the layer."""
        return f"{prefix}Residual({_listed(self.layers, prefix)})"


@dataclasses.dataclass(frozen=True, slots=True, init=False, repr=False)
class Parallel(Layer):
    """Send a signal several ways and join what comes out: `Parallel([Conv(8, 1)], [Conv(8, 5)])`.

    Attributes:
        branches: the ways, each some layers.
        join: `"concat"`: side by side along the last axis; `"add"`: added up.
    """

    kind: ClassVar[str] = "parallel"
    takes_mask: ClassVar[bool] = True

    branches: tuple[Layers, ...]
    join: str

    def __init__(self, *branches: Sequence[Layer], join: str = "concat") -> None:
        """Check the branches and store them as tuples."""
        if len(branches) < 2:
            message = (
                f"Parallel got {len(branches)} branches; expected at least 2. "
                'Type: Parallel([Dense(8, "relu")], [Dense(8, "tanh")])'
            )
            raise OptionError(message)
        check_word("Parallel", "join", join, ("concat", "add"))
        found = tuple(layers_of("Parallel", each) for each in branches)
        object.__setattr__(self, "branches", found)
        object.__setattr__(self, "join", join)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the joined shape."""
        shapes = {
            f"branch{number}": _through(each, shape)
            for number, each in enumerate(self.branches, start=1)
        }
        return joined_shape("Parallel", shapes, self.join)

    def mask_after(self, mask: bool) -> bool:  # noqa: FBT001 - as all layers do
        """Keep the mask where every branch does."""
        return mask and all(mask_behind(each, mask) for each in self.branches)

    def to_json(self) -> dict[str, Any]:
        """Return the branches as JSON data."""
        branches = [[layer.to_json() for layer in each] for each in self.branches]
        return {"layer": self.kind, "branches": branches, "join": self.join}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Parallel":
        """Return the layer of the fields that `to_json` wrote."""
        return cls(*fields.get("branches", ()), join=fields.get("join", "concat"))

    def source(self, prefix: str = "") -> str:
        """Return the Python that stands for the layer."""
        parts = [_listed(each, prefix) for each in self.branches]
        return f"{prefix}Parallel({', '.join(parts)}{_join(self.join)})"

    def __repr__(self) -> str:
        """Return the Python that stands for the layer."""
        parts = [repr(list(each)) for each in self.branches]
        return f"Parallel({', '.join(parts)}{_join(self.join)})"


@dataclasses.dataclass(frozen=True, slots=True, init=False, repr=False)
class Inputs(Layer):
    """Take several inputs by name and join them: `Inputs(table=[Dense(8)], image=[Flatten()])`.

    Only as the first layer. A branch may begin with `Input(...)`; else the data says its shape.

    Attributes:
        branches: names, each with the layers of its input.
        join: `"concat"`: side by side along the last axis; `"add"`: added up.
    """

    kind: ClassVar[str] = "inputs"

    branches: tuple[tuple[str, Layers], ...]
    join: str

    def __init__(self, *, join: str = "concat", **branches: Sequence[Layer]) -> None:
        """Check the branches and store them as tuples."""
        if not branches:
            message = (
                "Inputs got no branches; expected one for each input. "
                'Type: Inputs(table=[Dense(8, "relu")], image=[Flatten(), Dense(8, "relu")])'
            )
            raise OptionError(message)
        check_word("Inputs", "join", join, ("concat", "add"))
        for name in branches:
            if not name.isidentifier() or keyword.iskeyword(name) or name in ("self", "mask"):
                message = f"Inputs cannot call an input {name!r}; expected a name as of a variable."
                raise OptionError(message)
        found = tuple(
            (name, layers_of("Inputs", each, empty=True)) for name, each in branches.items()
        )
        object.__setattr__(self, "branches", found)
        object.__setattr__(self, "join", join)

    def output_shape(self, shape: Shape) -> Shape:
        """Refuse: `Inputs` has several shapes before it, which `Spec` knows."""
        message = f"Inputs may only be the first layer, not behind one of shape {shape}."
        raise ShapeError(message)

    def shape_after(self, shapes: Mapping[str, Shape]) -> Shape:
        """Return the joined shape, given that of each input."""
        found = {name: _through(each, shapes[name]) for name, each in self.branches}
        return joined_shape("Inputs", found, self.join)

    def mask_after(self, mask: bool) -> bool:  # noqa: ARG002, FBT001 - as all layers do
        """Begin no mask: each input has its own."""
        return False

    def to_json(self) -> dict[str, Any]:
        """Return the branches as JSON data."""
        branches = {name: [layer.to_json() for layer in each] for name, each in self.branches}
        return {"layer": self.kind, "branches": branches, "join": self.join}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Inputs":
        """Return the layer of the fields that `to_json` wrote."""
        return cls(**fields.get("branches", {}), join=fields.get("join", "concat"))

    def source(self, prefix: str = "") -> str:
        """Return the Python that stands for the layer."""
        parts = [f"{name}={_listed(each, prefix)}" for name, each in self.branches]
        return f"{prefix}Inputs({', '.join(parts)}{_join(self.join)})"

    def __repr__(self) -> str:
        """Return the Python that stands for the layer."""
        parts = [f"{name}={list(each)!r}" for name, each in self.branches]
        return f"Inputs({', '.join(parts)}{_join(self.join)})"


def layers_of(layer: str, given: object, *, empty: bool = False) -> Layers:
    """Return the layers that a layer is made of.

    Args:
        layer: its name, for messages.
        given: what was given for them.
        empty: whether there may be none, and whether an `Input` may be the first.

    Raises:
        OptionError: these are no layers.
    """
    items = [given] if isinstance(given, Layer) else given
    if not isinstance(items, list | tuple):
        message = (
            f"{layer} got {given!r}; expected a list of layers. Type: {layer}([Dense(8), ...])"
        )
        raise OptionError(message)
    inside: tuple[type[Layer], ...] = (Inputs,) if empty else (Inputs, Input)
    for number, item in enumerate(items):
        if not isinstance(item, Layer):
            message = f"{layer} got {item!r} among its layers; expected a layer, as Dense(8)."
            raise OptionError(message)
        if isinstance(item, inside) or (isinstance(item, Input) and number):
            message = f"{type(item).__name__} cannot stand there inside {layer}."
            raise OptionError(message)
    if not items and not empty:
        message = f"{layer} got an empty list; expected at least one layer, as Dense(8)."
        raise OptionError(message)
    return tuple(items)


def mask_behind(layers: Layers, mask: bool) -> bool:  # noqa: FBT001 - a state, not an option
    """Say whether there is a mask behind some layers."""
    for layer in layers:
        mask = layer.mask_after(mask)
    return mask


def joined_shape(layer: str, shapes: Mapping[str, Shape], join: str) -> Shape:
    """Return the shape of several signals side by side, or added.

    Raises:
        ShapeError: they do not fit.
    """
    found = list(shapes.values())
    same = [shape if join == "add" else shape[:-1] for shape in found]
    if any(each != same[0] for each in same):
        shown = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        wanted = "the same shape" if join == "add" else "shapes that differ in the last axis alone"
        message = (
            f"The branches of {layer} end with {shown}; expected {wanted}, because join={join!r}. "
            "End each with Flatten() or GlobalPool(), or give them equal sizes."
        )
        raise ShapeError(message)
    if join == "add":
        return found[0]
    return (*found[0][:-1], sum(shape[-1] for shape in found))


def _through(layers: Layers, shape: Shape) -> Shape:
    for layer in layers:
        shape = layer.output_shape(shape)
    return shape


def _listed(layers: Layers, prefix: str) -> str:
    return f"[{', '.join(layer.source(prefix) for layer in layers)}]"


def _join(join: str) -> str:
    return "" if join == "concat" else f', join="{join}"'
