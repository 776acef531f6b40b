"""The torch loops that a person would write: with Adam as torch has it, and with the fused one."""

import time
from collections.abc import Callable

import torch

from benchmarks.sides.torch_models import loss_of, make_model
from benchmarks.sides.workloads import LR, Workload

__all__ = ["prepare_best", "prepare_plain"]


def prepare_plain(workload: Workload) -> Callable[[], float]:
    """Return the loop with the Adam that torch takes by default."""
    return _loop(workload, fused=None)


def prepare_best(workload: Workload) -> Callable[[], float]:
    """Return the loop with the fused Adam."""
    return _loop(workload, fused=True)


def _loop(workload: Workload, *, fused: bool | None) -> Callable[[], float]:
    inputs = torch.tensor(workload.inputs)
    targets = torch.tensor(workload.targets).long()

    def run() -> float:
        model, losses = make_model(workload), []
        began = time.perf_counter()
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=fused)
        for _ in range(workload.epochs):
            order = torch.randperm(len(inputs))
            for first in range(0, len(inputs), workload.batch):
                rows = order[first : first + workload.batch]
                loss = loss_of(model(inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        return time.perf_counter() - began

    return run
