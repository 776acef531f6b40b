"""What is wrong with a run: a table of illnesses, each with the function that finds it.

Nothing is computed on a device, so `findings` may be asked every few seconds while the run trains.
"""

from collections.abc import Callable, Mapping

from maasnb.records.run import Run
from maasnb.study import outcomes, signals
from maasnb.study.evidence import Evidence
from maasnb.study.reports import Finding

__all__ = ["ILLNESSES", "diagnose", "findings"]

Find = Callable[[Evidence, Mapping[str, Finding]], Finding | None]

ILLNESSES: dict[str, Find] = {
    "diverged": outcomes.diverged,
    "no_gradient": signals.no_gradient,
    "dead_relu": signals.dead_relu,
    "saturated": signals.saturated,
    "vanishing_gradient": signals.vanishing_gradient,
    "exploding_gradient": signals.exploding_gradient,
    "lr_too_high": signals.lr_too_high,
    "lr_too_low": signals.lr_too_low,
    "unbalanced_classes": outcomes.unbalanced_classes,
    "mislabelled": outcomes.mislabelled,
    "chance_level": outcomes.chance_level,
    "overfitting": outcomes.overfitting,
    "underfitting": outcomes.underfitting,
}
"""Kind -> what finds it, given the evidence and what was found before; causes before effects."""


def findings(run: Run) -> tuple[Finding, ...]:
    """Return what is wrong with a run, causes before effects; it may be training meanwhile."""
    return diagnose(Evidence.of(run))


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """Return what the evidence says is wrong, causes before effects."""
    found: dict[str, Finding] = {}
    for kind, find in ILLNESSES.items():
        finding = find(evidence, found)
        if finding is not None:
            found[kind] = finding
    return tuple(found.values())
