"""Layers as plain data: what `mb.build` and the `%%maas build` cell turn into a native module.

A layer is a frozen dataclass that knows its output shape and its JSON form; a `Spec` is the shape
of one input and a sequence of layers. Each backend holds a table from these classes to modules of
its own library.
"""

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from maasnb.errors import OptionError, ShapeError, unknown_name

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Dense",
    "Dropout",
    "Input",
    "Layer",
    "Spec",
    "make_spec",
    "parse_layers",
]

ACTIVATIONS = ("elu", "gelu", "leaky_relu", "relu", "sigmoid", "silu", "softmax", "tanh")

_LITERALS = (str, int, float, bool, type(None))


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """Be the parent of all layers."""

    kind: ClassVar[str] = "layer"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one example after this layer, given the shape before it."""
        return shape

    def activations(self) -> tuple[str, ...]:
        """Return the names of the activations that this layer applies, in order."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """Return the layer as JSON data: its kind under `layer`, and its fields."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"layer": self.kind, **fields}


@dataclasses.dataclass(frozen=True, slots=True)
class Input(Layer):
    """Give the shape of one example, without the batch: `Input(64)`; only as the first layer."""

    kind: ClassVar[str] = "input"

    shape: int | tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the shape and store it as a tuple."""
        shape = tuple(self.shape) if isinstance(self.shape, (tuple, list)) else (self.shape,)
        for size in shape:
            _check_size("Input", "shape", size)
        object.__setattr__(self, "shape", shape)


@dataclasses.dataclass(frozen=True, slots=True)
class Dense(Layer):
    """Connect every input to every unit: `activation(x @ W + b)` over the last axis.

    Attributes:
        units: the size of the output's last axis.
        activation: one of `ACTIVATIONS`, or None for a linear layer.
        bias: whether a bias is added.
    """

    kind: ClassVar[str] = "dense"

    units: int
    activation: str | None = None
    bias: bool = True

    def __post_init__(self) -> None:
        """Check the fields."""
        _check_size("Dense", "units", self.units)
        if self.activation is not None:
            _check_activation(self.activation)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Replace the last axis by the number of units."""
        return (*shape[:-1], self.units)

    def activations(self) -> tuple[str, ...]:
        """Return the activation, if there is one."""
        return () if self.activation is None else (self.activation,)


@dataclasses.dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """Set a random part of the inputs to 0 while training and scale the rest by `1 / (1 - rate)`.

    Attributes:
        rate: the part that is dropped, 0 <= rate < 1.
    """

    kind: ClassVar[str] = "dropout"

    rate: float

    def __post_init__(self) -> None:
        """Check the rate."""
        if isinstance(self.rate, bool) or not isinstance(self.rate, (int, float)):
            message = f"Dropout got rate={self.rate!r}; expected a number. Type: Dropout(0.3)"
            raise OptionError(message)
        if not 0 <= self.rate < 1:
            message = f"Dropout got rate={self.rate!r}; expected 0 <= rate < 1. Type: Dropout(0.3)"
            raise OptionError(message)


@dataclasses.dataclass(frozen=True, slots=True)
class Activation(Layer):
    """Apply one of `ACTIVATIONS` (softmax over the last axis, the others to each element)."""

    kind: ClassVar[str] = "activation"

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        _check_activation(self.name)

    def activations(self) -> tuple[str, ...]:
        """Return the activation."""
        return (self.name,)


