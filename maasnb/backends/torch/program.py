"""A torch model's training steps: a plain loop with a fused optimiser, on the user's own module.

The data lives on the device and is gathered once a chunk. Before each step torch's default
generators are seeded from the run's seed and the step's number, so dropout needs no stored random
state; the generators' own state is put back after each chunk.
"""

import contextlib
import copy
import dataclasses
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maasnb.backends.protocol import Array, Evaluation, Statistics
from maasnb.backends.torch.losses import head, loss_function, make_torch_optimizer
from maasnb.datasets.batches import Rows
from maasnb.tasks import Optimizer, Task

__all__ = ["EVALUATION_BATCH", "TorchProgram", "TorchState", "evaluating"]

EVALUATION_BATCH = 1024

# torch's default generators are shared by the whole process: two runs take turns, chunk by chunk.
_GENERATORS = threading.Lock()


@dataclasses.dataclass(slots=True)
class TorchState:
    """Hold the optimiser; the parameters are those of the user's own module."""

    optimizer: torch.optim.Optimizer


@dataclasses.dataclass(frozen=True, slots=True)
class TorchPlaced:
    """Hold a split on the device."""

    inputs: Tensor
    targets: Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class TorchStatistics:
    """Hold the statistics of a step on the device, in the order of the parameters."""

    gradients: Tensor
    ratios: Tensor


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch every part of a module to evaluation without gradients, and back to what it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


