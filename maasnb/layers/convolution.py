"""Convolutions and pooling over images [height, width, channels] and sequences [length, channels].

Channels are last in a spec; how a backend lays them out is its own business.
"""

import dataclasses
import math
from typing import ClassVar

from maasnb.errors import ShapeError
from maasnb.layers.layer import (
    Layer,
    Shape,
    as_sizes,
    check_activation,
    check_flag,
    check_word,
    keep_sizes,
)

__all__ = ["Conv", "GlobalPool", "Pool", "along_axes"]


@dataclasses.dataclass(frozen=True, slots=True)
class Conv(Layer):
    """Slide filters over an image or a sequence: `Conv(16, 3, "relu")`.

    Attributes:
        filters: how many channels come out.
        kernel: the filters' size along each axis; one number for all of them. A tuple of one, as
            `(3,)`, says that data of two axes are sequences and no images.
        activation: one of `ACTIVATIONS`, or None.
        stride: how far apart the places are that filters are applied at; likewise.
        padding: `"same"`: zeros around, so that with stride 1 the size stays; `"valid"`: none.
        bias: whether a bias is added.
    """

    kind: ClassVar[str] = "conv"

    filters: int
    kernel: int | tuple[int, ...] = 3
    activation: str | None = None
    stride: int | tuple[int, ...] = 1
    padding: str = "same"
    bias: bool = True

    def __post_init__(self) -> None:
        """Check the fields."""
        keep_sizes(self, "filters")
        for field in ("kernel", "stride"):
            object.__setattr__(self, field, as_sizes("Conv", field, getattr(self, field)))
        if self.activation is not None:
            check_activation(self.activation)
        check_word("Conv", "padding", self.padding, ("same", "valid"))
        check_flag("Conv", "bias", self.bias)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of places along each axis, then the filters."""
        kernel, stride = along_axes("Conv", shape, kernel=self.kernel, stride=self.stride)
        if self.padding == "same":
            places = [math.ceil(size / step) for size, step in zip(shape, stride, strict=False)]
            return (*places, self.filters)
        _check_fits("Conv", "kernel", kernel, shape, 'use padding="same"')
        return (*_places(shape, kernel, stride), self.filters)

    def activations(self) -> tuple[str, ...]:
        """Return the activation, if there is one."""
        return () if self.activation is None else (self.activation,)

    def mask_after(self, mask: bool) -> bool:  # noqa: ARG002, FBT001 - as all layers do
        """End the mask: places are others."""
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class Pool(Layer):
    """Take the largest, or the mean, of each window: `Pool(2)` halves an image.

    Attributes:
        size: the window's size along each axis; one number for all of them.
        how: `"max"` or `"mean"`.
        stride: how far apart windows are; None for the size.
    """

    kind: ClassVar[str] = "pool"

    size: int | tuple[int, ...] = 2
    how: str = "max"
    stride: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        object.__setattr__(self, "size", as_sizes("Pool", "size", self.size))
        check_word("Pool", "how", self.how, ("max", "mean"))
        if self.stride is not None:
            object.__setattr__(self, "stride", as_sizes("Pool", "stride", self.stride))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of windows along each axis, then the channels."""
        size, stride = along_axes("Pool", shape, size=self.size, stride=self.stride or self.size)
        _check_fits("Pool", "size", size, shape, "leave the layer out")
        return (*_places(shape, size, stride), shape[-1])

    def mask_after(self, mask: bool) -> bool:  # noqa: ARG002, FBT001 - as all layers do
        """End the mask: places are others."""
        return False


@dataclasses.dataclass(frozen=True, slots=True)
class GlobalPool(Layer):
    """Take the mean, or the largest, of each channel over all places; padding is left out.

    Attributes:
        how: `"mean"` or `"max"`.
    """

    kind: ClassVar[str] = "global_pool"
    takes_mask: ClassVar[bool] = True

    how: str = "mean"

    def __post_init__(self) -> None:
        """Check the field."""
        check_word("GlobalPool", "how", self.how, ("mean", "max"))

    def output_shape(self, shape: Shape) -> Shape:
        """Leave the channels alone.

        Raises:
            ShapeError: there are no other axes.
        """
        if len(shape) < 2:
            message = (
                f"GlobalPool got examples of shape {shape}; expected an image [height, width, "
                "channels] or a sequence [length, channels]."
            )
            raise ShapeError(message)
        return shape[-1:]

    def mask_after(self, mask: bool) -> bool:  # noqa: ARG002, FBT001 - as all layers do
        """End the mask: there is no sequence any more."""
        return False


def along_axes(
    layer: str, shape: Shape, **sizes: int | tuple[int, ...]
) -> tuple[tuple[int, ...], ...]:
    """Return sizes for each axis of places, given one for all or one for each.

    Args:
        layer: the layer, for messages.
        shape: the shape of one example, channels last.
        **sizes: the sizes by the names of their fields.

    Raises:
        ShapeError: the example is no image and no sequence, or there are too few or too many sizes.
    """
    axes = len(shape) - 1
    if axes not in (1, 2):
        message = (
            f"{layer} got examples of shape {shape}; expected an image [height, width, channels] "
            f"or a sequence [length, channels].{_square(shape)}"
        )
        raise ShapeError(message)
    found = []
    for field, size in sizes.items():
        each = size if isinstance(size, tuple) else (size,) * axes
        if len(each) != axes:
            what = "an image" if axes == 2 else "a sequence"
            message = (
                f"{layer} got {field}={size} for examples of shape {shape}, which are {what}; "
                f"expected one number, or {axes} of them."
            )
            raise ShapeError(message)
        found.append(each)
    return tuple(found)


def _square(shape: Shape) -> str:
    side = math.isqrt(shape[0]) if len(shape) == 1 else 0
    if side > 1 and side * side == shape[0]:
        return f" Put Reshape(({side}, {side})) before it, if these are square images."
    return ""


def _places(shape: Shape, window: Shape, stride: Shape) -> list[int]:
    each = zip(shape, window, stride, strict=False)
    return [(size - width) // step + 1 for size, width, step in each]


def _check_fits(layer: str, field: str, window: Shape, shape: Shape, way_out: str) -> None:
    if any(width > size for width, size in zip(window, shape, strict=False)):
        message = (
            f"{layer} has {field}={window}, which is larger than examples of shape {shape}; "
            f"expected at most {shape[:-1]}. Make it smaller, or {way_out}."
        )
        raise ShapeError(message)
