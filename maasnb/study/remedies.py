"""Remedies that several illnesses share, as words with what to type."""

import math

import numpy as np

from maasnb.study.evidence import Evidence, shown

__all__ = ["larger_rate", "scaled_inputs", "smaller_rate"]

_LARGE_INPUTS = 100.0
_HEALTHY_RATIO = 1e-3  # of an update to the weight that it changes


def scaled_inputs(evidence: Evidence) -> str:
    """Return the remedy for inputs that are far from 1; empty where they are not."""
    inputs = evidence.run.data.train.inputs
    if not isinstance(inputs, np.ndarray) or not np.issubdtype(inputs.dtype, np.floating):
        return ""
    if not np.abs(inputs).max() > _LARGE_INPUTS:
        return ""
    size = shown(float(np.abs(inputs).max()))
    return f"Scale the inputs, which go up to {size}. Type: mb.data(x, y, prep=[mb.standardize()])"


def smaller_rate(evidence: Evidence) -> str:
    """Return the remedy for a learning rate that is too high."""
    rate, ratio = evidence.rate, evidence.largest_ratio
    if rate is None:
        return "Give the optimizer a tenth of its learning rate."
    return f"Take a smaller one. Type: {_with_rate(evidence, rate * 10.0 ** -_decades(ratio))}"


def larger_rate(evidence: Evidence) -> str:
    """Return the remedy for a learning rate that is too low."""
    rate, ratio = evidence.rate, evidence.typical_ratio
    if rate is None:
        return "Give the optimizer ten times its learning rate."
    return f"Take a larger one. Type: {_with_rate(evidence, rate * 10.0 ** _decades(ratio))}"


def _decades(ratio: float | None) -> int:
    """Return by how many powers of ten updates are off, at least one."""
    if ratio is None or not 0 < ratio < math.inf:
        return 1
    return max(1, abs(round(math.log10(ratio / _HEALTHY_RATIO))))


def _with_rate(evidence: Evidence, rate: float) -> str:
    """Return what to type for another learning rate: a live one while the run trains."""
    training = evidence.run.status in ("running", "paused")
    return f"run.set(lr={rate:.3g})" if training else f"mb.train(net, data, lr={rate:.3g})"
