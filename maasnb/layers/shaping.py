"""Layers that change the form of an example and no number of it."""

import dataclasses
import math
from typing import ClassVar

from maasnb.errors import ShapeError
from maasnb.layers.layer import Layer, Shape, as_size

__all__ = ["Flatten", "Reshape"]


@dataclasses.dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """Put all numbers of an example in one row; the channel runs fastest, in every backend."""

    kind: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        """Multiply the axes."""
        return (math.prod(shape),)

    def mask_after(self, mask: bool) -> bool:  # noqa: ARG002, FBT001 - as all layers do
        """End the mask: there is no sequence any more."""
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class Reshape(Layer):
    """Give an example another shape of as many numbers: `Reshape((8, 8))` for a row of 64.

    Attributes:
        shape: the shape of one example, without the batch, channels last.
    """

    kind: ClassVar[str] = "reshape"
    keeps_raw: ClassVar[bool] = True

    shape: int | tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the shape and store it as a tuple."""
        shape = tuple(self.shape) if isinstance(self.shape, (tuple, list)) else (self.shape,)
        sizes = tuple(as_size("Reshape", "shape", size) for size in shape)
        object.__setattr__(self, "shape", sizes)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the new shape.

        Raises:
            ShapeError: it has another number of numbers.
        """
        assert isinstance(self.shape, tuple)
        before, after = math.prod(shape), math.prod(self.shape)
        if before != after:
            message = (
                f"Reshape cannot give examples of shape {shape} the shape {self.shape}: "
                f"{before} numbers are not {after}."
            )
            raise ShapeError(message)
        return self.shape

    def mask_after(self, mask: bool) -> bool:  # noqa: ARG002, FBT001 - as all layers do
        """End the mask: places are others."""
        return False
