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
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from maasnb.backends.protocol import PLAIN, Array, Evaluation, Losses, Statistics
from maasnb.backends.torch.calls import (
    PROCESS,
    as_targets,
    as_tensors,
    call,
    call_with_loss,
    evaluating,
    exact,
    mean_product,
)
from maasnb.backends.torch.losses import head, loss_function
from maasnb.backends.torch.measuring import Measurement, Passes, counts_of, norms_of
from maasnb.backends.torch.recording import Recorder, TorchStep, seed_of
from maasnb.backends.torch.updates import TorchState, Updates
from maasnb.backends.torch.watching import Watcher
from maasnb.datasets.batches import Rows
from maasnb.errors import ModelError
from maasnb.parts import Parts, count, leaves, mapped, taken
from maasnb.rules import Rule, replaced_parameter
from maasnb.tasks import Optimizer, Task

__all__ = ["EVALUATION_BATCH", "TorchProgram"]

EVALUATION_BATCH = 1024
_OUTPUT_NUMBERS = 2**23  # of one part of an evaluation: 32 MiB
# Multiplications of a batch's mean matrix product from which on a second thread pays: on 2 quiet
# cores one thread takes .2 to .7 of two threads' time up to 4e6, .7 to 1.3 around 1.2e7 and 1.3 to
# 1.5 at 4e7, alike with dense layers, convolutions, LSTMs and Transformers.
_WORTH_THREADS = 1.2e7
# Likewise from which on a GPU takes longer to compute one than Python to start it: a record would
# only hold memory.
_WORTH_NO_RECORD = 1e9

_LONE_EXAMPLE = "more than 1 value per channel"  # torch's word for it

_UNWATCHED = contextlib.nullcontext()


@dataclasses.dataclass(frozen=True, slots=True)
class TorchPlaced:
    """Hold a split on the device, in the form of its parts."""

    inputs: Parts
    targets: Parts


@dataclasses.dataclass(frozen=True, slots=True)
class TorchLosses:
    """Hold losses on the device: of each step those of its examples [rows], or one scalar."""

    steps: list[Tensor]
    batch: int


