"""The verb `train`: check what was asked, make the run, and start its thread."""

import functools
import hashlib
import inspect
import math
import re
import threading
from collections.abc import Callable, Mapping
from importlib import metadata
from platform import platform, python_version
from typing import Any

from maasnb.backends import backend_of
from maasnb.backends.protocol import Backend
from maasnb.datasets.batches import Batches
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, OptionError
from maasnb.events import Event, read
from maasnb.records.observing import observers_told, occupy, release
from maasnb.records.run import Run
from maasnb.settings import VERSION
from maasnb.tasks import Task, make_optimizer, make_task
from maasnb.training.forking import fork_run
from maasnb.training.loop import Loop
from maasnb.training.opening import Opening, plain, resumed

__all__ = ["start", "train"]

_NO_OPTIONS = {"model", "data", "name", "wait", "resume", "on_event"}  # of the handling alone


def train(
    model: Any,  # noqa: ANN401 - a native module of any framework
    data: Data,
    *,
    epochs: int = 10,
    batch: int = 32,
    optimizer: str = "adam",
    lr: float = 1e-3,
    loss: str = "auto",
    seed: int = 0,
    name: str | None = None,
    device: str | None = None,
    wait: bool = True,
    checkpoint_s: float = 30.0,
    resume: str | None = None,
    on_event: Callable[[Event, Run], object] | None = None,
) -> Run:
    """Train a model on data, in place, and record the run.

    Args:
        model: a torch.nn.Module or a flax nnx.Module, of `mb.build` or of your own.
        data: what `mb.data` returned.
        epochs: how many passes over the training split.
        batch: how many examples a step.
        optimizer: adam, adamw, momentum, rmsprop or sgd.
        lr: the learning rate.
        loss: cross_entropy, binary_cross_entropy, mse or mae; by default what suits the data.
        seed: fixes the order of the examples and every random number of the training.
        name: what to call the run; by default the data's and the backend's names.
        device: where to train, as `%maas devices` lists them; by default the best there is.
        wait: whether to return only when the run has ended; False trains in the background.
        checkpoint_s: how many seconds pass between two checkpoints; there is always one at the end.
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
    _check(data, **{each: options[each] for each in ("epochs", "batch", "lr", "seed")})
    _check_interval(options["checkpoint_s"])
    examples = data.train.inputs[:2]
    task = make_task(
        kind=data.kind,
        labels=data.labels,
        targets=data.target_width,
        output_shape=backend.output_shape(model, examples),
        final_activation=backend.final_activation(model),
        loss=options["loss"],
    )
    rule = make_optimizer(options["optimizer"])
    batches = Batches(size=len(data.train), batch=options["batch"], seed=options["seed"])
    program = backend.compile(
        model, task, rule, inputs=examples, ragged=batches.ragged, device=options["device"]
    )
    settings = {
        "epochs": options["epochs"],
        "batch": options["batch"],
        "optimizer": rule.to_json(),
        "lr": options["lr"],
        "loss": task.loss,
        "seed": options["seed"],
        "mode": program.mode,
    }
    occupy(model)
    try:
        run = _make_run(name, model, backend, data, task, settings, batches, opening, options)
        if on_event is not None:
            run.subscribe(on_event)
        complaints = list(observers_told(run))
        loop = Loop(
            run,
            program,
            batches,
            options["lr"],
            beginning=opening.beginning,
            checkpoint_s=options["checkpoint_s"],
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
    task: Task,
    settings: Mapping[str, Any],
    batches: Batches,
    opening: Opening,
    options: Mapping[str, Any],
) -> Run:
    """Open the run's folder and make its handle."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", data.name).strip("-._")[:48] or "data"
    environment = _environment(backend)
    parameters = backend.parameters(model)
    summary = {
        "backend": backend.name,
        "model": type(model).__name__,
        "parameters": sum(info.count for info in parameters),
        "shapes": {info.name: list(info.shape) for info in parameters},
        "structure": hashlib.sha256(backend.structure(model).encode()).hexdigest()[:16],
        "task": task.to_json(),
        "settings": dict(settings),
        "options": {key: plain(value) for key, value in options.items()},
        "data": {"name": data.name, "fingerprint": data.fingerprint, "seed": data.seed},
        "environment": environment,
        "first": opening.beginning.first,
        **({"origin": opening.origin} if opening.origin else {}),
    }
    run = Run(
        opening.record(name or f"{readable}-{backend.name}", summary),
        model=model,
        backend=backend,
        data=data,
        task=task,
        settings=settings,
        environment=environment,
        epochs=settings["epochs"],
        steps_per_epoch=batches.steps_per_epoch,
        options=options,
        origin=opening.origin,
        forker=functools.partial(fork_run, start),
    )
    run.begin_at(opening.beginning.step, opening.seconds, read(opening.lines()))
    return run


def _defaults() -> dict[str, Any]:
    parameters = inspect.signature(train).parameters.values()
    return {each.name: each.default for each in parameters if each.name not in _NO_OPTIONS}


def _check_interval(seconds: float) -> None:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not seconds > 0:
        message = (
            f"checkpoint_s={seconds!r} cannot be used; expected a positive number of seconds. "
            "Type: checkpoint_s=30"
        )
        raise OptionError(message)


def _check(data: object, *, epochs: int, batch: int, lr: float, seed: int) -> None:
    if not isinstance(data, Data):
        message = (
            f"The data is a {type(data).__name__}; expected what mb.data returns. "
            "Type: data = mb.data(x, y)"
        )
        raise DataError(message)
    for name, value in (("epochs", epochs), ("batch", batch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            message = f"{name}={value!r} cannot be used; expected a whole number of at least 1."
            raise OptionError(message)
    if not isinstance(lr, int | float) or not (0 < lr < math.inf):
        message = f"lr={lr!r} cannot be used; expected a positive number. Type: lr=0.001"
        raise OptionError(message)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        message = f"seed={seed!r} cannot be used; expected a whole number from 0 up to 2**32 - 1."
        raise OptionError(message)


def _environment(backend: Backend) -> dict[str, str]:
    return {
        "maasnb": VERSION,
        backend.name: backend.version(),
        "numpy": metadata.version("numpy"),
        "python": python_version(),
        "platform": platform(terse=True),
    }
