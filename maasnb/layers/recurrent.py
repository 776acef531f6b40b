"""Embeddings of tokens, and layers that read a sequence step by step."""

import dataclasses
from typing import ClassVar

from maasnb.errors import OptionError
from maasnb.layers.layer import Layer, Shape, check_flag, keep_sizes, sequence_of

__all__ = ["GRU", "LSTM", "RNN", "Embed", "Recurrent"]


@dataclasses.dataclass(frozen=True, slots=True)
class Embed(Layer):
    """Give each token a vector of weights: `Embed(2000, 64)`.

    Attributes:
        tokens: how many tokens there are; they are numbered from 0.
        width: the size of a vector.
        padding: whether token 0 is padding at the end of a sequence, which the layers behind it
            leave out of account.
    """

    kind: ClassVar[str] = "embed"

    tokens: int
    width: int
    padding: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        keep_sizes(self, "tokens", "width")
        check_flag("Embed", "padding", self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        """Add an axis of the vectors."""
        return (*shape, self.width)

    def mask_after(self, mask: bool) -> bool:  # noqa: ARG002, FBT001 - as all layers do
        """Begin a mask, if token 0 is padding."""
        return self.padding


@dataclasses.dataclass(frozen=True, slots=True)
class Recurrent(Layer):
    """Be the parent of the layers that read a sequence step by step.

    Attributes:
        units: the size of the state.
        sequences: whether the states at all steps come out [length, units]; else the last one.
        bidirectional: whether a second one reads from the end, and both are put side by side.
        layers: how many stand on each other.
    """

    kind: ClassVar[str] = "recurrent"
    takes_mask: ClassVar[bool] = True

    units: int
    sequences: bool = False
    bidirectional: bool = False
    layers: int = 1

    def __post_init__(self) -> None:
        """Check the fields."""
        name = type(self).__name__
        keep_sizes(self, "units", "layers")
        check_flag(name, "sequences", self.sequences)
        check_flag(name, "bidirectional", self.bidirectional)
        if self.layers > 64:
            message = f"{name} got layers={self.layers}; expected at most 64."
            raise OptionError(message)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the states' shape, or that of the last one."""
        length, _ = sequence_of(type(self).__name__, shape)
        width = self.units * (2 if self.bidirectional else 1)
        return (length, width) if self.sequences else (width,)

    def mask_after(self, mask: bool) -> bool:  # noqa: FBT001 - as all layers do
        """Keep the mask where the sequence stays."""
        return mask and self.sequences


@dataclasses.dataclass(frozen=True, slots=True)
class RNN(Recurrent):
    """Read a sequence with a plain recurrent layer: `h = tanh(x @ W + b + h @ U + c)`."""

    kind: ClassVar[str] = "rnn"


@dataclasses.dataclass(frozen=True, slots=True)
class GRU(Recurrent):
    """Read a sequence with a gated recurrent unit, the reset gate behind the product with `h`."""

    kind: ClassVar[str] = "gru"


@dataclasses.dataclass(frozen=True, slots=True)
class LSTM(Recurrent):
    """Read a sequence with a long short-term memory: `LSTM(128)`."""

    kind: ClassVar[str] = "lstm"
