"""The verb `train`: check what was asked, make the run, and start its thread."""

import math
import re
import threading
from collections.abc import Mapping
from importlib import metadata
from platform import platform, python_version
from typing import Any

from maasnb.backends import backend_of
from maasnb.backends.protocol import Backend
from maasnb.datasets.batches import Batches
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, OptionError
from maasnb.records.record import Record
from maasnb.records.run import Run, observers_told, occupy, release
from maasnb.settings import VERSION
from maasnb.tasks import Task, make_optimizer, make_task
from maasnb.training.loop import Loop

__all__ = ["train"]


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

    Returns:
        The run: its history, and the handle to stop it.

    Raises:
        ModelError: the model is none, or is being trained already.
        ShapeError: the model does not fit the data.
        OptionError: an option has a value that cannot be used.
        DivergedError: a loss became NaN or infinite; the model holds its last good state.
    """
    backend = backend_of(model)
    _check(data, epochs=epochs, batch=batch, lr=lr, seed=seed)
    examples = data.train.inputs[:2]
    task = make_task(
        kind=data.kind,
        labels=data.labels,
        targets=data.target_width,
        output_shape=backend.output_shape(model, examples),
        final_activation=backend.final_activation(model),
        loss=loss,
    )
    rule = make_optimizer(optimizer)
    batches = Batches(size=len(data.train), batch=batch, seed=seed)
    program = backend.compile(
        model, task, rule, inputs=examples, ragged=batches.ragged, device=device
    )
    settings = {
        "epochs": epochs,
        "batch": batch,
        "optimizer": rule.to_json(),
        "lr": lr,
        "loss": task.loss,
        "seed": seed,
        "mode": program.mode,
    }
    occupy(model)
    try:
        run = _make_run(name, model, backend, data, task, settings, batches.steps_per_epoch)
        complaints = list(observers_told(run))
        loop = Loop(run, program, batches, lr)
        threading.Thread(
            target=loop.run_through, args=(complaints,), name=f"maasnb {run.name}", daemon=True
        ).start()
    except BaseException:
        release(model)
        raise
    return run.wait().result() if wait else run


def _make_run(
    name: str | None,
    model: object,
    backend: Backend,
    data: Data,
    task: Task,
    settings: Mapping[str, Any],
    steps_per_epoch: int,
) -> Run:
    """Open the run's folder and make its handle."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", data.name).strip("-._")[:48] or "data"
    environment = _environment(backend)
    summary = {
        "backend": backend.name,
        "model": type(model).__name__,
        "parameters": sum(info.count for info in backend.parameters(model)),
        "task": task.to_json(),
        "settings": dict(settings),
        "data": {"name": data.name, "fingerprint": data.fingerprint, "seed": data.seed},
        "environment": environment,
    }
    return Run(
        Record(name or f"{readable}-{backend.name}", summary),
        model=model,
        backend=backend,
        data=data,
        task=task,
        settings=settings,
        environment=environment,
        epochs=settings["epochs"],
        steps_per_epoch=steps_per_epoch,
    )


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
