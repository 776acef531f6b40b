"""PyTorch as a `Backend`: build, describe, train, predict and export `torch.nn.Module` objects."""

import copy
import re

import numpy as np
import torch
from torch import Tensor, nn

from maasnb.backends.protocol import PLAIN, Array, Device, ParameterInfo, ProgramFile
from maasnb.backends.torch.export import export_onnx
from maasnb.backends.torch.layers import build_module, final_activation
from maasnb.backends.torch.losses import head
from maasnb.backends.torch.program import EVALUATION_BATCH, TorchProgram, evaluating
from maasnb.errors import ModelError, ShapeError, unknown_name
from maasnb.layers import Spec
from maasnb.rules import Rule
from maasnb.tasks import Optimizer, Task

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

    def output_shape(self, model: nn.Module, inputs: Array) -> tuple[int, ...]:
        """Return the shape of one example's output, by running the model on two examples."""
        examples = torch.tensor(inputs[:2]).to(_device_of(model))
        try:
            with evaluating(model):
                output = model(examples)
        except Exception as error:
            reason = (
                str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            )
            message = (
                f"The model cannot take examples of shape {inputs.shape[1:]} ({reason}). "
                "Give its first layer the size of the data's inputs."
            )
            raise ShapeError(message) from error
        if not isinstance(output, Tensor) or output.shape[:1] != examples.shape[:1]:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            message = (
                f"For {len(examples)} examples the model returns {got}; expected one tensor "
                f"[{len(examples)}, outputs]. Return that from forward()."
            )
            raise ShapeError(message)
        return tuple(output.shape[1:])

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

    def structure(self, model: nn.Module) -> str:
        """Return the module's own text, without the addresses of functions in it."""
        return re.sub(r" at 0x[0-9a-f]+", "", repr(model))

    def copy(self, model: nn.Module) -> nn.Module:
        """Return a deep copy."""
        return copy.deepcopy(model)

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
        inputs: Array,  # noqa: ARG002 - torch needs no shapes beforehand
        ragged: bool,  # noqa: ARG002 - torch takes a smaller batch as it is
        device: str | None,
        rule: Rule = PLAIN,
    ) -> TorchProgram:
        """Return the training steps of a module, on a device (default: the best there is)."""
        known = [found.name for found in self.devices()]
        aliases = {name.partition(":")[0] for name in known}
        if device is not None and device not in known and device not in aliases:
            raise unknown_name("torch device", device, known)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            message = (
                f"This {type(model).__name__} has no trainable parameters. Give it a layer with "
                "weights, or type: model.requires_grad_(True)"
            )
            raise ModelError(message)
        return TorchProgram(model, task, optimizer, torch.device(device or known[0]), rule)

    def predict(self, model: nn.Module, task: Task, inputs: Array) -> Array:
        """Return probabilities or values for prepared inputs, on the module's own device."""
        device = _device_of(model)
        with evaluating(model):
            outputs = [
                head(task, model(part.to(device))).cpu().numpy()
                for part in torch.tensor(inputs).split(EVALUATION_BATCH)
            ]
        return np.concatenate(outputs)

    def export(self, model: nn.Module, task: Task, inputs: Array) -> ProgramFile:
        """Return the module as an ONNX program."""
        return export_onnx(model, task, inputs)


def backend() -> TorchBackend:
    """Return the backend."""
    return TorchBackend()


def _device_of(model: nn.Module) -> torch.device:
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
