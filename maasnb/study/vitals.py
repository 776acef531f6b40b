"""What is well with a run, in numbers: a line for each part of it in which nothing was found."""

import math
from collections.abc import Callable, Iterable

import numpy as np

from maasnb.study.evidence import Evidence, shown

__all__ = ["PARTS", "vitals"]

Line = tuple[str, str, str, str]


def vitals(evidence: Evidence, found: Iterable[str]) -> list[Line]:
    """Return a line of words for each part that is well: state, what, where, in numbers.

    Args:
        evidence: what the run has shown.
        found: the kinds of the findings.
    """
    ill, lines = set(found), []
    for part, (kinds, tell) in PARTS.items():
        words = tell(evidence) if not ill & set(kinds) else ""
        if words:
            lines.append(("ok", part, "-", words))
    return lines


def _loss(evidence: Evidence) -> str:
    if not len(evidence.losses):
        return ""
    seen = evidence.run.history.validated
    validation = f", validation {shown(seen[-1].metrics['loss'])}" if seen else ""
    return f"{shown(evidence.first_loss)} -> {shown(evidence.last_loss)}{validation}"


def _gradients(evidence: Evidence) -> str:
    norms = [evidence.norms[name] for name in evidence.weights]
    if not norms:
        return ""
    return f"norms from {shown(min(norms))} to {shown(max(norms))}, {evidence.steps}"


def _updates(evidence: Evidence) -> str:
    ratios = [each for each in evidence.ratios.values() if math.isfinite(each)]
    return f"{shown(float(np.median(ratios)))} of the weights, {evidence.steps}" if ratios else ""


def _activations(evidence: Evidence) -> str:
    shares = {
        "dead units": [each["dead"] for each in evidence.activations.values() if "dead" in each],
        "saturated values": [
            values["saturated"]
            for name, values in evidence.activations.items()
            if ".tanh" in name or ".sigmoid" in name
        ],
    }
    told = [
        f"at most {max(each):.0%} {what}" if max(each) >= 0.005 else f"no {what}"
        for what, each in shares.items()
        if each
    ]
    return f"{', '.join(told)}, {evidence.steps}" if told else ""


def _data(evidence: Evidence) -> str:
    data, counts = evidence.run.data, evidence.classes
    if data.stream is not None:
        return ""
    if counts is None:
        return f"{len(data.train)} training examples"
    return f"{counts.min()} to {counts.max()} training examples a class"


PARTS: dict[str, tuple[tuple[str, ...], Callable[[Evidence], str]]] = {
    "loss": (("diverged", "chance_level", "overfitting", "underfitting"), _loss),
    "gradients": (("no_gradient", "vanishing_gradient", "exploding_gradient"), _gradients),
    "updates": (("lr_too_high", "lr_too_low"), _updates),
    "activations": (("dead_relu", "saturated"), _activations),
    "data": (("unbalanced_classes", "mislabelled"), _data),
}
"""Part -> the kinds of finding that it can have, and how it is told when it is well."""
