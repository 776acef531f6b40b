"""The text twin of a run's picture: short, and the same for the same seed.

It holds no times and no speeds, and numbers are rounded, so that a notebook's saved output can be
compared on another machine.
"""

import math
from typing import Any

from maasnb.errors import MaasError
from maasnb.language.translating import translated
from maasnb.tables import aligned

__all__ = ["number", "run_twin"]

SHOWN_PARAMETERS = 12
"""A larger model's twin names this many parameters, those with the largest gradient at the end."""


def number(value: float) -> str:
    """Return a number with two significant digits, as people write it.

    >>> [number(value) for value in (2.3456, 0.0123, 0.000123, 1234.5, 0.0, float("nan"))]
    ['2.3', '0.012', '1.2e-04', '1200', '0', 'nan']
    """
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if abs(value) < 1e-3 or abs(value) >= 1e6:
        return f"{value:.1e}"
    rounded = float(f"{value:.1e}")
    places = 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(0, places)}f}"


def run_twin(run: Any) -> str:  # noqa: ANN401 - a run, by its attributes
    """Return what a run's picture shows, in words.

    Args:
        run: a `Run`; while it is running, only what will not change is said.
    """
    # Not the run's name: a second run of the same notebook gets a number behind it.
    title = f"Run on {run.data.name} ({run.backend.name}): {run.status}"
    if run.status in ("running", "paused", "elsewhere"):
        return translated(f"{title}, {run.epochs} epochs, {run.total_steps} steps to take")
    losses = run.history.losses
    lines = [translated(f"{title}, {_progress(run)}")]
    if run.status == "failed" and run.error is not None:
        told = str(run.error) if isinstance(run.error, MaasError) else repr(run.error)
        lines.append("  " + translated(told))
    rows = []
    if len(losses):
        count = run.steps_per_epoch or 1
        first, last = (float(part.mean()) for part in (losses[:count], losses[-count:]))
        words = translated("loss, first -> last epoch")
        rows.append((words, f"{number(first)} -> {number(last)}"))
    for name, value in run.metrics.items():
        rows.append((translated(f"validation {name}"), _metric(name, value)))
    if rows:
        lines.append(_indented(aligned(rows)))
    norms = _gradient_rows(run.history.measured, run.steps)
    if norms:
        lines.append("  " + translated("gradient norm, first -> last step"))
        lines.append(_indented(aligned(norms), "    "))
    return "\n".join(lines)


def _progress(run: Any) -> str:  # noqa: ANN401 - a run, by its attributes
    if not run.steps_per_epoch:
        return f"{run.steps} steps"
    epochs = run.steps / run.steps_per_epoch
    shown = f"{epochs:.0f}" if epochs == round(epochs) else f"{epochs:.1f}"
    if run.steps == run.total_steps:
        return f"{shown} epochs, {run.steps} steps"
    return f"{shown} of {run.epochs} epochs, {run.steps} of {run.total_steps} steps"


def _metric(name: str, value: float) -> str:
    return f"{value:.2f}" if name == "accuracy" else number(value)


def _gradient_rows(measured: Any, last_step: int) -> list[tuple[str, str]]:  # noqa: ANN401 - a list of `Measured`
    """Return the norms at the first and the last step; those between depend on the clock."""
    by_step = {each.step: each.gradient_norm for each in measured}
    first, last = by_step.get(1, {}), by_step.get(last_step, {})
    names = list(last or first)
    if len(names) > SHOWN_PARAMETERS:
        largest = sorted(names, key=lambda name: -(last or first)[name])[:SHOWN_PARAMETERS]
        names = [name for name in names if name in largest]
    rows = [
        (name, " -> ".join(number(at[name]) for at in (first, last) if name in at))
        for name in names
    ]
    hidden = len(last or first) - len(names)
    return [*rows, ("...", translated(f"{hidden} more"))] if hidden else rows


def _indented(text: str, indent: str = "  ") -> str:
    return "\n".join(indent + line for line in text.splitlines())
