"""A training step recorded as a CUDA graph, and replayed with other examples: one launch a step.

The kernels of a small model's step take microseconds each, and starting them one by one from Python
takes ten times as long as they run. A replay starts all of them at once, to the same bits. It runs
no Python, so that only those models are recorded whose parts are torch's own or maasnb's, without
hooks.
"""

# torch documents `torch._foreach_*` without its typing stubs exporting them.
# pyright: reportPrivateImportUsage=false

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from maasnb.backends.torch.updates import TorchState, Updates
from maasnb.parts import Parts, leaves, mapped

__all__ = ["Recorder", "TorchStep", "seed_of"]

_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
)  # fmt: skip
_OF_PARAMETERS = ("_backward_hooks", "_post_accumulate_grad_hooks")


@dataclasses.dataclass(frozen=True, slots=True)
class TorchStep:
    """Hold what one step is given."""

    number: int
    seed: int | None  # None where the generators are not to be seeded
    lr: float | Tensor
    inputs: Parts
    targets: Parts
    rows: int
    part: int  # how many rows are computed at a time


def seed_of(seed: int, step: int) -> int:
    """Return what the generators are seeded with before a step."""
    # The odd constant (2**64 over the golden ratio) keeps the streams of near seeds far apart.
    return (seed * 0x9E37_79B9_7F4A_7C15 + step) & 0x7FFF_FFFF_FFFF_FFFF


@dataclasses.dataclass(slots=True)
class _Recorded:
    """Hold a recorded step: what it reads, how it is replayed, and what it leaves."""

    graph: torch.cuda.CUDAGraph
    given: list[Tensor]
    rate: Tensor
    lr: float | Tensor
    losses: Tensor


class Recorder:
    """Record the steps of one model, as long as nothing that a replay cannot see has changed.

    Attributes:
        failures: how many records failed, in all models. Each leaves torch's generator useless, so
            that it gets another state, which the records made before do not know.
    """

    failures: ClassVar[int] = 0

    def __init__(self, model: nn.Module, device: torch.device, updates: Updates) -> None:
        """Take the model, on its CUDA device, and what changes it; nothing is recorded yet."""
        self._model = model
        self._device = device
        self._updates = updates
        self._generator = torch.cuda.default_generators[_index(device)]
        self._recorded: _Recorded | None = None
        self._situation: object = None
        self._refused = not (updates.can_be_recorded and _is_known(model))

    @property
    def refuses(self) -> bool:
        """Say whether this model's steps are not recorded."""
        return self._refused

    def is_ready(self, state: TorchState, clip: float | None) -> bool:
        """Say, before a chunk, whether steps can be recorded; a record that is old is dropped."""
        memory = None if self._refused else self._updates.memory(state)
        if memory is None or _is_hooked(self._model):
            return False
        tensors = [*memory, *self._model.parameters(), *self._model.buffers()]
        addresses = [tensor.data_ptr() for tensor in tensors]
        now = (clip, Recorder.failures, addresses, _plain_attributes(self._model))
        if now != self._situation:
            self._recorded, self._situation = None, now
        return True

    def forget(self) -> None:
        """Drop the record, which holds the memory of a step."""
        self._recorded = self._situation = None

    def take(self, step: TorchStep, compute: Callable[[TorchStep], Tensor]) -> Tensor | None:
        """Take a step by a replay, and return its losses; None where it must be computed.

        Args:
            step: what the step is given.
            compute: takes a step; it is called once, to record it.
        """
        assert step.seed is not None
        given = [*leaves(step.inputs), *leaves(step.targets)]
        if self._recorded is None and step.rows == step.part and not self._refused:
            self._recorded = self._record(step, compute)
        recorded = self._recorded
        if recorded is None or [each.shape for each in given] != [
            each.shape for each in recorded.given
        ]:
            return None
        torch._foreach_copy_(recorded.given, given)
        if step.lr != recorded.lr:
            recorded.lr = step.lr
            recorded.rate.fill_(step.lr)
        self._generator.manual_seed(seed_of(step.seed, step.number))
        recorded.graph.replay()
        return recorded.losses.clone()

    def _record(self, step: TorchStep, compute: Callable[[TorchStep], Tensor]) -> _Recorded | None:
        """Have a step recorded, which computes nothing; a model that cannot be is refused."""
        inputs, targets = (mapped(torch.clone, side) for side in (step.inputs, step.targets))
        rate = torch.full((), float(step.lr), device=self._device)
        still = dataclasses.replace(step, seed=None, lr=rate, inputs=inputs, targets=targets)
        graph, generator = torch.cuda.CUDAGraph(), self._generator.clone_state()
        try:
            # What other threads do meanwhile, as a prediction in a cell, is none of the record's.
            with (
                torch.cuda.device(self._device),
                torch.cuda.graph(graph, capture_error_mode="thread_local"),
            ):
                losses = compute(still)
        except RuntimeError:  # it waits for the device, say
            self._refused = True
            self._generator.graphsafe_set_state(generator)
            Recorder.failures += 1
            for parameter in self._model.parameters():
                parameter.grad = None
            return None
        return _Recorded(graph, [*leaves(inputs), *leaves(targets)], rate, step.lr, losses)


def _is_known(model: nn.Module) -> bool:
    """Say whether a model's code is known to do nothing but compute."""
    modules = list(model.modules())
    # cuDNN's own dropout keeps a random state that no seed of a replay reaches.
    if any(isinstance(each, nn.RNNBase) and each.dropout > 0 for each in modules):
        return False
    own = ("torch", "maasnb")
    return all(type(each).__module__.partition(".")[0] in own for each in modules)


def _is_hooked(model: nn.Module) -> bool:
    of_modules = any(getattr(each, name, None) for each in model.modules() for name in _HOOKS)
    return of_modules or any(
        getattr(each, name, None) for each in model.parameters() for name in _OF_PARAMETERS
    )


def _plain_attributes(model: nn.Module) -> list[Any]:
    """Return what a model's parts hold beside tensors, as a dropout's probability."""
    kinds = (bool, int, float, str, type(None))
    return [
        [(name, value) for name, value in vars(each).items() if isinstance(value, kinds)]
        for each in model.modules()
    ]


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
