"""Modules that call others: in a row with a mask, around, side by side, and one for each input."""

import torch
from torch import Tensor, nn

__all__ = [
    "ChannelsFirst",
    "ChannelsLast",
    "GlobalPool",
    "Inputs",
    "Parallel",
    "Reshape",
    "Residual",
    "Several",
    "Stack",
    "joined",
]


class ChannelsFirst(nn.Module):
    """Put the axis of channels behind the batch, where torch's convolutions want it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, channels, ...] for [batch, ..., channels], without a copy."""
        return x.movedim(-1, 1)


class ChannelsLast(nn.Module):
    """Put the axis of channels at the end."""

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, ..., channels] for [batch, channels, ...], without a copy."""
        return x.movedim(1, -1)


class Reshape(nn.Module):
    """Give each example another shape."""

    def __init__(self, *shape: int) -> None:
        """Take the shape of one example."""
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, *shape]."""
        return x.reshape(-1, *self.shape)

    def extra_repr(self) -> str:
        """Return the shape."""
        return str(self.shape)


class GlobalPool(nn.Module):
    """Take the mean, or the largest, of each channel over all places."""

    def __init__(self, how: str) -> None:
        """Take `"mean"` or `"max"`."""
        super().__init__()
        self.how = how

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return [batch, channels] for [batch, ..., channels]; padding is left out."""
        places = tuple(range(1, x.ndim - 1))
        if mask is None:
            return x.mean(dim=places) if self.how == "mean" else x.amax(dim=places)
        real = mask[:, :, None]
        if self.how == "max":
            return torch.where(real, x, torch.finfo(x.dtype).min).amax(dim=1)
        return torch.where(real, x, 0).sum(dim=1) / real.sum(dim=1).clamp(min=1)

    def extra_repr(self) -> str:
        """Return what is taken."""
        return self.how


class Stack(nn.Sequential):
    """Call modules one after the other; those that take one get the mask."""

    def __init__(self, masked: tuple[str, ...] = (), begins: str | None = None) -> None:
        """Take the names of the modules that get a mask, and of the one whose input says it."""
        super().__init__()
        self.masked = masked
        self.begins = begins

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride] - more than a Sequential takes
        """Return the output of the last module."""
        for name, module in self._modules.items():
            assert module is not None
            if name == self.begins:
                mask = x != 0
            x = module(x, mask) if name in self.masked else module(x)
        return x


class Residual(Stack):
    """Add what modules make of a signal to the signal."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the sum."""
        return x + super().forward(x, mask)


class Parallel(nn.Module):
    """Send a signal several ways and join what comes out."""

    def __init__(self, join: str, axis: int) -> None:
        """Take how to join, and the axis of the channels; ways are added as modules."""
        super().__init__()
        self.join = join
        self.axis = axis

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the ways side by side, or their sum."""
        return joined([way(x, mask) for way in self.children()], self.join, self.axis)

    def extra_repr(self) -> str:
        """Return how the ways are joined."""
        return f"join={self.join!r}"


class Inputs(nn.Module):
    """Take several inputs by name and join what becomes of each; then go on as a row of modules."""

    def __init__(self, names: tuple[str, ...], join: str, axis: int) -> None:
        """Take the names of the inputs; a way for each is added as a module `branch_NAME`."""
        super().__init__()
        self.names = names
        self.join = join
        self.axis = axis

    def forward(self, **inputs: Tensor) -> Tensor:
        """Return the ways side by side, or their sum."""
        ways = [self.get_submodule(f"branch_{name}")(inputs[name]) for name in self.names]
        return joined(ways, self.join, self.axis)

    def extra_repr(self) -> str:
        """Return how the ways are joined."""
        return f"join={self.join!r}"


class Several(Stack):
    """Take several inputs by name, and hand them to the first module."""

    def forward(self, **inputs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride] - several inputs
        """Return the output of the last module."""
        first, *rest = self._modules.values()
        assert first is not None
        x = first(**inputs)
        for module in rest:
            assert module is not None
            x = module(x)
        return x


def joined(parts: list[Tensor], join: str, axis: int) -> Tensor:
    """Return tensors side by side, or their sum."""
    if join == "concat":
        return torch.cat(parts, dim=axis)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
