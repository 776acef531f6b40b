"""The exercises of tutorial 03: what is wrong with a run, and how it is cured."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong, run_named
from maasnb.study.findings import findings
from maasnb.study.reports import FINDINGS

__all__ = ["EXERCISES"]

_ENOUGH = 0.9


def _check_kind(names: Mapping[str, Any]) -> None:
    answer, patient = names["answer"], names["mystery"]
    if answer not in FINDINGS:
        kinds = ", ".join(FINDINGS)
        message = f"`answer` is {answer!r}, which is no kind of illness. The kinds are: {kinds}."
        raise Wrong(message)
    if answer not in {each.kind for each in findings(patient)}:
        message = (
            f"`mystery` does not suffer from {FINDINGS[answer]}. Look at the row that is not ok: "
            "`%maas inspect mystery`"
        )
        raise Wrong(message)


def _check_cure(names: Mapping[str, Any]) -> None:
    run, far = run_named("cured", names), names["far"]
    if np.abs(run.data.train.x).max() < 0.5 * np.abs(far.train.x).max():
        message = (
            "`cured` was trained on other inputs. Take 100 * x, and let the recipe scale them: "
            "`prep=[mb.standardize()]`"
        )
        raise Wrong(message)
    measured = list(run.history.measured)
    functions = measured[-1].activations if measured else {}
    if not any(name.rpartition(".")[2].startswith("tanh") for name in functions):
        raise Wrong('`cured` has no tanh. Keep the layer: `mb.Dense(16, "tanh")`')
    found = findings(run)
    if found:
        message = f"`cured` is not well yet: {found[0].title}. {found[0].remedy}"
        raise Wrong(message)
    accuracy = run.metrics.get("accuracy", 0.0)
    if accuracy < _ENOUGH:
        message = (
            f"Nothing is wrong with `cured`, but its validation accuracy is {accuracy:.2f}, less "
            "than 0.9. Train it for more epochs."
        )
        raise Wrong(message)


def _check_kept(names: Mapping[str, Any]) -> None:
    run, coins = run_named("kept", names), names["coins"]
    if run.data.train.x.shape != coins.train.x.shape or run.data.train.x is not coins.train.x:
        raise Wrong("`kept` was trained on other data. Take `coins`: `mb.train(large(), coins)`")
    if not run.steps:
        raise Wrong("`kept` has taken no step yet. Wait for its end: `kept.wait()`")
    kinds = {each.kind for each in findings(run)}
    if "overfitting" in kinds:
        message = (
            "`kept` still learns by heart: its validation loss rises while its training loss "
            "falls. Stop in time and keep the best state: `stop=3, restore_best=True`"
        )
        raise Wrong(message)


EXERCISES = {
    "03.1": Exercise(
        task="Say what is wrong with `mystery`: one word, as `mb.inspect` names illnesses.",
        needs={
            "mystery": "mystery = mb.train(net, far, lr=0.01, batch=16, epochs=5)",
            "answer": "answer = ...",
        },
        check=_check_kind,
        praise="The inputs are so large that every tanh is at an end of its range.",
    ),
    "03.2": Exercise(
        task="Train a network with tanh on 100 * x that is healthy and right nine times of ten.",
        needs={
            "far": 'far = mb.data(100 * x, y, name="far", split=(2 / 3, 1 / 6, 1 / 6))',
            "cured": "cured = ...",
        },
        check=_check_cure,
        praise="Scaled inputs keep tanh where it is steep.",
    ),
    "03.3": Exercise(
        task="Train a network on `coins` that does not overfit.",
        needs={"coins": "coins = mb.data(", "kept": "kept = ..."},
        check=_check_kept,
        praise="It learnt little, which is right: a coin cannot be learnt.",
    ),
}
