"""The verb `train`: check what was asked, make the run, and start its thread."""

import dataclasses
import functools
import hashlib
import inspect
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from platform import platform, python_version
from typing import Any, Literal

from maasnb.backends import backend_of
from maasnb.backends.protocol import Backend
from maasnb.datasets.loading import Data
from maasnb.errors import OptionError
from maasnb.events import Event
from maasnb.parts import taken
from maasnb.records.observing import observers_told, occupy, release
from maasnb.records.run import Run
from maasnb.settings import VERSION
from maasnb.sourcecode import code_of
from maasnb.training.forking import fork_run
from maasnb.training.loop import Loop
from maasnb.training.opening import Opening, plain, resumed
from maasnb.training.options import Options, Plan, make_plan
from maasnb.training.stopping import EarlyStop

__all__ = ["start", "train"]

_NO_OPTIONS = {"model", "data", "name", "wait", "resume", "on_event"}  # of the handling alone


def train(
    model: Any,  # noqa: ANN401 - a native module of any framework
    data: Data,
    *,
    epochs: int = 10,
    steps: int | None = None,
    batch: int = 32,
    optimizer: str | Any = "adam",  # noqa: ANN401 - or the library's own object
    lr: float | None = None,
    schedule: str | Callable[[int], float] = "constant",
    warmup: float = 0,
    loss: str | Callable[[Any, Any], Any] = "auto",
    class_weights: str | Mapping[Any, float] | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    weight_decay: float | None = None,
    clip: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    precision: Literal["float32", "bfloat16"] = "float32",
    freeze: Sequence[str] = (),
    stop: EarlyStop | int | None = None,
    target: float | Mapping[str, float] | None = None,
    restore_best: bool | None = None,
    validate_every: int | str = "1 epoch",
    record: Literal["full", "light", "off"] = "full",
    compile: bool = False,  # noqa: A002 - torch's own word
    seed: int = 0,
    name: str | None = None,
    device: str | None = None,
    wait: bool = True,
    checkpoint_s: float = 30.0,
    checkpoint_steps: int | None = None,
    resume: str | None = None,
    on_event: Callable[[Event, Run], object] | None = None,
) -> Run:
    """Train a model on data, in place, and record the run.

    Args:
        model: a torch.nn.Module or a flax nnx.Module, of `mb.build` or of your own.
        data: what `mb.data` returned.
        epochs: how many passes over the training split.
        steps: how many steps in all, in place of epochs; a stream without a length needs it.
        batch: how many examples a step, or a part of one with accumulate; streams bring their own.
        optimizer: a name, a class or a factory of torch.optim, or an optax transformation.
        lr: the learning rate, 0.001 by default; an optimizer object brings its own.
        schedule: how lr changes: constant, cosine, linear, onecycle, or a function step -> factor.
        warmup: steps, or a fraction of all steps, in which lr rises from near 0.
        loss: a name, by default what suits model and data ("model" for a loss that the model
            returns when it is given targets), or a function (outputs, targets) -> loss.
        class_weights: what an example of a class counts: "balanced", or a dictionary.
        l1: a penalty of l1 * sum(|w|) over weights, not over biases.
        l2: a penalty of l2 * sum(w ** 2) over weights, not over biases.
        weight_decay: how much of lr each parameter shrinks by; adamw has 0.01 by default.
        clip: the norm that the gradient of all parameters together is cut down to.
        clip_value: the size that every number of a gradient is cut down to, before clip.
        accumulate: how many batches make one step, one after the other, to save memory.
        precision: float32, or bfloat16 for the computation of training steps.
        freeze: names or patterns of parameters and layers that stay as they are.
        stop: mb.EarlyStop(metric, patience), or its patience alone.
        target: a value of the first metric, or {metric: value}, at which the run stops.
        restore_best: whether to end with the best state; by default with stop only.
        validate_every: a number of steps, or of epochs as "2 epochs".
        record: what is measured beside the loss: full, light (norms of gradients and updates
            alone), or off; no weight depends on it.
        compile: whether torch compiles the model, which takes a while; JAX always compiles.
        seed: fixes the order of the examples and every random number of the training.
        name: what to call the run; by default the data's and the backend's names.
        device: where to train, as `%maas devices` lists them; by default the best there is.
        wait: whether to return only when the run has ended; False trains in the background.
        checkpoint_s: how many seconds pass between two checkpoints; there is always one at the end.
        checkpoint_steps: how many steps pass between two checkpoints, in place of seconds.
        resume: the name of a run that was stopped or whose kernel was killed; it goes on, with its
            own options, from its newest checkpoint.
        on_event: a function called with each event and the run, which it may steer.

    Returns:
        The run: its history, and the handle to steer it.

    Raises:
        ModelError: the model is none, or is being trained already.
        ShapeError: the model does not fit the data.
        OptionError: an option has a value that cannot be used.
        DivergedError: a loss became NaN or infinite; the model holds its last good state.
    """
    options = {key: value for key, value in locals().items() if key not in _NO_OPTIONS}
    opening = Opening()
    if resume is not None:
        options, opening = resumed(resume, options, _defaults())
    run = start(model, data, opening, name=name, on_event=on_event, options=options)
    return run.wait().result() if wait else run


