"""The verb `inspect`: what is wrong with a run or with data, what a model is made of."""

from collections.abc import Callable
from typing import Any

import numpy as np

from maasnb.backends import backend_of
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, unknown_name
from maasnb.events import Measured
from maasnb.records.run import Run
from maasnb.study.evidence import Evidence, counted
from maasnb.study.examples import examples_report
from maasnb.study.findings import diagnose
from maasnb.study.flaws import flaws
from maasnb.study.profiles import Profile
from maasnb.study.reports import Report
from maasnb.study.signals import HEALTHY_RATIOS
from maasnb.study.summary import summary_report
from maasnb.study.vitals import vitals

__all__ = ["REPORTS", "inspect"]

_SLOW, _FAST = HEALTHY_RATIOS
_HEALTHY = "Nothing was found that holds the run back."


def inspect(
    subject: Any,  # noqa: ANN401 - a run, data, or a native module of any framework
    what: str | None = None,
    *,
    data: Any = None,  # noqa: ANN401 - Data, or a few examples
) -> Report:
    """Look inside a run, data or a model.

    Args:
        subject: a run, data, or a model.
        what: diagnosis, gradients or examples (of a run), or summary; by default the diagnosis of a
            run, the summary of a model. Data have one report.
        data: for the summary of a model, what it is for: data, or a few examples as it takes them;
            by default what the first layer says.

    Returns:
        The report: a table, numbers, and words. Of a diagnosis, `report.findings` has them one by
        one.

    Raises:
        UnknownNameError: there is no such report.
        DataError: the run has taken no step yet, or knows no losses of single examples; or the
            model has no run; or the data is a stream.
        ModelError: the subject is neither a run nor data nor a model.
        ShapeError: the model cannot take the examples.
    """
    if isinstance(subject, Data):
        return _data_report(subject, what)
    is_run = isinstance(subject, Run)
    chosen = what or ("diagnosis" if is_run else "summary")
    if chosen not in (*REPORTS, "summary"):
        raise unknown_name("report", chosen, (*REPORTS, "summary"))
    if chosen == "summary":
        return summary_report(subject, data)
    if not is_run:
        backend_of(subject)
        message = f"A model by itself has no {chosen}; inspect its run. Type: mb.inspect(run)"
        raise DataError(message)
    return REPORTS[chosen](subject)


def _data_report(data: Data, what: str | None) -> Report:
    if what not in (None, "data"):
        raise unknown_name("report on data", what, ("data",), "Type: mb.inspect(data)")
    profile = Profile.of(data)
    return profile.report(flaws(profile))


def _diagnosis(run: Run) -> Report:
    evidence = Evidence.of(run)
    if not len(evidence.losses) and run.status != "diverged":
        raise _nothing_yet(run)
    found = diagnose(evidence)
    rows = [
        (each.severity, each.title, ", ".join(each.where) or "-", each.evidence) for each in found
    ]
    return Report(
        kind="diagnosis",
        title=f"The run {run.name!r}: {counted(len(found), 'finding') if found else 'healthy'}",
        columns=("", "what", "where", "evidence"),
        rows=[*rows, *vitals(evidence, [each.kind for each in found])],
        words=True,
        notes=[f"{each.words} {each.remedy}" for each in found] or [_HEALTHY],
        values={each.kind: 1.0 for each in found},
        data=_drawn(evidence),
        findings=found,
    )


def _drawn(evidence: Evidence) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays that the picture of a diagnosis is drawn from."""
    run, events = evidence.run, evidence.measured
    seen = list(run.history.validated)
    names, functions = list(evidence.weights), list(evidence.activations)
    kinds = ("zero", "dead", "saturated")
    return {
        "loss": evidence.losses,
        "validated_steps": np.array([event.step for event in seen]),
        "validated_loss": np.array([event.metrics["loss"] for event in seen]),
        "chance": np.array([] if evidence.chance is None else [evidence.chance]),
        "steps": np.array([event.step for event in events]),
        "names": np.array(names),
        "gradient_norm": _matrix([event.gradient_norm for event in events], names),
        "update_ratio": _matrix([event.update_ratio for event in events], names),
        "activations": np.array(functions),
        "shares": np.array(
            [[evidence.activations[name].get(kind, 0.0) for kind in kinds] for name in functions]
        ).reshape(len(functions), len(kinds)),
    }


def _nothing_yet(run: Run) -> DataError:
    message = f"The run {run.name!r} has taken no step yet; wait a moment and inspect it again."
    return DataError(message)


def _gradients(run: Run) -> Report:
    measured = list(run.history.measured)
    if not measured:
        raise _nothing_yet(run)
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


REPORTS: dict[str, Callable[[Any], Report]] = {
    "diagnosis": _diagnosis,
    "gradients": _gradients,
    "examples": examples_report,
}
