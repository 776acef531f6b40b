"""The question at which learning rate a model learns: steps with growing ones, and what they did.

The learning-rate range test of Smith (2017): the loss falls, is lowest, and rises when steps become
too large. A tenth of the learning rate of the lowest loss is a good one to begin with.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from maasnb.backends import backend_of
from maasnb.backends.protocol import Program
from maasnb.datasets.batches import Batches
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, OptionError
from maasnb.matching import match_task
from maasnb.parts import taken
from maasnb.records.observing import occupy, release
from maasnb.rules import Rule
from maasnb.study.reports import Report
from maasnb.tasks import make_optimizer

__all__ = ["find_lr"]

Array = np.ndarray[Any, np.dtype[Any]]

_CHUNK = 10  # steps between two looks at the loss
_MEMORY = 0.9  # of the running mean of the losses
_RISEN = 4.0  # a mean this many times its lowest is on its way to infinity
_ROWS = 9


def find_lr(
    model: Any,  # noqa: ANN401 - a native module of any framework
    data: Data,
    *,
    batch: int = 32,
    optimizer: str | Any = "adam",  # noqa: ANN401 - or a class of the library's own
    loss: str | Callable[[Any, Any], Any] = "auto",
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    seed: int = 0,
    device: str | None = None,
) -> Report:
    """Try growing learning rates, and say which one to begin with; the model is left as it was.

    Args:
        model: a torch.nn.Module or a flax nnx.Module.
        data: what `mb.data` returned.
        batch: how many examples a step.
        optimizer: a name, or a class of torch.optim.
        loss: a name, or a function (outputs, targets) -> loss.
        low: the learning rate of the first step.
        high: the learning rate of the last step, unless the loss rises before.
        steps: how many steps from low to high.
        seed: fixes the order of the examples and every random number.
        device: where to compute; by default the best there is.

    Returns:
        The report: `report["lr"]` is the learning rate to begin with, `report.data` the curve.

    Raises:
        OptionError: an option has a value that cannot be used.
        ModelError: the model is none, or is being trained by a run.
    """
    _check(data, low, high, steps, batch)
    chosen = make_optimizer(optimizer)
    if chosen.brings_rate:
        message = (
            f"The optimizer {chosen.name} brings a learning rate of its own; find_lr needs a name "
            'or a class. Type: mb.find_lr(model, data, optimizer="adam")'
        )
        raise OptionError(message)
    backend = backend_of(model)
    task = match_task(backend, model, data, loss)
    batches = Batches(size=len(data.train), batch=batch, seed=seed)
    rule = Rule(loss=loss if callable(loss) else None)
    occupy(model)
    try:
        program = backend.compile(
            model,
            task,
            chosen,
            inputs=taken(data.train.inputs, slice(0, 2)),
            targets=taken(data.train.targets, slice(0, 2)),
            batch=batch,
            ragged=batches.ragged,
            device=device,
            rule=rule,
        )
        rates = np.geomspace(low, high, steps)
        losses = _losses(program, data, batches, rates)
    finally:
        release(model)
    return _report(data, rates[: len(losses)], losses, steps)


def _losses(program: Program, data: Data, batches: Batches, rates: Array) -> Array:
    """Take a step with each learning rate until the loss has risen, then restore the model."""
    state = program.init(batches.seed)
    before = program.keep(state)
    placed = program.place(data.train.inputs, data.train.targets)
    losses: list[float] = []
    try:
        for first in range(0, len(rates), _CHUNK):
            some = rates[first : first + _CHUNK]
            state, found = program.chunk(state, placed, batches.rows(first, len(some)), some)
            losses += program.host(found).means.tolist()
            mean = _smoothed(np.array(losses))
            if not mean[-1] <= _RISEN * mean.min():  # NaN is not either
                break
    finally:
        program.update(program.revert(before))
    bad = [number for number, loss in enumerate(losses) if not math.isfinite(loss)]
    return np.array(losses[: bad[0]] if bad else losses)


def _smoothed(losses: Array) -> Array:
    """Return the running mean, in which the first losses count no more than others."""
    mean, found = 0.0, []
    for number, loss in enumerate(losses, 1):
        mean = _MEMORY * mean + (1 - _MEMORY) * loss
        found.append(mean / (1 - _MEMORY**number))
    return np.array(found)


def _report(data: Data, rates: Array, losses: Array, steps: int) -> Report:
    if not len(losses):
        message = "The loss of the model is not finite before the first step; look at its weights."
        raise DataError(message)
    mean = _smoothed(losses)
    lowest = int(mean.argmin())
    lr = float(f"{rates[lowest] / 10:.1e}")
    notes = [f"Try lr={lr:g}: a tenth of the learning rate with the lowest loss."]
    if lowest == 0:
        notes = ["The loss did not fall at any learning rate: look at the data and at the loss."]
    elif lowest == steps - 1:
        notes.append("The loss was still falling at the end: try a larger high=.")
    shown = np.unique(np.linspace(0, len(rates) - 1, _ROWS).round().astype(int))
    return Report(
        kind="find_lr",
        title=f"Loss by learning rate on {data.name}",
        columns=("learning rate", "loss"),
        rows=[(f"{rates[place]:.1e}", f"{mean[place]:.4g}") for place in shown],
        notes=notes,
        values={"lr": lr, "lowest": float(rates[lowest]), "loss": float(mean[lowest])},
        data={"lr": rates, "loss": losses, "smoothed": mean},
    )


def _check(data: object, low: float, high: float, steps: int, batch: int) -> None:
    if not isinstance(data, Data):
        message = (
            f"The data is a {type(data).__name__}; expected what mb.data returns. "
            "Type: data = mb.data(x, y)"
        )
        raise DataError(message)
    for name, value, least in (("steps", steps, 2), ("batch", batch, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            message = f"{name}={value!r} cannot be used; expected at least {least}."
            raise OptionError(message)
    if not 0 < low < high < math.inf:
        message = (
            f"low={low!r} and high={high!r} cannot be used; expected positive numbers, the lower "
            "one first. Type: low=1e-6, high=10"
        )
        raise OptionError(message)