def start(
    model: Any,  # noqa: ANN401 - a native module of any framework
    data: Data,
    opening: Opening,
    *,
    name: str | None,
    on_event: Callable[[Event, Run], object] | None,
    options: Mapping[str, Any],
) -> Run:
    """Start a run in its thread, with the options of `train`."""
    backend = backend_of(model)
    _check_interval(options["checkpoint_s"], options["checkpoint_steps"])
    fields = dataclasses.fields(Options)
    plan = make_plan(
        Options(**{field.name: options[field.name] for field in fields}), backend, model, data
    )
    program = backend.compile(
        model,
        plan.task,
        plan.optimizer,
        inputs=taken(data.train.inputs, slice(0, 2)),
        targets=taken(data.train.targets, slice(0, 2)),
        batch=plan.batches.batch,
        ragged=plan.batches.ragged or data.stream is not None,
        device=options["device"],
        rule=plan.rule,
    )
    settings = {**plan.settings, "mode": program.mode}
    occupy(model)
    try:
        run = _make_run(
            name, model, backend, data, plan, settings, opening, options, program.device
        )
        if on_event is not None:
            run.subscribe(on_event)
        complaints = [*observers_told(run), *_moved(run, program.device)]
        loop = Loop(
            run,
            program,
            plan,
            beginning=opening.beginning,
            checkpoint_s=options["checkpoint_s"],
            checkpoint_steps=options["checkpoint_steps"],
        )
        threading.Thread(
            target=loop.run_through, args=(complaints,), name=f"maasnb {run.name}", daemon=True
        ).start()
    except BaseException:
        release(model)
        raise
    return run


def _make_run(
    name: str | None,
    model: object,
    backend: Backend,
    data: Data,
    plan: Plan,
    settings: Mapping[str, Any],
    opening: Opening,
    options: Mapping[str, Any],
    device: str,
) -> Run:
    """Open the run's folder and make its handle."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", data.name).strip("-._")[:48] or "data"
    environment, code = _environment(backend), code_of(model)
    parameters = backend.parameters(model)
    summary = {
        "backend": backend.name,
        "model": type(model).__name__,
        "parameters": sum(info.count for info in parameters),
        "shapes": {info.name: list(info.shape) for info in parameters},
        "structure": hashlib.sha256(backend.structure(model).encode()).hexdigest()[:16],
        "task": plan.task.to_json(),
        "settings": dict(settings),
        "options": {key: plain(value) for key, value in options.items()},
        "data": {"name": data.name, "fingerprint": data.fingerprint, "seed": data.seed},
        "device": device,
        "environment": environment,
        "code": code,
        "first": opening.beginning.first,
        **({"origin": opening.origin} if opening.origin else {}),
    }
    run = Run(
        opening.record(name or f"{readable}-{backend.name}", summary),
        model=model,
        backend=backend,
        data=data,
        task=plan.task,
        settings=settings,
        environment=environment,
        code=code,
        epochs=plan.epochs,
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=plan.steps,
        options=options,
        origin=opening.origin,
        forker=functools.partial(fork_run, start),
    )
    run.begin_at(opening.beginning.step, opening.seconds, opening.events())
    return run


def _moved(run: Run, device: str) -> list[str]:
    """Return a warning where a run goes on on another device than it began on."""
    before = run.record.summary.get("device", device)
    if before == device:
        return []
    return [
        f"The run began on {before} and goes on on {device}, so the last digits of its numbers may "
        "differ from those of a run that stayed."
    ]


def _defaults() -> dict[str, Any]:
    parameters = inspect.signature(train).parameters.values()
    return {each.name: each.default for each in parameters if each.name not in _NO_OPTIONS}


def _check_interval(seconds: float, steps: int | None) -> None:
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        message = (
            f"checkpoint_steps={steps!r} cannot be used; expected a whole number of at least 1. "
            "Type: checkpoint_steps=500"
        )
        raise OptionError(message)
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not seconds > 0:
        message = (
            f"checkpoint_s={seconds!r} cannot be used; expected a positive number of seconds. "
            "Type: checkpoint_s=30"
        )
        raise OptionError(message)


def _environment(backend: Backend) -> dict[str, str]:
    return {
        "maasnb": VERSION,
        backend.name: backend.version(),
        "numpy": metadata.version("numpy"),
        "python": python_version(),
        "platform": platform(terse=True),
    }