class TorchProgram:
    """Train one `torch.nn.Module` in place."""

    mode = "loop"

    def __init__(
        self, model: nn.Module, task: Task, optimizer: Optimizer, device: torch.device
    ) -> None:
        """Take the module to the device; nothing is compiled."""
        self._model = model.to(device)
        self._task = task
        self._optimizer = optimizer
        self._device = device
        self._loss = loss_function(task)
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._names = [name for name, _ in named]
        self._parameters = [parameter for _, parameter in named]

    def init(self, seed: int) -> TorchState:
        """Make a fresh optimiser over the module's trainable parameters."""
        return TorchState(make_torch_optimizer(self._optimizer, self._parameters))

    def place(self, inputs: Array, targets: Array) -> TorchPlaced:
        """Copy a split to the device, the targets in the type that the loss takes."""
        on_device = torch.tensor(targets)
        if self._task.loss == "cross_entropy":
            on_device = on_device.long()
        elif self._task.loss == "binary_cross_entropy":
            on_device = on_device.float()
        return TorchPlaced(torch.tensor(inputs).to(self._device), on_device.to(self._device))

    def longest_chunk(self, placed: TorchPlaced, batch: int) -> int:
        """Return how many steps a chunk may have, so that its gathered inputs fit into 64 MiB."""
        row_bytes = placed.inputs[:1].nbytes
        return max(1, min(128, 64 * 2**20 // (row_bytes * batch)))

    def chunk(
        self, state: TorchState, placed: TorchPlaced, rows: Rows, lr: float
    ) -> tuple[TorchState, Tensor]:
        """Take the steps of `rows`; the losses stay on the device."""
        losses = []
        with self._training(state, rows, lr):
            for inputs, targets in self._batches(placed, rows):
                loss = self._loss(self._model(inputs), targets)
                loss.backward()
                state.optimizer.step()
                state.optimizer.zero_grad()
                losses.append(loss.detach())
        return state, torch.stack(losses)

    def statistics(
        self, state: TorchState, placed: TorchPlaced, rows: Rows, lr: float
    ) -> tuple[TorchState, Tensor, TorchStatistics]:
        """Take one step and measure its gradients and updates."""
        with self._training(state, rows, lr):
            ((inputs, targets),) = self._batches(placed, rows)
            loss = self._loss(self._model(inputs), targets)
            loss.backward()
            before = [parameter.detach().clone() for parameter in self._parameters]
            gradients = [_norm(parameter.grad) for parameter in self._parameters]
            state.optimizer.step()
            state.optimizer.zero_grad()
            pairs = zip(self._parameters, before, strict=True)
            updates = [_norm(parameter.detach() - old) for parameter, old in pairs]
            weights = [_norm(old) for old in before]
        ratios = torch.stack(updates) / torch.stack(weights)
        return state, loss.detach()[None], TorchStatistics(torch.stack(gradients), ratios)

    def host(self, losses: Tensor) -> Array:
        """Wait for losses."""
        return losses.double().cpu().numpy()

    def host_statistics(self, statistics: TorchStatistics) -> Statistics:
        """Wait for statistics."""
        gradients, ratios = statistics.gradients.tolist(), statistics.ratios.tolist()
        return Statistics(
            gradient_norm=dict(zip(self._names, gradients, strict=True)),
            update_ratio=dict(zip(self._names, ratios, strict=True)),
        )

    def evaluate(self, state: TorchState, placed: TorchPlaced) -> Evaluation:
        """Return the mean loss and the outputs over a split."""
        total, outputs = 0.0, []
        with evaluating(self._model):
            pairs = zip(
                placed.inputs.split(EVALUATION_BATCH),
                placed.targets.split(EVALUATION_BATCH),
                strict=True,
            )
            for inputs, targets in pairs:
                output = self._model(inputs)
                total += float(self._loss(output, targets)) * len(inputs)
                outputs.append(head(self._task, output).cpu().numpy())
        return Evaluation(loss=total / len(placed.inputs), outputs=np.concatenate(outputs))

    def keep(self, state: TorchState) -> tuple[TorchState, dict[str, Any]]:
        """Copy the module's and the optimiser's state, on the device."""
        parts = {"model": self._model.state_dict(), "optimizer": state.optimizer.state_dict()}
        return state, copy.deepcopy(parts)

    def revert(self, kept: tuple[TorchState, dict[str, Any]]) -> TorchState:
        """Write a kept state back into the module and the optimiser."""
        state, parts = kept
        self._model.load_state_dict(parts["model"])
        # A copy, because torch's optimisers go on to change the tensors that they are given.
        state.optimizer.load_state_dict(copy.deepcopy(parts["optimizer"]))
        return state

    def arrays(self, kept: tuple[TorchState, dict[str, Any]]) -> dict[str, Array]:
        """Return `model/NAME` and `optimizer/PARAMETER/FIELD` arrays of a kept state."""
        return _named(kept[1])

    def snapshot(self, state: TorchState) -> dict[str, Array]:
        """Return `model/NAME` and `optimizer/PARAMETER/FIELD` arrays."""
        parts = {"model": self._model.state_dict(), "optimizer": state.optimizer.state_dict()}
        return {name: array.copy() for name, array in _named(parts).items()}

    def restore(self, state: TorchState, arrays: Mapping[str, Array]) -> TorchState:
        """Write the arrays of `snapshot` back into the module and the optimiser."""
        tensors = {name: torch.tensor(array) for name, array in arrays.items()}
        model = {
            name.removeprefix("model/"): value
            for name, value in tensors.items()
            if name.startswith("model/")
        }
        fields: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                _, number, field = name.split("/")
                fields.setdefault(int(number), {})[field] = value
        groups = state.optimizer.state_dict()["param_groups"]
        self._model.load_state_dict(model)
        state.optimizer.load_state_dict({"state": fields, "param_groups": groups})
        return state

    def update(self, state: TorchState) -> None:
        """Do nothing: the user's own module is what is trained."""

    @contextlib.contextmanager
    def _training(self, state: TorchState, rows: Rows, lr: float) -> Iterator[None]:
        """Switch to training and keep torch's random state for the process."""
        for group in state.optimizer.param_groups:
            group["lr"] = lr
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.train()
        with _GENERATORS, torch.random.fork_rng(self._cuda_devices()):
            try:
                yield
            finally:
                for module, mode in modes:
                    module.training = mode

    def _cuda_devices(self) -> list[int]:
        if self._device.type != "cuda":
            return []
        index = self._device.index
        return [torch.cuda.current_device() if index is None else index]

    def _batches(self, placed: TorchPlaced, rows: Rows) -> Iterator[tuple[Tensor, Tensor]]:
        """Gather all rows at once, then yield the batch of each step, its random numbers seeded."""
        flat = torch.from_numpy(rows.indices.reshape(-1)).to(self._device)
        steps, batch = rows.indices.shape
        inputs = placed.inputs.index_select(0, flat)
        targets = placed.targets.index_select(0, flat)
        for k in range(steps):
            part = slice(k * batch, k * batch + int(rows.counts[k]))
            self._seed(rows.seed, rows.first + k)
            yield inputs[part], targets[part]

    def _seed(self, seed: int, step: int) -> None:
        # The odd constant (2**64 over the golden ratio) keeps the streams of near seeds far apart.
        number = (seed * 0x9E37_79B9_7F4A_7C15 + step) & 0x7FFF_FFFF_FFFF_FFFF
        torch.default_generator.manual_seed(number)
        if self._device.type != "cpu":
            torch.get_device_module(self._device).manual_seed(number)


def _norm(tensor: Tensor | None) -> Tensor:
    if tensor is None:  # a parameter that the loss does not depend on
        return torch.zeros(())
    return torch.linalg.vector_norm(tensor.detach())


def _named(parts: Mapping[str, Any]) -> dict[str, Array]:
    """Return a module's and an optimiser's state as named arrays, which may share their memory."""
    tensors = {f"model/{name}": value for name, value in parts["model"].items()}
    for number, fields in parts["optimizer"]["state"].items():
        for field, value in fields.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{number}/{field}"] = value
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}
