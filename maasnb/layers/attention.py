"""Layers in which each place of a sequence looks at the others."""

import dataclasses
from typing import ClassVar

from maasnb.errors import OptionError, ShapeError
from maasnb.layers.layer import (
    Layer,
    Shape,
    as_rate,
    check_flag,
    check_word,
    keep_sizes,
    sequence_of,
)

__all__ = ["Attention", "Transformer"]


@dataclasses.dataclass(frozen=True, slots=True)
class Attention(Layer):
    """Let each place of a sequence look at the others, with several heads.

    Attributes:
        heads: how many; they divide the width among them.
        causal: whether a place sees only itself and those before it.
    """

    kind: ClassVar[str] = "attention"
    takes_mask: ClassVar[bool] = True

    heads: int = 1
    causal: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        keep_sizes(self, "heads")
        check_flag("Attention", "causal", self.causal)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape.

        Raises:
            ShapeError: it is no sequence, or the heads do not divide its width.
        """
        _, width = sequence_of("Attention", shape)
        if width % self.heads:
            message = (
                f"Attention has heads={self.heads}, which do not divide the width {width} of "
                f"examples of shape {shape}; expected one of {_divisors(width)}."
            )
            raise ShapeError(message)
        return shape


@dataclasses.dataclass(frozen=True, slots=True)
class Transformer(Layer):
    """Add positions to a sequence, then read it with blocks of attention and feed-forward layers.

    A block is `x + attention(norm(x))`, then `x + down(gelu(up(norm(x))))`; the last one is
    followed by one more norm (Xiong et al. 2020 on why norms stand inside).

    Attributes:
        width: the size of a place's vector, before and after.
        heads: how many heads of attention; they divide the width among them.
        layers: how many blocks.
        causal: whether a place sees only itself and those before it, as for generating text.
        dropout: the part of each branch's output that is dropped while training.
        hidden: the width inside the feed-forward layers; None for four times the width.
        positions: `"learned"`, `"sinusoidal"` (Vaswani et al. 2017) or None.
    """

    kind: ClassVar[str] = "transformer"
    in_order: ClassVar[int] = 1
    takes_mask: ClassVar[bool] = True

    width: int
    heads: int = 4
    layers: int = 1
    causal: bool = False
    dropout: float = 0.0
    hidden: int | None = None
    positions: str | None = "learned"

    def __post_init__(self) -> None:
        """Check the fields."""
        keep_sizes(self, "width", "heads", "layers", *(["hidden"] * (self.hidden is not None)))
        check_flag("Transformer", "causal", self.causal)
        object.__setattr__(self, "dropout", as_rate("Transformer", "dropout", self.dropout))
        check_word("Transformer", "positions", self.positions, ("learned", "sinusoidal", None))
        if self.width % self.heads:
            message = (
                f"Transformer has heads={self.heads}, which do not divide its width {self.width}; "
                f"expected one of {_divisors(self.width)}."
            )
            raise OptionError(message)
        if self.positions == "sinusoidal" and self.width % 2:
            message = (
                f"Transformer has the odd width {self.width}; sinusoidal positions need an even "
                'one. Type: positions="learned"'
            )
            raise OptionError(message)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape.

        Raises:
            ShapeError: it is no sequence of vectors of this width.
        """
        length, width = sequence_of("Transformer", shape)
        if width != self.width:
            message = (
                f"Transformer has width={self.width}, but gets examples of shape {shape}; expected "
                f"({length}, {self.width}). End the layer before it with that width, as "
                f"Embed(2000, {self.width}) or Dense({self.width}), or type: Transformer({width})"
            )
            raise ShapeError(message)
        return shape


def _divisors(width: int) -> str:
    found = [each for each in range(1, min(width, 64) + 1) if width % each == 0]
    return ", ".join(map(str, found))
