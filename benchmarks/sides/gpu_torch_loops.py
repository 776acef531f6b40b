"""The torch loops that a person would write for a GPU, and one that takes every pain."""

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.sides.torch_models import loss_of
from benchmarks.sides.workloads import LR, Workload

__all__ = ["LOOPS"]

Make = Callable[[Workload], Any]


def prepare_plain(workload: Workload, make: Make) -> Callable[[], float]:
    """Return the loop with torch's default Adam that reads each loss."""
    return _loop(workload, make, fused=None, reads=True)


def prepare_best(workload: Workload, make: Make) -> Callable[[], float]:
    """Return the loop with the fused Adam that waits for the GPU at the end alone."""
    return _loop(workload, make, fused=True, reads=False)


def _placed(workload: Workload) -> tuple[torch.Tensor, torch.Tensor]:
    targets = torch.tensor(workload.targets).long()
    return torch.tensor(workload.inputs).cuda(), targets.cuda()


def _loop(
    workload: Workload, make: Make, *, fused: bool | None, reads: bool
) -> Callable[[], float]:
    inputs, targets = _placed(workload)

    def run() -> float:
        model, losses = make(workload).cuda(), []
        torch.cuda.synchronize()
        began = time.perf_counter()
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=fused)
        for _ in range(workload.epochs):
            order = torch.randperm(len(inputs), device="cuda")
            for first in range(0, len(inputs), workload.batch):
                rows = order[first : first + workload.batch]
                loss = loss_of(model(inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item() if reads else loss.detach())
        if not reads:
            torch.stack(losses).tolist()
        torch.cuda.synchronize()
        return time.perf_counter() - began

    return run


def prepare_graph(workload: Workload, make: Make) -> Callable[[], float]:
    """Return a loop over a step that is captured as a CUDA graph by hand.

    It leaves each epoch's last, smaller batch out.
    """
    inputs, targets = _placed(workload)

    def run() -> float:
        model, losses = make(workload).cuda(), []
        torch.cuda.synchronize()
        began = time.perf_counter()
        optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True, capturable=True)
        some, theirs = inputs[: workload.batch].clone(), targets[: workload.batch].clone()

        def step() -> torch.Tensor:
            loss = loss_of(model(some), theirs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = step()
        for _ in range(workload.epochs):
            order = torch.randperm(len(inputs), device="cuda")
            for first in range(0, len(inputs) - workload.batch + 1, workload.batch):
                rows = order[first : first + workload.batch]
                torch.index_select(inputs, 0, rows, out=some)
                torch.index_select(targets, 0, rows, out=theirs)
                graph.replay()
                losses.append(loss.clone())
        torch.stack(losses).tolist()
        torch.cuda.synchronize()
        return time.perf_counter() - began

    return run


LOOPS = {
    "hand-written": prepare_plain,
    "best-hand-written": prepare_best,
    "graph by hand": prepare_graph,
}
