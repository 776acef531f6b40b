"""PyTorch as a `Backend`: build, describe, train, predict and export `torch.nn.Module` objects."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from maasnb.backends.anatomy import Anatomy
from maasnb.backends.calling import has_own_loss
from maasnb.backends.devices import chosen_device
from maasnb.backends.fitting import check_fits
from maasnb.backends.protocol import PLAIN, Array, Asked, Device, Exported, ParameterInfo
from maasnb.backends.torch.anatomy import anatomy, example
from maasnb.backends.torch.calls import as_tensors, ask, call, device_of, evaluating, exact
from maasnb.backends.torch.export import export_onnx
from maasnb.backends.torch.layers import (
    build_module,
    final_activation,
    source_of,
    spec_of,
)
from maasnb.backends.torch.layers.weights import set_shared_weights, shared_weights
from maasnb.backends.torch.losses import head
from maasnb.backends.torch.program import EVALUATION_BATCH, TorchProgram
from maasnb.errors import ModelError
from maasnb.layers import Spec
from maasnb.parts import Parts, count, joined, taken
from maasnb.rules import Rule
from maasnb.tasks import Optimizer, Takes, Task

__all__ = ["TorchBackend", "backend"]


class TorchBackend:
    """Do for PyTorch what the seam asks of a framework."""

    name = "torch"

    def version(self) -> str:
        """Return torch's version."""
        return torch.__version__

    def owns(self, model: object) -> bool:
        """Say whether an object is a `torch.nn.Module`."""
        return isinstance(model, nn.Module)

    def devices(self) -> tuple[Device, ...]:
        """Return the accelerators that torch sees, then the CPU."""
        found = []
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            found.append(
                Device(
                    name=f"cuda:{index}",
                    description=properties.name,
                    memory_bytes=properties.total_memory,
                )
            )
        if torch.backends.mps.is_available():
            found.append(Device(name="mps", description="Apple GPU"))
        threads = f"CPU, {torch.get_num_threads()} threads"
        return (*found, Device(name="cpu", description=threads))

    def build(self, spec: Spec, seed: int) -> nn.Module:
        """Return a `torch.nn.Sequential`."""
        return build_module(spec, seed)

    def spec(self, model: nn.Module) -> Spec | None:
        """Return the spec that a module was built of."""
        return spec_of(model)

    def source(self, spec: Spec) -> str:
        """Return the code of a plain `nn.Module`."""
        return source_of(spec)

    def shared_weights(self, model: nn.Module) -> dict[str, Array]:
        """Return the weights of a built module under names that backends share."""
        return shared_weights(model)

    def set_shared_weights(self, model: nn.Module, arrays: Mapping[str, Array]) -> None:
        """Write such weights into a built module."""
        set_shared_weights(model, arrays)

    def has_own_loss(self, model: nn.Module) -> bool:
        """Say whether forward takes targets, or there is a method `loss`."""
        return has_own_loss(type(model), "forward")

    def ask(self, model: nn.Module, inputs: Parts, targets: Parts | None = None) -> Asked:
        """Run the model on two examples."""
        return ask(model, inputs, targets)

    def final_activation(self, model: nn.Module) -> str | None:
        """Return the activation that a Sequential ends with, if it is softmax or sigmoid."""
        return final_activation(model)

    def parameters(self, model: nn.Module) -> tuple[ParameterInfo, ...]:
        """Return the trainable parameters, in the module's order."""
        return tuple(
            ParameterInfo(
                name=name,
                layer=name.rpartition(".")[0],
                shape=tuple(parameter.shape),
                dtype=str(parameter.dtype).removeprefix("torch."),
                count=parameter.numel(),
                size_bytes=parameter.numel() * parameter.element_size(),
            )
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        )

    def example(self, model: nn.Module) -> Array | None:
        """Return two inputs of zeros where the first layer is a linear one, else None."""
        return example(model)

    def anatomy(
        self,
        model: nn.Module,
        inputs: Parts | None = None,
        targets: Parts | None = None,
        takes: Takes = "float32",
    ) -> Anatomy:
        """Return what a module is made of, by calling it once."""
        return anatomy(model, inputs, targets, takes)

    def structure(self, model: nn.Module) -> str:
        """Return the module's own text, without the addresses of functions in it."""
        return re.sub(r" at 0x[0-9a-f]+", "", repr(model))

    def copy(self, model: nn.Module) -> nn.Module:
        """Return a deep copy."""
        made = copy.deepcopy(model)
        for module in made.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # cuDNN wants them side by side; a copy's are not
        return made

    def weights(self, model: nn.Module) -> dict[str, Array]:
        """Return the module's state dict as arrays."""
        return {
            name: value.detach().cpu().numpy().copy()  # training goes on in the tensor
            for name, value in model.state_dict().items()
        }

    def compile(
        self,
        model: nn.Module,
        task: Task,
        optimizer: Optimizer,
        *,
        inputs: Parts,
        targets: Parts,  # noqa: ARG002 - torch needs no shapes beforehand
        batch: int,
        ragged: bool,  # noqa: ARG002 - torch takes a smaller batch as it is
        device: str | None,
        rule: Rule = PLAIN,
    ) -> TorchProgram:
        """Return the training steps of a module, on a device (default: the best there is)."""
        name = chosen_device("torch", device, [found.name for found in self.devices()])
        if not any(parameter.requires_grad for parameter in model.parameters()):
            message = (
                f"This {type(model).__name__} has no trainable parameters. Give it a layer with "
                "weights, or type: model.requires_grad_(True)"
            )
            raise ModelError(message)
        return TorchProgram(
            model, task, optimizer, torch.device(name), rule, inputs=inputs, batch=batch
        )

    def predict(self, model: nn.Module, task: Task, inputs: Parts) -> Any:  # noqa: ANN401 - an array, or parts
        """Return probabilities or values for prepared inputs, on the module's own device."""
        device, found = device_of(model), []
        with evaluating(model), exact(device):
            for start in range(0, count(inputs), EVALUATION_BATCH):
                some = taken(inputs, slice(start, start + EVALUATION_BATCH))
                outputs = head(task, call(model, as_tensors(some, task.takes, device), task.kind))
                found.append(_on_host(outputs))
        return joined(found)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Say whether torch, or the CPU's allocator under it, found no memory."""
        words = str(error).lower()
        return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
            isinstance(error, RuntimeError)
            and ("out of memory" in words or "can't allocate memory" in words)
        )

    def bind(self, model: nn.Module, weights: Mapping[str, Array]) -> None:
        """Load a state dict of arrays, each in its parameter's own type and on its device."""
        own = model.state_dict()
        check_fits(type(model).__name__, {n: tuple(v.shape) for n, v in own.items()}, weights)
        model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})

    def export(self, model: nn.Module, task: Task, inputs: Array) -> Exported:
        """Return the module as an ONNX program."""
        return Exported(programs=(export_onnx(model, task, inputs),))


def backend() -> TorchBackend:
    """Return the backend."""
    return TorchBackend()


def _on_host(outputs: Any) -> Any:  # noqa: ANN401 - a tensor, or parts of them
    """Return outputs as arrays; of an answer of several parts the tensors among it."""
    if isinstance(outputs, Tensor):
        return (
            outputs.float().cpu().numpy() if outputs.is_floating_point() else outputs.cpu().numpy()
        )
    if isinstance(outputs, Mapping):
        return {name: _on_host(part) for name, part in outputs.items() if isinstance(part, Tensor)}
    return tuple(_on_host(part) for part in outputs if isinstance(part, Tensor))
