"""The lines of a `%%maas build` cell become layers, without being run."""

import ast
import dataclasses
import numbers
from collections.abc import Mapping
from typing import Any

from maasnb.errors import OptionError, unknown_name
from maasnb.layers.layer import Layer
from maasnb.layers.spec import LAYERS

__all__ = ["parse_layers"]

_LITERALS = (str, numbers.Real, bool, type(None))


def parse_layers(text: str, names: Mapping[str, Any] | None = None) -> tuple[Layer, ...]:
    """Read the lines of a `%%maas build` cell without running them.

    Args:
        text: one call of a layer a line, as `Dense(64, "relu")`, with lists of layers inside those
            that are made of layers; commas at the end, blank lines and comments are fine.
        names: variables that arguments may refer to; only numbers, strings, booleans, tuples of
            them, and layers are taken.

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
    if call is None or _layer_name(call) is None:
        message = (
            f"Line {statement.lineno} of the cell is no layer: {line!r}. "
            'Expected a line such as Dense(64, "relu").'
        )
        raise OptionError(message)
    return _made(call, line, names)


def _layer_name(node: ast.expr) -> str | None:
    """Return the name of the layer that an expression calls or names; mb.Dense is Dense."""
    name = node.func if isinstance(node, ast.Call) else node
    if isinstance(name, ast.Attribute):
        return name.attr
    return name.id if isinstance(name, ast.Name) else None


def _made(call: ast.expr, line: str, names: Mapping[str, Any]) -> Layer:
    """Return the layer that an expression stands for."""
    name = str(_layer_name(call))
    if name not in LAYERS:
        raise unknown_name("layer", name, LAYERS)
    arguments = call.args if isinstance(call, ast.Call) else []
    keywords = call.keywords if isinstance(call, ast.Call) else []
    values = [_value_of(node, line, names) for node in arguments]
    options = {str(word.arg): _value_of(word.value, line, names) for word in keywords}
    try:
        return LAYERS[name](*values, **options)
    except TypeError as error:
        reason = str(error).replace(f"{name}.__init__() ", "")
        fields = ", ".join(field.name for field in dataclasses.fields(LAYERS[name]))
        message = f"{line!r}: {reason}. {name} takes: {fields}."
        raise OptionError(message) from None


def _value_of(node: ast.expr, line: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a literal, or layers
    if isinstance(node, ast.Call) and (_layer_name(node) or "")[:1].isupper():
        return _made(node, line, names)
    if isinstance(node, ast.Name):
        return _named(node.id, line, names)
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


def _named(name: str, line: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401 - likewise
    """Return what a name stands for: a variable, or a layer without arguments."""
    if name not in names and name in LAYERS:
        return _made(ast.Name(id=name), line, names)
    if name not in names:
        raise unknown_name("variable", name, names, f"It stands in the line {line!r}.")
    value = names[name]
    if _is_literal(value) or _are_layers(value):
        return value
    message = f"{line!r}: {name} is a {type(value).__name__}; expected a number or a string."
    raise OptionError(message)


def _is_literal(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_literal, value))
    return isinstance(value, _LITERALS)


def _are_layers(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, Layer) for item in value)
    return isinstance(value, Layer)
