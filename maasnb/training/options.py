"""What `train` was asked for: every option checked, and turned into the parts of a run."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maasnb.backends.protocol import Backend
from maasnb.building import check_tokens
from maasnb.datasets.batches import Batches
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, OptionError, unknown_name
from maasnb.matching import match_task
from maasnb.rules import PRECISIONS, Rule, balanced, matching
from maasnb.schedules import Schedule, make_schedule
from maasnb.tasks import Optimizer, Task, make_optimizer
from maasnb.training.stopping import EarlyStop, Watch, check_metric, make_target

__all__ = ["LR", "RECORDS", "Options", "Plan", "make_plan"]

RECORDS = ("full", "light", "off")
"""What is measured beside the loss: all, norms of gradients and updates alone, or nothing."""
LR = 1e-3
"""The learning rate of optimizers by name: torch's and optax's own for Adam."""
_EVERY = re.compile(r"\s*(\d+)\s*(steps?|epochs?)?\s*")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hold the options of `train` that shape the training, as they were given."""

    epochs: int
    steps: int | None
    batch: int
    optimizer: Any
    lr: float | None
    schedule: str | Callable[[int], float]
    warmup: float
    loss: Any
    class_weights: str | Mapping[Any, float] | None
    l1: float
    l2: float
    weight_decay: float | None
    clip: float | None
    clip_value: float | None
    accumulate: int
    precision: str
    freeze: Sequence[str]
    stop: EarlyStop | int | None
    target: float | Mapping[str, float] | None
    restore_best: bool | None
    validate_every: int | str
    record: str
    compile: bool
    seed: int

    def check(self) -> None:
        """Refuse values that no model and no data could make good.

        Raises:
            OptionError: with what was expected.
            UnknownNameError: there is no such precision.
        """
        for name in ("epochs", "batch", "accumulate"):
            _check_whole(name, getattr(self, name))
        if self.steps is not None:
            _check_whole("steps", self.steps)
        for name in ("lr", "clip", "clip_value"):
            _check_number(name, getattr(self, name), "a positive number", zero=False)
        for name in ("l1", "l2", "weight_decay"):
            _check_number(name, getattr(self, name), "0 or a positive number", zero=True)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise _unfitting("seed", self.seed, "a whole number from 0 up to 2**32 - 1")
        if not 0 <= self.seed < 2**32:
            raise _unfitting("seed", self.seed, "a whole number from 0 up to 2**32 - 1")
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", str(self.precision), PRECISIONS)
        if self.record not in RECORDS:
            raise unknown_name("level of record", str(self.record), RECORDS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold the parts that a run is made of.

    Attributes:
        task: what the model is trained for.
        optimizer: the optimiser.
        rule: what a step does with losses and gradients.
        batches: which rows make which batch; of a stream only the size of a batch.
        epochs: how many passes over the data.
        steps_per_epoch: how many steps make one pass.
        steps: how many steps the run takes in all.
        schedule: the factor on the learning rate of each step.
        lr: the learning rate before the schedule.
        clip: the norm to clip gradients at; None for no clipping.
        watch: what ends the run early.
        record: what is measured beside the loss, one of `RECORDS`.
        validate_every: how many steps there are from one validation to the next.
        settings: all of it, as `run.json` has it.
    """

    task: Task
    optimizer: Optimizer
    rule: Rule
    batches: Batches
    epochs: int
    steps_per_epoch: int
    steps: int
    schedule: Schedule
    lr: float
    clip: float | None
    watch: Watch
    record: str
    validate_every: int
    settings: dict[str, Any]


def make_plan(options: Options, backend: Backend, model: Any, data: Data) -> Plan:  # noqa: ANN401 - a native module of any framework
    """Check the options against the model and the data.

    Raises:
        OptionError: an option has a value that cannot be used.
        UnknownNameError: an option names what there is not.
        ShapeError: the model does not fit the data.
    """
    if not isinstance(data, Data):
        message = (
            f"The data is a {type(data).__name__}; expected what mb.data returns. "
            "Type: data = mb.data(x, y)"
        )
        raise DataError(message)
    spec = backend.spec(model)
    if spec is not None:
        check_tokens(spec, data)
    options.check()
    task = match_task(backend, model, data, options.loss)
    optimizer = make_optimizer(options.optimizer, options.weight_decay)
    lr = _learning_rate(options.lr, optimizer)
    rule = _rule(options, backend, model, data)
    batches = Batches(
        size=len(data.train), batch=options.batch * options.accumulate, seed=options.seed
    )
    epochs, per_epoch, steps = _lengths(options, data, batches)
    schedule = make_schedule(options.schedule, options.warmup, steps)
    every = _validate_every(options.validate_every, per_epoch)
    watch, watched = _watch(options, task, data)
    settings = {
        "epochs": epochs,
        "steps": steps,
        "batch": options.batch,
        "optimizer": optimizer.to_json(),
        "lr": lr,
        "schedule": schedule.to_json(),
        "loss": task.loss if rule.loss is None else _name(rule.loss),
        "seed": options.seed,
        "clip": options.clip,
        "validate_every": every,
        "record": options.record,
        "augment": [step.to_json() for step in data.augment] or None,
        **_rule_json(rule),
        **watched,
    }
    return Plan(
        task=task,
        optimizer=optimizer,
        rule=rule,
        batches=batches,
        epochs=epochs,
        steps_per_epoch=per_epoch,
        steps=steps,
        schedule=schedule,
        lr=lr,
        clip=options.clip,
        watch=watch,
        record=options.record,
        validate_every=every,
        settings=settings,
    )


def _lengths(options: Options, data: Data, batches: Batches) -> tuple[int, int, int]:
    """Return how many epochs a run has, how many steps one has, and how many there are in all."""
    per_epoch: int | None = batches.steps_per_epoch
    if data.stream is not None:
        length = data.stream.length(options.batch)
        per_epoch = None if length is None else -(-length // options.accumulate)
    if per_epoch == 0:
        message = "The stream says that it has no batch; expected at least one."
        raise DataError(message)
    if per_epoch is None and options.steps is None:
        message = (
            "This stream does not say how many batches it has, so the run has no end. "
            "Type: mb.train(model, data, steps=1000)"
        )
        raise OptionError(message)
    if options.steps is None:
        assert per_epoch is not None
        return options.epochs, per_epoch, options.epochs * per_epoch
    per_epoch = per_epoch or options.steps
    return -(-options.steps // per_epoch), per_epoch, options.steps


def _learning_rate(lr: float | None, optimizer: Optimizer) -> float:
    """Return the learning rate, or 1 as the factor on that of an object of the user's own."""
    if not optimizer.brings_rate:
        return LR if lr is None else float(lr)
    if lr is not None:
        message = (
            f"lr={lr!r} cannot be used: the optimizer {optimizer.name} brings a learning rate of "
            "its own. Give it there, and leave lr= out."
        )
        raise OptionError(message)
    return 1.0


def _rule(options: Options, backend: Backend, model: Any, data: Data) -> Rule:  # noqa: ANN401 - likewise
    freeze = options.freeze
    patterns = (freeze,) if isinstance(freeze, str) else tuple(freeze)
    names = [info.name for info in backend.parameters(model)]
    return Rule(
        l1=float(options.l1),
        l2=float(options.l2),
        clip_value=options.clip_value,
        accumulate=options.accumulate,
        precision="bfloat16" if options.precision == "bfloat16" else "float32",
        frozen=matching(patterns, names) if patterns else (),
        class_weights=_class_weights(options.class_weights, data),
        compile=bool(options.compile),
        loss=options.loss if callable(options.loss) else None,
    )


def _rule_json(rule: Rule) -> dict[str, Any]:
    settings = {**dataclasses.asdict(rule), "frozen": list(rule.frozen)}
    settings["class_weights"] = list(rule.class_weights)
    del settings["loss"]
    return settings


def _class_weights(given: str | Mapping[Any, float] | None, data: Data) -> tuple[float, ...]:
    """Return what an example of each class counts, in the classes' order."""
    if given is None and data.balance == "weights":
        given = "balanced"
    if given is None:
        return ()
    if data.kind != "classification":
        message = (
            f"class_weights= is for classification, but the data is {data.kind}; leave it out."
        )
        raise OptionError(message)
    if data.positions or not data.labels:
        what = "classes at each position" if data.positions else "a stream without labels="
        message = f"class_weights= cannot be used with {what}; leave it out."
        raise OptionError(message)
    if given == "balanced":
        return _balanced(data)
    if not isinstance(given, Mapping):
        raise _unfitting("class_weights", given, "'balanced' or a dictionary from class to weight")
    weights = dict.fromkeys(data.labels, 1.0)
    for label, weight in given.items():
        if str(label) not in weights:
            raise unknown_name("class", str(label), weights)
        _check_number("class_weights", weight, "0 or a positive number for each class", zero=True)
        weights[str(label)] = float(weight)
    if not any(weights.values()):
        raise _unfitting("class_weights", given, "a positive number for at least one class")
    return tuple(weights.values())


def _balanced(data: Data) -> tuple[float, ...]:
    if data.class_counts is None:
        message = (
            'class_weights="balanced" cannot be used with a stream, whose classes are not known '
            'beforehand. Type: class_weights={"rare": 10}, or write it as shards, which are '
            'counted: mb.data(data.to_shards("shards"))'
        )
        raise OptionError(message)
    return balanced(data.class_counts)


def _validate_every(given: int | str, per_epoch: int) -> int:
    """Return how many steps there are from one validation to the next."""
    found = _EVERY.fullmatch(str(given))
    if isinstance(given, bool) or found is None or int(found[1]) < 1:
        expected = "a number of steps, or of epochs as '2 epochs'"
        raise _unfitting("validate_every", given, expected)
    return int(found[1]) * (per_epoch if (found[2] or "").startswith("epoch") else 1)


def _watch(options: Options, task: Task, data: Data) -> tuple[Watch, dict[str, Any]]:
    """Return what ends the run early, and the same as JSON data."""
    stop = options.stop
    if isinstance(stop, int) and not isinstance(stop, bool):
        stop = EarlyStop(patience=stop)
    if stop is not None and not isinstance(stop, EarlyStop):
        raise _unfitting("stop", stop, "mb.EarlyStop(...) or its patience")
    if stop is not None:
        check_metric(stop.metric, task.metrics)
    target = make_target(options.target, task)
    restores = stop is not None if options.restore_best is None else bool(options.restore_best)
    if (stop or target or restores) and not len(data.validation):
        message = (
            "stop=, target= and restore_best= need a validation split, and this data has none. "
            "Type: data = mb.data(x, y, split=(0.8, 0.1, 0.1))"
        )
        raise OptionError(message)
    settings = {
        "stop": None if stop is None else dataclasses.asdict(stop),
        "target": None if target is None else {target[0]: target[1]},
        "restore_best": restores,
    }
    return Watch(stop, target, restores=restores), settings


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _unfitting(name: str, value: object, expected: str) -> OptionError:
    return OptionError(f"{name}={value!r} cannot be used; expected {expected}.")


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _unfitting(name, value, "a whole number of at least 1")


def _check_number(name: str, value: Any, expected: str, *, zero: bool) -> None:  # noqa: ANN401 - whatever was given
    """Refuse what is no finite number above 0; `zero` allows 0, and None is no value at all."""
    if value is None:
        return
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not (0 <= value < math.inf) or (value == 0 and not zero):
        raise _unfitting(name, value, expected)
