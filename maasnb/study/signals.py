"""What gradients, updates and activations say: one small function for each illness."""

import math
from collections.abc import Mapping

import numpy as np

from maasnb.study.evidence import Evidence, layer_of, listed, shown
from maasnb.study.remedies import larger_rate, scaled_inputs, smaller_rate
from maasnb.study.reports import Finding

__all__ = [
    "HEALTHY_RATIOS",
    "dead_relu",
    "exploding_gradient",
    "lr_too_high",
    "lr_too_low",
    "no_gradient",
    "saturated",
    "vanishing_gradient",
]

HEALTHY_RATIOS = (1e-4, 1e-2)
"""The update of a step should be a thousandth of the weight it changes, give or take a factor of
ten (A. Karpathy, CS231n notes, "Ratio of weights:updates")."""

_VANISHED = 1e-3  # of the largest layer's gradient
_EXPLODED = 100.0  # the gradient's norm, for a loss that is about 1
_DEAD = 0.5  # the share of a layer's units
_DEAD_ALL = 0.99
_SATURATED = 0.5  # the share of values
_WILD_RATIO = 0.3  # an update of this share of the weight is too large whatever the loss does
_ALL_OF_IT = 1.0  # and a single one of this share too
_NOT_SMALL = 1e-3
_PARTS = 8  # of a run, when it is asked whether the loss rises
_RISEN = 0.1  # of the first loss
_SURELY = 3.0  # standard errors
_RISEN_AGAIN = 0.5  # of the lowest loss
_NOISE = 0.25  # of the first loss, or as much as batches of a few examples differ anyway:
_NOISE_OF_ONE = 1.5
_STUCK = 0.95  # of the first loss
_HALF_LEARNT = 0.5  # likewise
_ENOUGH_STEPS = 20  # before that, a loss says little

_NO_GRADIENTS = {"dead_relu", "saturated", "vanishing_gradient"}

Found = Mapping[str, Finding]


def no_gradient(evidence: Evidence, found: Found) -> Finding | None:
    """Find layers all of whose gradients are 0."""
    late = [event for event in evidence.recent if event.step > 1]
    silent: dict[str, bool] = {}
    for event in late:
        for name, norm in event.gradient_norm.items():
            layer = layer_of(name)
            silent[layer] = silent.get(layer, True) and norm == 0
    layers = tuple(layer for layer, nothing in silent.items() if nothing)
    if not layers or _all_dead(evidence):
        return None
    return Finding(
        kind="no_gradient",
        severity="warn",
        words=f"No gradient reaches {listed(layers)}, so nothing is learnt there.",
        evidence=f"gradient norm 0 at {evidence.steps}",
        remedy="Use its output in the model's forward pass, without detach() or stop_gradient; if "
        f'it is to stay as it is, type: freeze=["{layers[0]}"]',
        where=layers,
    )


def dead_relu(evidence: Evidence, found: Found) -> Finding | None:
    """Find ReLUs most of whose units put out 0 for every example."""
    rows = int(evidence.run.settings.get("batch", 32))
    dead = {}
    for name, values in evidence.activations.items():
        if _function(name) not in ("relu", "relu6"):
            continue
        share = values["dead"]
        awake = (values["zero"] - share) / max(1 - share, 1e-9)  # zeros among the other units
        by_chance = awake**rows  # that such a unit is silent for one batch
        if share > _DEAD_ALL or (share > _DEAD and by_chance < _DEAD / 2):
            dead[name] = share
    if not dead:
        return None
    worst = max(dead, key=lambda name: dead[name])
    return Finding(
        kind="dead_relu",
        severity="bad" if dead[worst] > _DEAD_ALL else "warn",
        words=f"Most ReLUs after {listed(map(layer_of, dead))} are dead: they put out 0 for "
        "every example, and nothing is learnt through them.",
        evidence=f"{dead[worst]:.0%} of the units of {worst} are 0 for a whole batch, "
        f"{evidence.steps}",
        remedy='Use a function that is nowhere flat. Type: mb.Dense(64, "leaky_relu")',
        where=tuple(dict.fromkeys(map(layer_of, dead))),
    )


