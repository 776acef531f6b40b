"""The input, fully connected layers, activations by themselves, and dropout."""

import dataclasses
from typing import ClassVar

from maasnb.layers.layer import (
    Layer,
    Shape,
    as_rate,
    as_size,
    check_activation,
    check_flag,
    keep_sizes,
)

__all__ = ["Activation", "Dense", "Dropout", "Input"]


@dataclasses.dataclass(frozen=True, slots=True)
class Input(Layer):
    """Give the shape of one example, without the batch: `Input(64)`; only as the first layer."""

    kind: ClassVar[str] = "input"

    shape: int | tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the shape and store it as a tuple."""
        shape = tuple(self.shape) if isinstance(self.shape, (tuple, list)) else (self.shape,)
        sizes = tuple(as_size("Input", "shape", size) for size in shape)
        object.__setattr__(self, "shape", sizes)


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
        keep_sizes(self, "units")
        check_flag("Dense", "bias", self.bias)
        if self.activation is not None:
            check_activation(self.activation)

    def output_shape(self, shape: Shape) -> Shape:
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
    keeps_raw: ClassVar[bool] = True

    rate: float

    def __post_init__(self) -> None:
        """Check the rate."""
        object.__setattr__(self, "rate", as_rate("Dropout", "rate", self.rate))


@dataclasses.dataclass(frozen=True, slots=True)
class Activation(Layer):
    """Apply one of `ACTIVATIONS` (softmax over the last axis, the others to each element)."""

    kind: ClassVar[str] = "activation"
    keeps_raw: ClassVar[bool] = True

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        check_activation(self.name)

    def activations(self) -> tuple[str, ...]:
        """Return the activation."""
        return (self.name,)
