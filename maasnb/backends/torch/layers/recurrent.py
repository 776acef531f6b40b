"""Recurrent layers that return their states: torch's own, with nothing but their outputs.

Padding stands at the end of a sequence: what comes before it is not changed by it, so that the last
state is read where the mask says that a sequence ends.
"""

import torch
from torch import Tensor, nn

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "backwards", "last_state"]


def last_state(states: Tensor, mask: Tensor | None) -> Tensor:
    """Return the state after each sequence's last real token [batch, units]."""
    if mask is None:
        return states[:, -1]
    steps = torch.arange(mask.shape[1], device=mask.device)
    last = torch.where(mask, steps, 0).amax(dim=1)
    return states.gather(1, last[:, None, None].expand(-1, 1, states.shape[-1])).squeeze(1)


def backwards(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return sequences from their last real token to their first; padding stays behind."""
    if mask is None:
        return x.flip(1)
    steps = torch.arange(mask.shape[1], device=mask.device)
    length = torch.where(mask, steps + 1, 0).amax(dim=1, keepdim=True)
    places = torch.where(steps < length, length - 1 - steps, steps)
    return x.gather(1, places[:, :, None].expand(-1, -1, x.shape[-1]))


class RNN(nn.RNN):
    """Return the states of an `nn.RNN`, or the last one."""

    def __init__(self, width: int, units: int, layers: int, *, sequences: bool) -> None:
        """Make an `nn.RNN`, the batch first."""
        super().__init__(width, units, layers, batch_first=True)
        self.sequences = sequences

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride] - a layer of a Sequential
        """Return the states [batch, steps, units], or [batch, units]."""
        states, _ = super().forward(x)
        return states if self.sequences else last_state(states, mask)


class GRU(nn.GRU):
    """Return the states of an `nn.GRU`, or the last one."""

    def __init__(self, width: int, units: int, layers: int, *, sequences: bool) -> None:
        """Make an `nn.GRU`, the batch first."""
        super().__init__(width, units, layers, batch_first=True)
        self.sequences = sequences

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride] - a layer of a Sequential
        """Return the states [batch, steps, units], or [batch, units]."""
        states, _ = super().forward(x)
        return states if self.sequences else last_state(states, mask)


class LSTM(nn.LSTM):
    """Return the outputs of an `nn.LSTM`, or the last one."""

    def __init__(self, width: int, units: int, layers: int, *, sequences: bool) -> None:
        """Make an `nn.LSTM`, the batch first."""
        super().__init__(width, units, layers, batch_first=True)
        self.sequences = sequences

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride] - a layer of a Sequential
        """Return the states [batch, steps, units], or [batch, units]."""
        states, _ = super().forward(x)
        return states if self.sequences else last_state(states, mask)


class Bidirectional(nn.Module):
    """Read sequences from both ends and put the states side by side.

    Two modules a layer and not torch's `bidirectional=True`, which would read padding first.
    """

    def __init__(self, kind: str, width: int, units: int, layers: int, *, sequences: bool) -> None:
        """Make two modules a layer: `ahead1` and `back1`, each of torch's kind of that name."""
        super().__init__()
        self.layers = layers
        self.sequences = sequences
        for number in range(1, layers + 1):
            for way in ("ahead", "back"):
                module = getattr(nn, kind)(width, units, batch_first=True)
                self.add_module(f"{way}{number}", module)
            width = 2 * units

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the states [batch, steps, 2 * units], or [batch, 2 * units]."""
        ahead = back = x
        for number in range(1, self.layers + 1):
            ahead, _ = getattr(self, f"ahead{number}")(x)
            back, _ = getattr(self, f"back{number}")(backwards(x, mask))
            back = backwards(back, mask)
            x = torch.cat([ahead, back], dim=-1)
        if self.sequences:
            return x
        return torch.cat([last_state(ahead, mask), back[:, 0]], dim=-1)
