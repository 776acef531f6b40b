"""The statistics of a training step in torch, on the device until they are asked for.

Histograms are by the exponent of a float32, which its bits hold: no logarithm is taken, and the
counts are the same in every backend.
"""

# torch documents `torch._foreach_*` without its typing stubs exporting them.
# pyright: reportPrivateImportUsage=false

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from maasnb.backends.activations import BOUNDED, FLAT, as_counts, described, unique_names
from maasnb.backends.protocol import Statistics
from maasnb.events import HISTOGRAM_BINS, HISTOGRAM_LOW

__all__ = ["Measurement", "Passes", "Seen", "counts_of", "norms_of", "see"]

_EXPONENT_BIAS = 127  # of float32


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """Hold what one call of an activation function put out.

    Attributes:
        layer: the layer before it, empty for none.
        function: its name.
        count: how many values.
        moments: their mean and variance, the share that is 0 and the share that is saturated [4].
        alive: which units are not 0 everywhere [units].
        counts: the histogram [bins].
    """

    layer: str
    function: str
    count: int
    moments: Tensor
    alive: Tensor
    counts: Tensor


Passes = list[list[Seen]]
"""What was seen in each pass, one for each part of a batch."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """Hold the statistics of a step, in the order of the parameters.

    Attributes:
        gradient_norm: [parameters].
        update_ratio: [parameters].
        counts: of the gradients, then of the weights [2 * parameters, bins]; None without.
        passes: what was seen in each pass, one for each part of the batch.
    """

    gradient_norm: Tensor
    update_ratio: Tensor
    counts: Tensor | None = None
    passes: Sequence[Sequence[Seen]] = ()

    def on_host(self, names: Sequence[str]) -> Statistics:
        """Wait for the numbers, and return them by parameter name."""
        norms = dict(zip(names, self.gradient_norm.tolist(), strict=True))
        ratios = dict(zip(names, self.update_ratio.tolist(), strict=True))
        if self.counts is None:
            return Statistics(gradient_norm=norms, update_ratio=ratios)
        about, seen = [f"{of}/{name}" for of in ("gradient", "weight") for name in names], {}
        histograms = as_counts(about, self.counts.cpu().numpy())
        for name, parts in _by_name(self.passes).items():
            moments = [[part.count, *part.moments.tolist()] for part in parts]
            alive = np.stack([part.alive.cpu().numpy() for part in parts])
            seen[name] = described(parts[0].function, np.array(moments), alive)
            counts = np.sum([part.counts.cpu().numpy() for part in parts], axis=0)
            histograms |= as_counts([f"activation/{name}"], counts)
        return Statistics(
            gradient_norm=norms, update_ratio=ratios, activations=seen, histograms=histograms
        )


def see(layer: str, function: str, output: Tensor, *, channels: bool) -> Seen:
    """Return what an activation function's output shows.

    Args:
        layer: the layer before it.
        function: its name.
        output: what it put out, at least one axis.
        channels: whether its units are along the second axis; else along the last.
    """
    with torch.no_grad():
        values = output.detach().float()
        variance, mean = torch.var_mean(values, correction=0)
        moments, alive = [mean, variance], torch.ones(1, dtype=torch.bool)
        if function in BOUNDED:
            other = values != 0
            units = other.movedim(1, -1) if channels and values.ndim > 2 else other
            width = units.shape[-1] if units.ndim > 1 else 1
            alive = units.reshape(-1, width).any(dim=0)
            moments += [1 - other.float().mean(), _saturated(function, values)]
        else:
            moments += [torch.zeros_like(mean)] * 2
        counts = torch.bincount(_bins(values).reshape(-1), minlength=HISTOGRAM_BINS)
    return Seen(layer, function, values.numel(), torch.stack(moments), alive, counts)


def norms_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Euclidean norm of each tensor."""
    return torch.stack(torch._foreach_norm(list(tensors)))


def counts_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return the histogram of each tensor [tensors, bins], counted in one go."""
    flat = [tensor.reshape(-1).float() for tensor in tensors]
    bins = _bins(torch.cat(flat))
    parts = list(bins.split([len(each) for each in flat]))
    torch._foreach_add_(parts, [number * HISTOGRAM_BINS for number in range(len(parts))])
    counts = torch.bincount(bins, minlength=len(parts) * HISTOGRAM_BINS)
    return counts.reshape(len(parts), HISTOGRAM_BINS)


def _bins(values: Tensor) -> Tensor:
    exponents = (values.contiguous().view(torch.int32) >> 23).bitwise_and_(0xFF)
    return exponents.sub_(_EXPONENT_BIAS + HISTOGRAM_LOW - 1).clamp_(0, HISTOGRAM_BINS - 1)


def _saturated(function: str, values: Tensor) -> Tensor:
    if function == "tanh":
        return (values.abs() > 1 - 2 * FLAT).float().mean()
    if function == "sigmoid":
        return ((values - 0.5).abs() > 0.5 - FLAT).float().mean()
    return torch.zeros((), device=values.device)


def _by_name(passes: Sequence[Sequence[Seen]]) -> dict[str, list[Seen]]:
    """Return what was seen by name, over all parts of the batch."""
    found: dict[str, list[Seen]] = {}
    for seen in passes:
        names = unique_names([(each.layer, each.function) for each in seen])
        for name, each in zip(names, seen, strict=True):
            found.setdefault(name, []).append(each)
    return found
