"""The verb `inspect`: what a run's gradients did, or what a model is made of."""

from typing import Any

import numpy as np

from maasnb.backends import backend_of
from maasnb.errors import DataError, unknown_name
from maasnb.events import Measured
from maasnb.records.run import Run
from maasnb.study.reports import Report

__all__ = ["inspect"]

# The update of a step should be a thousandth of the weight it changes, give or take a factor of ten
# (A. Karpathy, CS231n notes, "Ratio of weights:updates").
_SLOW, _FAST = 1e-4, 1e-2


def inspect(
    subject: Any,  # noqa: ANN401 - a run, or a native module of any framework
    what: str | None = None,
) -> Report:
    """Look inside a run or a model.

    Args:
        subject: a run, or a model.
        what: gradients (of a run) or summary; by default gradients for a run, a summary for a
            model.

    Returns:
        The report: a table, numbers, and words.

    Raises:
        UnknownNameError: there is no such report.
        DataError: the run has taken no measured step yet, or the model has no run and so no
            gradients.
        ModelError: the subject is neither a run nor a model.
    """
    is_run = isinstance(subject, Run)
    chosen = what or ("gradients" if is_run else "summary")
    if chosen not in ("gradients", "summary"):
        raise unknown_name("report", chosen, ("gradients", "summary"))
    if chosen == "summary":
        return _summary(subject.model if is_run else subject)
    if not is_run:
        backend_of(subject)
        message = "A model by itself has no gradients; inspect its run. Type: mb.inspect(run)"
        raise DataError(message)
    return _gradients(subject)


def _gradients(run: Run) -> Report:
    measured = list(run.history.measured)
    if not measured:
        message = f"The run {run.name!r} has taken no step yet; wait a moment and inspect it again."
        raise DataError(message)
    first, last = measured[0], measured[-1]
    names = list(last.gradient_norm)
    rows = [
        (
            name,
            f"{first.gradient_norm[name]:.2g}",
            f"{last.gradient_norm[name]:.2g}",
            f"{last.update_ratio[name]:.1g}",
        )
        for name in names
    ]
    return Report(
        kind="gradients",
        title=f"Gradients of the run {run.name!r}, by parameter",
        columns=(
            "parameter",
            f"norm, step {first.step}",
            f"norm, step {last.step}",
            "update / weight",
        ),
        rows=rows,
        notes=_notes(last),
        values={name: last.gradient_norm[name] for name in names},
        data={
            "steps": np.array([event.step for event in measured]),
            "names": np.array(names),
            "gradient_norm": _matrix([event.gradient_norm for event in measured], names),
            "update_ratio": _matrix([event.update_ratio for event in measured], names),
        },
    )


def _matrix(events: list[dict[str, float]], names: list[str]) -> np.ndarray[Any, Any]:
    return np.array([[norms[name] for name in names] for norms in events])


def _notes(last: Measured) -> tuple[str, ...]:
    """Say in words what the last measured step shows."""
    still = [name for name, norm in last.gradient_norm.items() if norm == 0]
    ratios = {name: ratio for name, ratio in last.update_ratio.items() if np.isfinite(ratio)}
    slow = [name for name, ratio in ratios.items() if ratio < _SLOW and name not in still]
    fast = [name for name, ratio in ratios.items() if ratio > _FAST]
    wild = [name for name, norm in last.gradient_norm.items() if not np.isfinite(norm)]
    notes = []
    if wild:
        notes.append(f"The gradient of {', '.join(wild)} is not finite: try a smaller lr.")
    if still:
        notes.append(f"No gradient reaches {', '.join(still)}: look for a dead or unused layer.")
    if slow:
        notes.append(
            f"Updates of {', '.join(slow)} are below {_SLOW:g} of the weights: they hardly learn."
        )
    if fast:
        notes.append(
            f"Updates of {', '.join(fast)} are above {_FAST:g} of the weights: try a smaller lr."
        )
    if not notes:
        notes.append(
            f"All updates are between {_SLOW:g} and {_FAST:g} of the weights, which is healthy."
        )
    return tuple(notes)


def _summary(model: object) -> Report:
    backend = backend_of(model)
    parameters = backend.parameters(model)
    count = sum(info.count for info in parameters)
    size = sum(info.size_bytes for info in parameters)
    rows = [
        (
            info.name,
            " x ".join(map(str, info.shape)),
            info.dtype,
            f"{info.count:,}",
            _bytes(info.size_bytes),
        )
        for info in parameters
    ]
    rows.append(("total", "", "", f"{count:,}", _bytes(size)))
    return Report(
        kind="summary",
        title=f"{type(model).__name__} ({backend.name}): {count:,} parameters, {_bytes(size)}",
        columns=("parameter", "shape", "type", "count", "memory"),
        rows=rows,
        values={"parameters": count, "size_bytes": size},
    )


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 999.5:  # from there on it rounds to 1000
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