def saturated(evidence: Evidence, found: Found) -> Finding | None:
    """Find tanh and sigmoid at the flat ends of their range, the answer itself apart."""
    flat = {
        name: values["saturated"]
        for name, values in evidence.activations.items()
        if _function(name) in ("tanh", "sigmoid")
        and values["saturated"] > _SATURATED
        and layer_of(name) != evidence.last_layer  # an answer may be sure of itself
    }
    if not flat:
        return None
    worst = max(flat, key=lambda name: flat[name])
    return Finding(
        kind="saturated",
        severity="warn",
        words=f"{_function(worst)} after {listed(map(layer_of, flat))} is saturated: where it is "
        "flat, hardly any gradient comes through.",
        evidence=f"{flat[worst]:.0%} of the values of {worst} are at the ends of its range, "
        f"{evidence.steps}",
        remedy=scaled_inputs(evidence)
        or 'Give the layer smaller weights to begin with, or type: mb.Dense(64, "relu")',
        where=tuple(dict.fromkeys(map(layer_of, flat))),
    )


def vanishing_gradient(evidence: Evidence, found: Found) -> Finding | None:
    """Find layers with a gradient that is tiny beside that of another one."""
    norms = _layer_norms(evidence)
    if len(norms) < 2 or not math.isfinite(largest := max(norms.values())):
        return None
    low = {layer: norm for layer, norm in norms.items() if 0 < norm < _VANISHED * largest}
    if not low or largest > _EXPLODED:
        return None
    strongest = max(norms, key=lambda layer: norms[layer])
    least = min(low, key=lambda layer: low[layer])
    squashing = {"sigmoid", "tanh"} & {_function(name) for name in evidence.activations}
    return Finding(
        kind="vanishing_gradient",
        severity="bad",
        words=f"The gradient all but vanishes on its way to {listed(low)}.",
        evidence=f"gradient norm {shown(low[least])} in {least}, {shown(largest)} in {strongest}, "
        f"{evidence.steps}",
        remedy=(
            f'Use relu in place of {listed(sorted(squashing))}. Type: mb.Dense(64, "relu")'
            if squashing
            else "Build the model with fewer layers, or add each layer's input to its output."
        ),
        where=tuple(low),
    )


def exploding_gradient(evidence: Evidence, found: Found) -> Finding | None:
    """Find a gradient that is out of all proportion to the loss."""
    totals = [_total(event.gradient_norm) for event in evidence.measured]
    if not totals or evidence.run.settings.get("clip") or "diverged" in found:
        return None
    place = int(np.argmax(np.nan_to_num(totals, nan=np.inf)))
    scale = 1.0
    if evidence.run.task.kind == "regression" and len(evidence.losses):
        scale += math.sqrt(max(float(evidence.losses.max()), 0.0))
    if totals[place] < _EXPLODED * scale:
        return None
    event = evidence.measured[place]
    largest = max(event.gradient_norm, key=lambda name: event.gradient_norm[name])
    return Finding(
        kind="exploding_gradient",
        severity="bad" if not totals[place] < 10 * _EXPLODED * scale else "warn",
        words=f"The gradient explodes, most of all in {layer_of(largest)}.",
        evidence=f"gradient norm {shown(totals[place])} at step {event.step}, "
        f"{shown(event.gradient_norm[largest])} of it in {largest}",
        remedy=scaled_inputs(evidence)
        or "Clip it. Type: mb.train(net, data, clip=1.0), or give the layers smaller weights "
        "to begin with.",
        where=(layer_of(largest),),
    )


