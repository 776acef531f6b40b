"""What losses and data say: one small function for each illness."""

import math
from collections.abc import Mapping

import numpy as np

from maasnb.errors import DivergedError
from maasnb.study.evidence import Evidence, layer_of, shown
from maasnb.study.examples import suspects
from maasnb.study.remedies import scaled_inputs, smaller_rate
from maasnb.study.reports import Finding

__all__ = [
    "chance_level",
    "diverged",
    "mislabelled",
    "overfitting",
    "unbalanced_classes",
    "underfitting",
]

_AT_CHANCE = 0.97  # of the loss of always giving the same answer
_LITTLE_LEARNT = (
    0.7  # likewise; measures of nature leave half of it unexplained, and are no illness
)
_STILL = 0.02  # a loss that falls by no more than this share has stopped falling
_ENOUGH_STEPS = 20  # before that, a loss says little
_OVERFITTED = 1.25  # the last validation loss over the lowest
_GAP = 0.7  # the training loss over the validation loss
_SEVERAL = 3  # a single odd example is no illness of the data
_UNBALANCED = 10  # examples of the largest class for one of the smallest

_EFFECTS = {"chance_level", "overfitting", "underfitting", "mislabelled", "unbalanced_classes"}
_UNSETTLED = {"diverged", "exploding_gradient", "lr_too_high", "vanishing_gradient"}
_BESIDE = {"mislabelled", "unbalanced_classes"}

Found = Mapping[str, Finding]


def diverged(evidence: Evidence, found: Found) -> Finding | None:
    """Find a loss that became infinite or NaN, and the parameter that went bad first."""
    run, error = evidence.run, evidence.run.error
    if run.status != "diverged" or not isinstance(error, DivergedError):
        return None
    culprit = error.culprit
    before = [event.gradient_norm.get(culprit, math.nan) for event in evidence.measured]
    norm = f", whose norm was {shown(before[-1])} at step {evidence.measured[-1].step}"
    first = f"; the first gradient that was not finite is that of {culprit}{norm if before else ''}"
    return Finding(
        kind="diverged",
        severity="bad",
        words="The loss became infinite or NaN, and the model went back to its last good state.",
        evidence=f"after step {run.steps}{first if culprit else ''}",
        remedy=scaled_inputs(evidence) or smaller_rate(evidence),
        where=(layer_of(culprit),) if culprit else (),
    )


def unbalanced_classes(evidence: Evidence, found: Found) -> Finding | None:
    """Find classes with few examples beside others."""
    counts, labels = evidence.classes, evidence.run.task.labels
    if counts is None or evidence.run.settings.get("class_weights"):
        return None
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] < _UNBALANCED * counts[least]:
        return None
    return Finding(
        kind="unbalanced_classes",
        severity="warn" if counts[least] else "bad",
        words=f"The classes are unbalanced: the model hardly sees {labels[least]}.",
        evidence=f"{counts[least]} training examples of {labels[least]}, {counts[most]} of "
        f"{labels[most]}",
        remedy='Let all classes count alike. Type: mb.train(net, data, class_weights="balanced")'
        if counts[least]
        else f"Give examples of {labels[least]}, or leave that class out.",
        where=(labels[least],),
    )


def mislabelled(evidence: Evidence, found: Found) -> Finding | None:
    """Find training examples that the model is sure to be of another class."""
    if _UNSETTLED & found.keys():
        return None
    rows = suspects(evidence.run, evidence.chance)
    losses = evidence.run.history.examples
    if losses is None or len(rows) < _SEVERAL:
        return None
    named = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    others = np.nanmedian(losses.mean)
    return Finding(
        kind="mislabelled",
        severity="hint",
        words=f"{len(rows)} training examples probably have a wrong target: the model is sure of "
        "another one.",
        evidence=f"rows {named} of data.train; mean loss {shown(float(losses.mean[rows].mean()))}, "
        f"where half of all examples are below {shown(float(others))}",
        remedy='Look at them. Type: mb.inspect(run, "examples")',
    )


def chance_level(evidence: Evidence, found: Found) -> Finding | None:
    """Find a loss that always giving the same answer would have too."""
    chance, loss, run = evidence.chance, evidence.last_loss, evidence.run
    steps = len(evidence.losses)
    if not chance or steps < max(_ENOUGH_STEPS, run.steps_per_epoch):
        return None
    classes = len(run.task.labels)
    ceiling = 1.1 * (math.log(classes) if classes > 1 else chance)
    if not _AT_CHANCE * chance <= loss <= ceiling:
        return None
    guess = "the mean" if run.task.kind == "regression" else "the same classes"
    by_ln = f" (ln {classes} = {shown(math.log(classes))})" if classes > 1 else ""
    causes = [finding for kind, finding in found.items() if kind not in _EFFECTS]
    return Finding(
        kind="chance_level",
        severity="bad",
        words=f"The model does no better than one that always answers {guess}.",
        evidence=f"loss {shown(loss)} after {steps} steps; always the same answer gives "
        f"{shown(chance)}{by_ln}",
        remedy=f"First mend what was found before: {causes[0].title}."
        if causes
        else "Look whether each target belongs to its input: ten examples must be learnt by heart. "
        "Type: mb.train(net, mb.data(x[:10], y[:10], split=(1, 0, 0)), epochs=200)",
    )


def overfitting(evidence: Evidence, found: Found) -> Finding | None:
    """Find a validation loss that rises while that of training falls."""
    run = evidence.run
    seen = [event for event in run.history.validated if math.isfinite(event.metrics["loss"])]
    if len(seen) < 3 or run.history.restored is not None or _UNSETTLED & found.keys():
        return None
    best = min(seen, key=lambda event: event.metrics["loss"])
    lowest = best.metrics["loss"]
    after = [event.metrics["loss"] for event in seen if event.step > best.step]
    if len(after) < 2:
        return None
    last = float(np.mean(after[-2:]))
    if not (last > _OVERFITTED * lowest and evidence.last_loss < _GAP * last):
        return None
    return Finding(
        kind="overfitting",
        severity="warn",
        words="The model learns its training examples by heart: on others it becomes worse.",
        evidence=f"validation loss {shown(lowest)} at step {best.step}, {shown(last)} at the end; "
        f"training loss {shown(evidence.last_loss)}",
        remedy="Keep the best state. Type: mb.train(net, data, stop=3); and give it more data, or "
        "less to remember with: mb.Dropout(0.3)",
    )


def underfitting(evidence: Evidence, found: Found) -> Finding | None:
    """Find a loss that has stopped falling with most still to learn."""
    chance, loss, course = evidence.chance, evidence.last_loss, evidence.course
    sequences = bool(evidence.run.task.positions)  # text always leaves most to be guessed
    if not chance or sequences or len(course) < 4 or found.keys() - _BESIDE:
        return None
    later = course[len(course) // 2 :]
    halves = [part.mean() for part in np.array_split(later, 2)]
    still = halves[1] > (1 - _STILL) * halves[0]
    if not (still and _LITTLE_LEARNT * chance < loss < _AT_CHANCE * chance):
        return None
    seen = [event.metrics["loss"] for event in evidence.run.history.validated]
    if seen and not loss > _GAP * seen[-1]:
        return None
    return Finding(
        kind="underfitting",
        severity="hint",
        words="The loss has stopped falling with most still to learn: the model is too small, or "
        "the inputs do not tell more.",
        evidence=f"training loss {shown(loss)}, {shown(loss / chance)} of that of always giving "
        f"the same answer; it fell by {max(1 - halves[1] / halves[0], 0):.1%} at the last",
        remedy='Try a larger model. Type: mb.Dense(256, "relu")',
    )
