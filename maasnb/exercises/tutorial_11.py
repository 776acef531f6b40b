"""The exercises of tutorial 11: train in the background, and steer."""

import math
from collections.abc import Mapping
from typing import Any

from maasnb.exercises.exercise import Exercise, Wrong, run_named

__all__ = ["EXERCISES"]

Names = Mapping[str, Any]

WANTED = 0.95


def _check_stopped(names: Names) -> None:
    run = run_named("stopped", names)
    if run.status == "finished":
        raise Wrong(
            f"The run took all its {run.steps} steps, so nothing stopped it. In the policy ask "
            'for event.kind == "validated", look at event.metrics["accuracy"], and call run.stop().'
        )
    if not any(
        each.action == "stop" and each.source == "callback" for each in run.history.interventions
    ):
        raise Wrong(
            f"The run was {run.status}, but not by a policy. Give your function to "
            "mb.train(..., on_event=...)."
        )
    reached = [each.metrics["accuracy"] for each in run.history.validated]
    early = [value for value in reached[:-2] if value >= WANTED]
    if max(reached) < WANTED:
        raise Wrong(
            f"The run was stopped with an accuracy of {max(reached):.3f}; expected at least "
            f"{WANTED}. Compare with >= {WANTED}."
        )
    if early:
        raise Wrong(
            f"The accuracy was {early[0]:.3f} epochs before the run was stopped. Call run.stop() "
            f"at the first validation with at least {WANTED}."
        )


def _check_branch(names: Names) -> None:
    branch, first = run_named("branch", names), names["policies"]["torch"]
    if not branch.origin or branch.origin["run"] != first.name:
        raise Wrong(f"`branch` did not begin with a state of {first.name!r}. Call .fork() on it.")
    if branch.status != "finished":
        raise Wrong(f"`branch` is {branch.status}. Wait for it: branch.wait()")
    if branch.epochs != first.epochs + 5:
        raise Wrong(
            f"`branch` goes up to epoch {branch.epochs}; expected {first.epochs + 5}, counted from "
            f"the first run's beginning: epochs={first.epochs + 5}"
        )
    if not math.isclose(branch.knobs["lr"] or 0, 1e-4, rel_tol=1e-6):
        raise Wrong(f"The learning rate is {branch.knobs['lr']}; expected 0.0001: lr=0.0001")


EXERCISES = {
    "11.1": Exercise(
        task="Train with a policy that stops the run at a validation accuracy of 0.95.",
        needs={"stopped": "stopped = ..."},
        check=_check_stopped,
        praise="target=0.95 does the same; a policy can do what no option foresees.",
    ),
    "11.2": Exercise(
        task='Fork policies["torch"] for 5 more epochs with a learning rate of 0.0001.',
        needs={"policies": "policies = {}", "branch": "branch = ..."},
        check=_check_branch,
        praise="The first run is as it was; the branch has a record and checkpoints of its own.",
    ),
}