def lr_too_high(evidence: Evidence, found: Found) -> Finding | None:
    """Find large updates with a loss that rises, jumps or stands still."""
    ratios = [each for each in evidence.ratios.values() if math.isfinite(each)]
    if not ratios:
        return None
    ratio, course = float(np.median(ratios)), _course(evidence, found)
    troubled = bool(course) or "diverged" in found
    wild = ratio > _WILD_RATIO or (evidence.largest_ratio or 0.0) > _ALL_OF_IT
    large = ratio > (_NOT_SMALL if course == "rises" else HEALTHY_RATIOS[1])
    if not (wild or (large and troubled)):
        return None
    does = f"the loss {course}." if course else "each step throws the weights about."
    most = max(ratio, evidence.largest_ratio or 0.0)
    return Finding(
        kind="lr_too_high",
        severity="bad" if troubled else "warn",
        words=f"The learning rate is too high: {does}",
        evidence=f"{_of_updates(evidence, ratio)}; the largest update / weight was {shown(most)}",
        remedy=smaller_rate(evidence),
    )


def lr_too_low(evidence: Evidence, found: Found) -> Finding | None:
    """Find updates that are too small to learn anything."""
    ratio = evidence.typical_ratio
    causes = {"vanishing_gradient", "exploding_gradient", "dead_relu"} & found.keys()
    learnt = evidence.last_loss < _HALF_LEARNT * evidence.first_loss
    if ratio is None or ratio >= HEALTHY_RATIOS[0] or learnt or causes:
        return None
    return Finding(
        kind="lr_too_low",
        severity="warn",
        words="The learning rate is too low: the weights hardly move.",
        evidence=_of_updates(evidence, ratio),
        remedy=larger_rate(evidence),
    )


def _of_updates(evidence: Evidence, ratio: float) -> str:
    low, high = HEALTHY_RATIOS
    return (
        f"update / weight {shown(ratio)} (healthy: {low:g} to {high:g}), {evidence.steps}; "
        f"loss {shown(evidence.first_loss)} -> {shown(evidence.last_loss)}"
    )


def _function(activation: str) -> str:
    """Return the name of an activation's function: `relu` of `dense1.relu-2`."""
    return activation.rpartition(".")[2].partition("-")[0]


def _layer_norms(evidence: Evidence) -> dict[str, float]:
    """Return the largest gradient norm of each layer's weights, of those that get any."""
    found: dict[str, float] = {}
    for name in evidence.weights:
        norm = evidence.norms[name]
        if norm > 0:
            found[layer_of(name)] = max(norm, found.get(layer_of(name), 0.0))
    return found


def _total(norms: Mapping[str, float]) -> float:
    return math.sqrt(sum(norm**2 for norm in norms.values()))


def _all_dead(evidence: Evidence) -> bool:
    return any(values.get("dead", 0) > _DEAD_ALL for values in evidence.activations.values())


def _course(evidence: Evidence, found: Found) -> str:
    """Say in words what is wrong with the course of the loss; nothing for one that behaves."""
    losses = evidence.losses
    if len(losses) < _ENOUGH_STEPS:
        return ""
    first = max(evidence.first_loss, 1e-12)
    parts = np.array_split(losses, _PARTS)
    means = np.array([part.mean() for part in parts])
    risen, lowest = float(means[-1] - means.min()), float(means.min())
    unsure = _SURELY * float(parts[-1].std()) / math.sqrt(len(parts[-1]))
    if risen > max(_RISEN * first, _RISEN_AGAIN * lowest, unsure):
        return "rises"
    batch = int(evidence.run.settings.get("batch", 32))
    noise = float(np.diff(losses[len(losses) // 2 :]).std() / math.sqrt(2) / first)
    if noise > max(_NOISE, _NOISE_OF_ONE / math.sqrt(batch)):
        return "jumps up and down"
    stuck = evidence.last_loss >= _STUCK * evidence.first_loss
    return "does not fall" if stuck and not _NO_GRADIENTS & found.keys() else ""
