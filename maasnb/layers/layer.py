"""What every layer is: plain data that knows its output's shape, its JSON form and its source."""

import dataclasses
import json
import numbers
from collections.abc import Mapping
from typing import Any, ClassVar

from maasnb.errors import OptionError, ShapeError, unknown_name

__all__ = [
    "ACTIVATIONS",
    "Layer",
    "Shape",
    "as_rate",
    "as_size",
    "as_sizes",
    "check_activation",
    "check_flag",
    "check_word",
    "keep_sizes",
    "sequence_of",
]

ACTIVATIONS = ("elu", "gelu", "leaky_relu", "relu", "sigmoid", "silu", "softmax", "tanh")

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """Be the parent of all layers.

    A mask says which tokens of a sequence are real; `Embed(..., padding=True)` makes one, and the
    layers behind it use it, keep it or end it.
    """

    kind: ClassVar[str] = "layer"
    in_order: ClassVar[int] = 3
    """How many arguments are written without their names, at the most."""
    takes_mask: ClassVar[bool] = False
    """Whether padding makes a difference to the layer."""
    keeps_raw: ClassVar[bool] = False
    """Whether an image without an axis of channels is still one after the layer."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one example after this layer, given the shape before it."""
        return shape

    def activations(self) -> tuple[str, ...]:
        """Return the names of the activations that this layer applies, in order."""
        return ()

    def mask_after(self, mask: bool) -> bool:  # noqa: FBT001 - a state, not an option
        """Say whether there is a mask behind the layer, given whether there is one before it."""
        return mask

    def to_json(self) -> dict[str, Any]:
        """Return the layer as JSON data: its kind under `layer`, and its fields."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        shown = {
            key: list(each) if isinstance(each, tuple) else each for key, each in fields.items()
        }
        return {"layer": self.kind, **shown}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Layer":
        """Return the layer of the fields that `to_json` wrote.

        Raises:
            OptionError: the fields are not the layer's.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if not set(fields) <= known:
            unknown = ", ".join(sorted(set(fields) - known))
            message = f"{cls.__name__} has no field {unknown}; it has: {', '.join(sorted(known))}."
            raise OptionError(message)
        given = {
            key: tuple(each) if isinstance(each, list) else each for key, each in fields.items()
        }
        try:
            return cls(**given)
        except TypeError as error:
            message = f"These are no fields of {cls.__name__}: {dict(fields)} ({error})."
            raise OptionError(message) from None

    def source(self, prefix: str = "") -> str:
        """Return the Python that stands for the layer, with defaults left out.

        Args:
            prefix: what stands before a layer's name, as `"mb."`.
        """
        arguments, skipped = [], False
        for place, field in enumerate(dataclasses.fields(self)):
            value = getattr(self, field.name)
            skipped = skipped or place >= self.in_order or isinstance(value, bool)
            if value == field.default:
                skipped = True
                continue
            written = (
                json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
            )
            arguments.append(f"{field.name}={written}" if skipped else written)
        return f"{prefix}{type(self).__name__}({', '.join(arguments)})"


def as_size(layer: str, field: str, value: object) -> int:
    """Return a whole number of at least 1, NumPy's (`y.max() + 1`) as Python's own.

    Raises:
        OptionError: it is none; names the layer and the field.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        message = f"{layer} got {field}={value!r}; expected a whole number of at least 1."
        raise OptionError(message)
    return int(value)


def as_sizes(layer: str, field: str, value: object) -> int | tuple[int, ...]:
    """Return one size, or one for each of one or two axes, as a tuple.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(value, tuple | list) and len(value) in (1, 2):
        return tuple(as_size(layer, field, size) for size in value)
    return as_size(layer, field, value)


def keep_sizes(layer: Layer, *fields: str) -> None:
    """Check and keep fields of a layer that are whole numbers of at least 1.

    Raises:
        OptionError: one is none; names the layer and the field.
    """
    for field in fields:
        size = as_size(type(layer).__name__, field, getattr(layer, field))
        object.__setattr__(layer, field, size)


def check_activation(name: object) -> None:
    """Refuse a name that is no activation's.

    Raises:
        UnknownNameError: offers the nearest one.
    """
    if name not in ACTIVATIONS:
        raise unknown_name("activation", str(name), ACTIVATIONS)


def as_rate(layer: str, field: str, value: object) -> float:
    """Return a share of 1 that leaves something, NumPy's as Python's own.

    Raises:
        OptionError: it is none; names the layer, the field and what to type.
    """
    example = f"Type: {layer}(0.3)" if layer == "Dropout" else f"Type: {field}=0.1"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        message = f"{layer} got {field}={value!r}; expected a number. {example}"
        raise OptionError(message)
    rate = int(value) if isinstance(value, int) else float(value)
    if not 0 <= rate < 1:
        message = f"{layer} got {field}={value!r}; expected 0 <= {field} < 1. {example}"
        raise OptionError(message)
    return rate


def check_flag(layer: str, field: str, value: object) -> None:
    """Refuse what is not yes or no.

    Raises:
        OptionError: names the layer and the field.
    """
    if not isinstance(value, bool):
        message = f"{layer} got {field}={value!r}; expected True or False."
        raise OptionError(message)


def check_word(layer: str, field: str, value: object, known: tuple[str | None, ...]) -> None:
    """Refuse a word that is not one of a few.

    Raises:
        OptionError: names the words.
    """
    if not isinstance(value, str | None) or value not in known:
        words = ", ".join(map(repr, known))
        message = f"{layer} got {field}={value!r}; expected one of {words}."
        raise OptionError(message)


def sequence_of(layer: str, shape: Shape) -> tuple[int, int]:
    """Return the length and the width of an example that must be a sequence of vectors.

    Raises:
        ShapeError: it is no such sequence.
    """
    if len(shape) != 2:
        message = (
            f"{layer} got examples of shape {shape}; expected a sequence [length, width]. Put "
            "Embed(2000, 64) before it where the inputs are tokens, or Reshape((length, width))."
        )
        raise ShapeError(message)
    return shape[0], shape[1]