class TorchProgram:
    """Train one `torch.nn.Module` in place."""

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        optimizer: Optimizer,
        device: torch.device,
        rule: Rule = PLAIN,
        *,
        inputs: Parts,
        batch: int,
    ) -> None:
        """Take the module to the device; nothing is compiled yet."""
        self._model = model.to(device)
        self._called: nn.Module = self._model
        if rule.compile:
            self._called = cast(nn.Module, torch.compile(self._model))
        self._task = task
        self._rule = rule
        self._device = device
        self._own_loss = task.loss == "model" and rule.loss is None
        self._loss = loss_function(task, rule)
        self._plain_loss = loss_function(task, Rule(loss=rule.loss))
        frozen = set(rule.frozen)
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._names = [name for name, _ in named if name not in frozen]
        self._parameters = [parameter for name, parameter in named if name not in frozen]
        self._frozen = [parameter for name, parameter in named if name in frozen]
        self._updates = Updates(optimizer, rule, self._parameters)
        self._evaluated = max(1, min(EVALUATION_BATCH, _OUTPUT_NUMBERS // _numbers_of(task)))
        # A compiled module would be compiled anew for being watched, with other bits perhaps.
        self._watchable = not rule.compile and not any(
            type(module).__name__ == "OptimizedModule" for module in model.modules()
        )
        product = -(-batch // rule.accumulate) * mean_product(self._model, inputs, task.takes)
        self._one_thread = device.type == "cpu" and product < _WORTH_THREADS
        self._recorder = self._make_recorder() if product < _WORTH_NO_RECORD else None

    def _make_recorder(self) -> Recorder | None:
        """Return what records steps, where the device can and all that happens in one is known."""
        rule = self._rule
        more = rule.accumulate > 1 or rule.compile or rule.loss is not None or self._own_loss
        if self._device.type != "cuda" or more:
            return None
        recorder = Recorder(self._model, self._device, self._updates)
        return None if recorder.refuses else recorder

    @property
    def mode(self) -> str:
        """Return how steps are executed.

        `"loop"`; `"loop on 1 thread"` where a step is too small for several; `"graphs"` where a
        GPU is given recorded steps.
        """
        if self._recorder is not None:
            return "graphs"
        return "loop on 1 thread" if self._one_thread else "loop"

    @property
    def device(self) -> str:
        """Return the device's name."""
        return str(self._device)

    def init(self, seed: int) -> TorchState:  # noqa: ARG002 - the seam's form
        """Make a fresh optimiser over the module's trainable parameters."""
        return self._updates.fresh()

    def place(self, inputs: Parts, targets: Parts) -> TorchPlaced:
        """Copy a split to the device, in the types that the model and the loss take."""
        return TorchPlaced(
            as_tensors(inputs, self._task.takes, self._device),
            as_targets(targets, self._task, self._device),
        )

    def longest_chunk(self, placed: TorchPlaced, batch: int) -> int:
        """Return how many steps a chunk may have, so that its gathered inputs fit into 64 MiB."""
        row_bytes = sum(part[:1].nbytes for part in leaves(placed.inputs))
        return max(1, min(128, 64 * 2**20 // (row_bytes * batch)))

    def chunk(
        self,
        state: TorchState,
        placed: TorchPlaced,
        rows: Rows,
        lr: Array | float,
        clip: float | None = None,
    ) -> tuple[TorchState, TorchLosses]:
        """Take the steps of `rows`; the losses stay on the device."""
        losses = []

        def compute(step: TorchStep) -> Tensor:
            found = self._differentiate(step)
            self._updates.step(state, step.lr, clip)
            return found

        with self._training():
            recorder = self._recorder
            if recorder is not None and not recorder.is_ready(state, clip):
                recorder = None
            for step in self._steps(placed, rows, lr):
                found = None if recorder is None else recorder.take(step, compute)
                losses.append(compute(step) if found is None else found)
        self._check_parameters()
        return state, TorchLosses(losses, rows.indices.shape[1])

    def statistics(
        self,
        state: TorchState,
        placed: TorchPlaced,
        rows: Rows,
        lr: Array | float,
        clip: float | None = None,
        *,
        full: bool = True,
    ) -> tuple[TorchState, TorchLosses, Measurement]:
        """Take one step and read its gradients and updates, and what the model's parts put out."""
        passes: Passes | None = [] if full and self._watchable else None
        with self._training():
            (step,) = self._steps(placed, rows, lr)
            losses = self._differentiate(step, passes)
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
        return state, TorchLosses([losses], rows.indices.shape[1]), found

    def _differentiate(self, step: TorchStep, passes: Passes | None = None) -> Tensor:
        """Leave a batch's gradients in the parameters; return its losses, without penalties.

        Where `passes` are given, what activation functions put out is added to them.
        """
        parts = self._rule.accumulate
        if parts == 1:
            self._seed(step.seed, step.number)
            losses = self._losses_of(step.inputs, step.targets, passes)
            _backward(losses, 1.0, step.rows)
            found = losses.detach()
        else:
            several, whole = [], False
            for number, first in enumerate(range(0, step.rows, step.part)):
                self._seed(step.seed, step.number * parts + number)
                some = slice(first, first + step.part)
                rows = min(step.part, step.rows - first)
                given = taken(step.inputs, some), taken(step.targets, some)
                losses = self._losses_of(*given, passes)
                _backward(losses, rows / step.rows, rows)
                several.append(losses.detach().expand(rows))
                whole = losses.ndim == 0
            found = torch.cat(several)
            found = found.mean() if whole else found
        self._updates.penalise()
        return found

    def _losses_of(self, inputs: Parts, targets: Parts, passes: Passes | None) -> Tensor:
        if self._rule.precision == "float32":
            return self._losses(inputs, targets, passes)
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            return self._losses(inputs, targets, passes)

    def _losses(self, inputs: Parts, targets: Parts, passes: Passes | None) -> Tensor:
        watched = _UNWATCHED if passes is None else Watcher(self._model, passes)
        if self._own_loss:
            with watched:
                loss, _ = call_with_loss(self._called, inputs, targets)
            return loss.float().mean() if loss.ndim > 1 else loss.float()
        with watched:
            outputs = call(self._called, inputs, self._task.kind)
        if self._rule.precision == "float32":
            return self._loss(outputs, targets)
        with torch.autocast(self._device.type, enabled=False):
            return self._loss(mapped(_as_float, outputs), targets)

    def _check_parameters(self) -> None:
        """Refuse a module that replaced the parameters that are trained.

        Raises:
            ModelError: names the first one.
        """
        now = dict(self._model.named_parameters())
        for name, parameter in zip(self._names, self._parameters, strict=True):
            if now.get(name) is not parameter:
                shape = None if name not in now else tuple(now[name].shape)
                raise replaced_parameter(name, tuple(parameter.shape), shape)

    def host(self, losses: TorchLosses) -> Losses:
        """Wait for losses."""
        if not losses.steps[0].ndim:
            return Losses(means=torch.stack(losses.steps).double().cpu().numpy(), examples=None)
        lengths = [len(each) for each in losses.steps]
        flat = torch.cat(losses.steps).cpu().numpy()
        if min(lengths) == losses.batch:
            examples = flat.reshape(len(lengths), -1)
            return Losses(means=examples.mean(axis=1, dtype=np.float64), examples=examples)
        examples = np.full((len(lengths), losses.batch), np.nan, np.float32)
        pairs = list(zip(examples, np.split(flat, np.cumsum(lengths)[:-1]), strict=True))
        for row, each in pairs:
            row[: len(each)] = each
        means = np.array([row[: len(each)].mean(dtype=np.float64) for row, each in pairs])
        return Losses(means=means, examples=examples)

    def host_statistics(self, statistics: Measurement) -> Statistics:
        """Wait for statistics."""
        return statistics.on_host(self._names)

    def evaluate(self, state: TorchState, placed: TorchPlaced) -> Evaluation:
        """Return the mean loss and the outputs over a split."""
        total, found, rows = 0.0, [], count(placed.targets)
        with self._threads(), evaluating(self._model), exact(self._device):
            for start in range(0, rows, self._evaluated):
                some = slice(start, start + self._evaluated)
                inputs, targets = taken(placed.inputs, some), taken(placed.targets, some)
                if self._own_loss:
                    loss, outputs = call_with_loss(self._model, inputs, targets)
                else:
                    outputs = call(self._model, inputs, self._task.kind)
                    loss = self._plain_loss(outputs, targets)
                total += float(loss.mean()) * count(targets)
                if self._task.outputs:
                    found.append(self._judged(outputs))
        return Evaluation(loss=total / rows, outputs=np.concatenate(found) if found else None)

    def _judged(self, outputs: Tensor) -> Array:
        """Return what an evaluation keeps of outputs: probabilities or values, or classes."""
        if self._task.positions:
            return outputs.argmax(dim=-1).cpu().numpy()
        return head(self._task, outputs).float().cpu().numpy()

    def keep(
        self, state: TorchState, over: tuple[TorchState, dict[str, Any]] | None = None
    ) -> tuple[TorchState, dict[str, Any]]:
        """Copy the module's and the optimiser's state, on the device."""
        parts = {"model": self._model.state_dict(), "optimizer": state.optimizer.state_dict()}
        if over is None:
            return state, copy.deepcopy(parts)
        return state, _copied_over(over[1], parts)

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
        """Let go of what was recorded: the user's own module is what is trained."""
        if self._recorder is not None:
            self._recorder.forget()

    @contextlib.contextmanager
    def _threads(self) -> Iterator[None]:
        """Compute a small step on one thread: handing out its parts costs more than it saves."""
        before = torch.get_num_threads()
        if not self._one_thread or before == 1:
            yield
            return
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextlib.contextmanager
    def _training(self) -> Iterator[None]:
        """Switch to training and keep torch's random state for the process."""
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.train()
        with PROCESS, self._threads(), torch.random.fork_rng(self._cuda_devices()):
            try:
                for parameter in self._frozen:
                    parameter.requires_grad_(False)
                yield
            except ValueError as error:
                if _LONE_EXAMPLE not in str(error):
                    raise
                message = (
                    "The model's batch norm cannot learn from a single example, and the last batch "
                    "of an epoch, or a part of it, has no more. Take another size of batches. "
                    "Type: batch=48"
                )
                raise ModelError(message) from error
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
        flat = torch.tensor(rows.indices.reshape(-1)).to(self._device)
        steps, batch = rows.indices.shape
        # In float32, as compiled steps have it.
        rates = np.broadcast_to(np.asarray(lr, np.float32), steps).tolist()
        batches = [
            mapped(lambda part: list(part.index_select(0, flat).split(batch)), side)
            for side in (placed.inputs, placed.targets)
        ]
        part = -(-batch // self._rule.accumulate)
        for k, rate in enumerate(rates):
            count = int(rows.counts[k])
            inputs, targets = (_step_of(side, k, count, batch) for side in batches)
            yield TorchStep(rows.first + k, rows.seed, rate, inputs, targets, count, part)

    def _seed(self, seed: int | None, step: int) -> None:
        if seed is None:
            return
        number = seed_of(seed, step)
        torch.default_generator.manual_seed(number)
        for index in self._cuda_devices():
            torch.cuda.default_generators[index].manual_seed(number)
        if self._device.type not in ("cpu", "cuda"):
            torch.get_device_module(self._device).manual_seed(number)


def _step_of(batches: Parts, number: int, rows: int, batch: int) -> Parts:
    """Return one of the batches that were cut from gathered rows, without its padding."""
    if rows == batch:
        return mapped(lambda some: some[number], batches)
    return mapped(lambda some: some[number][:rows], batches)


def _backward(losses: Tensor, weight: float, rows: int) -> None:
    """Add the gradients of a weight times the mean loss to the parameters."""
    # The gradient of a mean, given directly, saves an operation forward and one backward.
    shape, each = tuple(losses.shape), weight / rows if losses.ndim else weight
    losses.backward(_constant(shape, each, losses.device, losses.dtype))


@functools.lru_cache(maxsize=64)
def _constant(
    shape: tuple[int, ...], value: float, device: torch.device, dtype: torch.dtype
) -> Tensor:
    return torch.full(shape, value, device=device, dtype=dtype)


def _as_float(part: Any) -> Any:  # noqa: ANN401 - a tensor, or what else a model answers
    return part.float() if isinstance(part, Tensor) and part.is_floating_point() else part


def _numbers_of(task: Task) -> int:
    return max(math.prod(task.positions) * task.outputs, 1)


def _copied_over(old: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a state into the tensors of an earlier copy where those fit, else into new ones."""
    pairs: list[tuple[Tensor, Tensor]] = []

    def copied(value: Any, before: Any) -> Any:  # noqa: ANN401 - what state dicts hold
        if isinstance(value, dict):
            known = before if isinstance(before, dict) else {}
            return {name: copied(part, known.get(name)) for name, part in value.items()}
        fits = isinstance(value, Tensor) and isinstance(before, Tensor)
        if not fits or (value.shape, value.dtype) != (before.shape, before.dtype):
            return copy.deepcopy(value)
        pairs.append((before, value))
        return before

    found = copied(dict(parts), old)
    if pairs:
        with torch.no_grad():
            torch._foreach_copy_([to for to, _ in pairs], [of for _, of in pairs])
    return found


def _named(parts: Mapping[str, Any]) -> dict[str, Array]:
    """Return a module's and an optimiser's state as named arrays, which may share their memory."""
    tensors = {f"model/{name}": value for name, value in parts["model"].items()}
    for number, fields in parts["optimizer"]["state"].items():
        for field, value in fields.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{number}/{field}"] = value
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}
