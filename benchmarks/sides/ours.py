"""A run of `mb.train` with everything that it does by default: record, statistics, checkpoints."""

import time
from typing import Any

import maasnb as mb
from benchmarks.sides.workloads import LR, Workload, with_validation

__all__ = ["prepare_jax", "prepare_torch"]


def prepare_torch(workload: Workload, *, validate: bool) -> Any:
    """Return a training of a fresh torch module."""
    from benchmarks.sides.torch_models import make_model

    return _training(workload, make_model, validate=validate)


def prepare_jax(workload: Workload, *, validate: bool) -> Any:
    """Return a training of a fresh flax module."""
    from benchmarks.sides.flax_models import make_model

    return _training(workload, make_model, validate=validate)


def _training(workload: Workload, make_model: Any, *, validate: bool) -> Any:
    inputs, targets, split = workload.inputs, workload.targets, (1, 0, 0)
    if validate:
        inputs, targets, split = with_validation(workload)
    labels = [str(number) for number in range(workload.classes)]
    data = mb.data(inputs, targets, labels=labels, split=split, name=workload.name)

    def run() -> float:
        model = make_model(workload)
        began = time.perf_counter()
        trained = mb.train(model, data, epochs=workload.epochs, batch=workload.batch, lr=LR)
        seconds = time.perf_counter() - began
        if trained.steps != workload.steps:
            message = f"maasnb took {trained.steps} steps, not {workload.steps}"
            raise RuntimeError(message)
        return seconds

    return run