LAYERS: dict[str, type[Layer]] = {
    each.__name__: each for each in (Input, Dense, Dropout, Activation)
}
_BY_KIND = {each.kind: each for each in LAYERS.values()}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Describe a model as plain data: the shape of one example, and the layers.

    Attributes:
        input: the shape of one example, without the batch.
        layers: the layers, without `Input`.
    """

    input: tuple[int, ...]
    layers: tuple[Layer, ...]

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of one example after each layer."""
        shape, shapes = self.input, []
        for layer in self.layers:
            shape = layer.output_shape(shape)
            shapes.append(shape)
        return tuple(shapes)

    def names(self) -> tuple[str, ...]:
        """Return a name for each layer, as `dense1`, `dropout1`, `dense2`."""
        counts: dict[str, int] = {}
        names = []
        for layer in self.layers:
            counts[layer.kind] = counts.get(layer.kind, 0) + 1
            names.append(f"{layer.kind}{counts[layer.kind]}")
        return tuple(names)

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON data.

        >>> Spec(input=(64,), layers=(Dropout(0.5),)).to_json()
        {'input': [64], 'layers': [{'layer': 'dropout', 'rate': 0.5}]}
        """
        return {"input": list(self.input), "layers": [layer.to_json() for layer in self.layers]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Spec":
        """Return the spec that `to_json` wrote.

        Raises:
            UnknownNameError: a layer's kind is not known.
        """
        layers = []
        for fields in data["layers"]:
            kind = fields["layer"]
            if kind not in _BY_KIND:
                raise unknown_name("layer", kind, _BY_KIND)
            rest = {name: value for name, value in fields.items() if name != "layer"}
            layers.append(_BY_KIND[kind](**rest))
        return cls(input=tuple(data["input"]), layers=tuple(layers))


def make_spec(layers: Sequence[Layer], input_shape: tuple[int, ...] | None = None) -> Spec:
    """Join layers and the shape of one example to a `Spec`.

    Args:
        layers: the layers; the first may be an `Input`.
        input_shape: the shape of one example, for layers that do not begin with `Input`.

    Returns:
        The spec.

    Raises:
        OptionError: there are no layers, or something among them is no layer.
        ShapeError: the input's shape is not known, or is given twice and differs.
    """
    items = list(layers)
    for item in items:
        if not isinstance(item, Layer):
            message = (
                f"Expected layers, got {item!r}. "
                'Type: mb.build([mb.Dense(64, "relu"), mb.Dense(10)], data=data)'
            )
            raise OptionError(message)
    if items and isinstance(items[0], Input):
        given = items.pop(0)
        assert isinstance(given, Input)
        assert isinstance(given.shape, tuple)
        if input_shape is not None and tuple(input_shape) != given.shape:
            message = (
                f"The first layer says Input{given.shape}, but the data has examples of shape "
                f"{tuple(input_shape)}. Leave the Input line out, or use the data's shape."
            )
            raise ShapeError(message)
        input_shape = given.shape
    if any(isinstance(item, Input) for item in items):
        message = "Input may only be the first layer."
        raise OptionError(message)
    if not items:
        message = 'There are no layers. Type, for example: Dense(64, "relu")'
        raise OptionError(message)
    if input_shape is None:
        message = (
            "The number of inputs is not known. Begin with the line Input(64), or name the data: "
            "%%maas build net --data digits (in Python: mb.build(layers, data=digits))."
        )
        raise ShapeError(message)
    return Spec(input=tuple(input_shape), layers=tuple(items))


def parse_layers(text: str, names: Mapping[str, Any] | None = None) -> tuple[Layer, ...]:
    """Read the lines of a `%%maas build` cell without running them.

    Args:
        text: one call of a layer a line, as `Dense(64, "relu")`; commas at the end, blank lines and
            comments are fine.
        names: variables that arguments may refer to; only numbers, strings, booleans and tuples
            of them are taken.

    Returns:
        The layers.

    Raises:
        UnknownNameError: a layer or a variable is not known.
        OptionError: a line is no layer, or a layer does not accept its arguments.

    >>> parse_layers('Dense(hidden, "relu")  # the hidden layer', {"hidden": 32})
    (Dense(units=32, activation='relu', bias=True),)
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        message = (
            f"Line {error.lineno} of the cell is no layer: {(error.text or '').strip()!r} "
            f'({error.msg}). Expected a line such as Dense(64, "relu").'
        )
        raise OptionError(message) from None
    layers: list[Layer] = []
    for statement in tree.body:
        value = statement.value if isinstance(statement, ast.Expr) else None
        calls = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
        layers.extend(_layer_of(call, statement, text, names or {}) for call in calls)
    return tuple(layers)


def _layer_of(
    call: ast.expr | None, statement: ast.stmt, text: str, names: Mapping[str, Any]
) -> Layer:
    line = text.splitlines()[statement.lineno - 1].strip()
    name = call.func if isinstance(call, ast.Call) else call
    if isinstance(name, ast.Attribute):  # mb.Dense(64) is the same layer
        name = ast.Name(id=name.attr)
    if not isinstance(name, ast.Name):
        message = (
            f"Line {statement.lineno} of the cell is no layer: {line!r}. "
            'Expected a line such as Dense(64, "relu").'
        )
        raise OptionError(message)
    if name.id not in LAYERS:
        raise unknown_name("layer", name.id, LAYERS)
    arguments = call.args if isinstance(call, ast.Call) else []
    keywords = call.keywords if isinstance(call, ast.Call) else []
    values = [_value_of(node, line, names) for node in arguments]
    options = {str(word.arg): _value_of(word.value, line, names) for word in keywords}
    try:
        return LAYERS[name.id](*values, **options)
    except TypeError as error:
        reason = str(error).replace(f"{name.id}.__init__() ", "")
        fields = ", ".join(field.name for field in dataclasses.fields(LAYERS[name.id]))
        message = f"{line!r}: {reason}. {name.id} takes: {fields}."
        raise OptionError(message) from None


def _value_of(node: ast.expr, line: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a literal
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise unknown_name("variable", node.id, names, f"It stands in the line {line!r}.")
        value = names[node.id]
        if _is_literal(value):
            return value
        message = f"{line!r}: {node.id} is a {type(value).__name__}; expected a number or a string."
        raise OptionError(message)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value_of(item, line, names) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        message = (
            f"{line!r}: {ast.unparse(node)!r} is not a number, a string or a variable. "
            "Compute it in a cell before, and use its name here."
        )
        raise OptionError(message) from None


def _is_literal(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_literal, value))
    return isinstance(value, _LITERALS)


def _check_size(layer: str, field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"{layer} got {field}={value!r}; expected a whole number of at least 1."
        raise OptionError(message)


def _check_activation(name: object) -> None:
    if name not in ACTIVATIONS:
        raise unknown_name("activation", str(name), ACTIVATIONS)
