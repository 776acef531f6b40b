"""A torch model's training steps: a plain loop with a fused optimiser, on the user's own module.

The data lives on the device and is gathered once a chunk. Before each step torch's default
generators are seeded from the run's seed and the step's number, so dropout needs no stored random
state; the generators' own state is put back after each chunk.
"""

# torch documents `torch._foreach_*` without its typing stubs exporting them.
# pyright: reportPrivateImportUsage=false

import contextlib
import copy
import dataclasses
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maasnb.backends.protocol import PLAIN, Array, Evaluation, Statistics
from maasnb.backends.torch.losses import head, loss_function
from maasnb.backends.torch.measuring import Measurement, Seen, counts_of, norms_of
from maasnb.backends.torch.updates import TorchState, Updates
from maasnb.backends.torch.watching import Watcher
from maasnb.datasets.batches import Rows
from maasnb.rules import Rule
from maasnb.tasks import Optimizer, Task

__all__ = ["EVALUATION_BATCH", "TorchProgram", "evaluating"]

EVALUATION_BATCH = 1024

# torch's default generators are shared by the whole process: two runs take turns, chunk by chunk.
_GENERATORS = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True)
class TorchPlaced:
    """Hold a split on the device."""

    inputs: Tensor
    targets: Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class TorchStep:
    """Hold what one step is given."""

    number: int
    seed: int
    lr: float
    inputs: Tensor
    targets: Tensor
    part: int  # how many rows are computed at a time


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
        self,
        model: nn.Module,
        task: Task,
        optimizer: Optimizer,
        device: torch.device,
        rule: Rule = PLAIN,
    ) -> None:
        """Take the module to the device; nothing is compiled."""
        self._model = model.to(device)
        self._task = task
        self._rule = rule
        self._device = device
        self._loss = loss_function(task, rule)
        self._plain_loss = loss_function(task, Rule(loss=rule.loss))
        frozen = set(rule.frozen)
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._names = [name for name, _ in named if name not in frozen]
        self._parameters = [parameter for name, parameter in named if name not in frozen]
        self._frozen = [parameter for name, parameter in named if name in frozen]
        self._updates = Updates(optimizer, rule, self._parameters)
        # A compiled module would be compiled anew for being watched, with other bits perhaps.
        self._watchable = not any(
            type(module).__name__ == "OptimizedModule" for module in model.modules()
        )

    def init(self, seed: int) -> TorchState:  # noqa: ARG002 - the seam's form
        """Make a fresh optimiser over the module's trainable parameters."""
        return self._updates.fresh()

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
        self,
        state: TorchState,
        placed: TorchPlaced,
        rows: Rows,
        lr: Array | float,
        clip: float | None = None,
    ) -> tuple[TorchState, Tensor]:
        """Take the steps of `rows`; the losses stay on the device."""
        losses = []
        with self._training():
            for step in self._steps(placed, rows, lr):
                losses.append(self._differentiate(step))
                self._updates.step(state, step.lr, clip)
        return state, torch.stack(losses)

    def statistics(
        self,
        state: TorchState,
        placed: TorchPlaced,
        rows: Rows,
        lr: Array | float,
        clip: float | None = None,
        *,
        full: bool = True,
    ) -> tuple[TorchState, Tensor, Measurement]:
        """Take one step and read its gradients and updates, and what the model's parts put out."""
        passes: list[list[Seen]] | None = [] if full and self._watchable else None
        with self._training():
            (step,) = self._steps(placed, rows, lr)
            loss = self._differentiate(step, passes)
            weights = [parameter.detach() for parameter in self._parameters]
            before = [weight.clone() for weight in weights]
            gradients = [
                torch.zeros_like(weight) if parameter.grad is None else parameter.grad
                for parameter, weight in zip(self._parameters, weights, strict=True)
            ]
            norms = norms_of(gradients)
            counts = counts_of([*gradients, *before]) if full else None
            self._updates.step(state, step.lr, clip)
            updates = norms_of(torch._foreach_sub(weights, before))
        found = Measurement(norms, updates / norms_of(before), counts, passes or ())
        return state, loss[None], found

    def _differentiate(self, step: TorchStep, passes: list[list[Seen]] | None = None) -> Tensor:
        """Leave a batch's gradients in the parameters; return its mean loss, without penalties.

        Where `passes` are given, what activation functions put out is added to them.
        """
        parts, inputs, targets = self._rule.accumulate, step.inputs, step.targets
        if parts == 1:
            self._seed(step.seed, step.number)
            loss = self._loss_of(inputs, targets, passes)
            loss.backward()
        else:
            loss = torch.zeros((), device=self._device)
            pairs = zip(inputs.split(step.part), targets.split(step.part), strict=True)
            for number, (some, theirs) in enumerate(pairs):
                self._seed(step.seed, step.number * parts + number)
                part = self._loss_of(some, theirs, passes) * (len(some) / len(inputs))
                part.backward()
                loss += part.detach()
        self._updates.penalise()
        return loss.detach()

    def _loss_of(
        self, inputs: Tensor, targets: Tensor, passes: list[list[Seen]] | None = None
    ) -> Tensor:
        if passes is None:
            return self._loss(self._outputs(inputs), targets)
        with Watcher(self._model) as watcher:
            outputs = self._outputs(inputs)
        passes.append(watcher.seen)
        return self._loss(outputs, targets)

    def _outputs(self, inputs: Tensor) -> Tensor:
        if self._rule.precision == "float32":
            return self._model(inputs)
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            outputs = self._model(inputs)
        return outputs.float()

    def host(self, losses: Tensor) -> Array:
        """Wait for losses."""
        return losses.double().cpu().numpy()

    def host_statistics(self, statistics: Measurement) -> Statistics:
        """Wait for statistics."""
        return statistics.on_host(self._names)

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
                total += float(self._plain_loss(output, targets)) * len(inputs)
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
    def _training(self) -> Iterator[None]:
        """Switch to training and keep torch's random state for the process."""
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.train()
        with _GENERATORS, torch.random.fork_rng(self._cuda_devices()):
            try:
                for parameter in self._frozen:
                    parameter.requires_grad_(False)
                yield
            finally:
                for parameter in self._frozen:
                    parameter.requires_grad_(True)
                for module, mode in modes:
                    module.training = mode

    def _cuda_devices(self) -> list[int]:
        if self._device.type != "cuda":
            return []
        index = self._device.index
        return [torch.cuda.current_device() if index is None else index]

    def _steps(self, placed: TorchPlaced, rows: Rows, lr: Array | float) -> Iterator[TorchStep]:
        """Gather all rows at once, then yield what each step is given."""
        flat = torch.from_numpy(rows.indices.reshape(-1)).to(self._device)
        steps, batch = rows.indices.shape
        # In float32, as compiled steps have it.
        rates = np.broadcast_to(np.asarray(lr, np.float32), steps).tolist()
        inputs = placed.inputs.index_select(0, flat)
        targets = placed.targets.index_select(0, flat)
        part = -(-batch // self._rule.accumulate)
        for k, rate in enumerate(rates):
            rows_of = slice(k * batch, k * batch + int(rows.counts[k]))
            yield TorchStep(
                rows.first + k, rows.seed, rate, inputs[rows_of], targets[rows_of], part
            )

    def _seed(self, seed: int, step: int) -> None:
        # The odd constant (2**64 over the golden ratio) keeps the streams of near seeds far apart.
        number = (seed * 0x9E37_79B9_7F4A_7C15 + step) & 0x7FFF_FFFF_FFFF_FFFF
        torch.default_generator.manual_seed(number)
        if self._device.type != "cpu":
            torch.get_device_module(self._device).manual_seed(number)


def _named(parts: Mapping[str, Any]) -> dict[str, Array]:
    """Return a module's and an optimiser's state as named arrays, which may share their memory."""
    tensors = {f"model/{name}": value for name, value in parts["model"].items()}
    for number, fields in parts["optimizer"]["state"].items():
        for field, value in fields.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{number}/{field}"] = value
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}
