"""A torch module is called: arrays become tensors, and its answer is taken apart."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maasnb.backends.calling import Asked, loss_and_outputs, outputs_of, with_targets
from maasnb.backends.protocol import Array
from maasnb.errors import ShapeError
from maasnb.parts import Parts, arguments, leaves, mapped
from maasnb.tasks import Kind, Takes, Task

__all__ = [
    "PROCESS",
    "as_targets",
    "as_tensors",
    "ask",
    "call",
    "call_with_loss",
    "device_of",
    "evaluating",
    "exact",
    "mean_product",
    "plain",
]


PROCESS = threading.Lock()
"""Whoever changes what torch keeps for the process, generators and precisions, takes turns."""


def is_tensor(value: object) -> bool:
    """Say whether something is a tensor."""
    return isinstance(value, Tensor)


def device_of(model: nn.Module) -> torch.device:
    """Return the device that a module is on."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def plain(model: nn.Module) -> nn.Module:
    """Return what torch.compile wraps: a question need not be compiled, which takes a minute."""
    return getattr(model, "_orig_mod", model)


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


@contextlib.contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Compute in whole float32 on a GPU too, where torch lets cuDNN round to 10 bits (TF32).

    What a model answers is then the same wherever it is asked, to the last digits: a published
    program is compared with it.
    """
    if device.type != "cuda":
        yield
        return
    with PROCESS:
        found = _precisions()
        before = [getattr(where, name) for where, name, _ in found]
        for where, name, value in found:
            setattr(where, name, value)
        try:
            yield
        finally:
            for (where, name, _), value in zip(found, before, strict=True):
                setattr(where, name, value)


def _precisions() -> list[tuple[Any, str, object]]:
    """Return where torch keeps its precisions, by what name, and the value of the exact one."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn, "conv"):  # torch 2.9 warns of the older names
        return [(each, "fp32_precision", "ieee") for each in (cudnn.conv, cudnn.rnn, matmul)]
    return [(cudnn, "allow_tf32", False), (matmul, "allow_tf32", False)]


def as_tensors(inputs: Parts, takes: Takes, device: torch.device) -> Parts:
    """Copy prepared inputs to a device, whole numbers as int64 where they are tokens."""

    def copied(part: Array) -> Tensor:
        tensor = torch.tensor(part)
        if part.dtype.kind in "iu":
            tensor = tensor.float() if takes == "float32" else tensor.long()
        return tensor.to(device)

    return mapped(copied, inputs)


def as_targets(targets: Parts, task: Task, device: torch.device) -> Parts:
    """Copy prepared targets to a device, in the type that the loss takes."""

    def copied(part: Array) -> Tensor:
        tensor = torch.tensor(part)
        if task.loss == "binary_cross_entropy":
            tensor = tensor.float()
        elif part.dtype.kind in "iu":
            tensor = tensor.long()
        return tensor.to(device)

    return mapped(copied, targets)


def call(model: nn.Module, inputs: Parts, kind: Kind) -> Any:  # noqa: ANN401 - a tensor, or all of the answer
    """Return a module's output: the tensor that is it, or all that a loss of one's own takes."""
    given, named = arguments(inputs)
    answer = model(*given, **named)
    if kind == "own" or is_tensor(answer):
        return answer
    found = outputs_of(answer, is_tensor)
    return answer if found is None else found


def call_with_loss(model: nn.Module, inputs: Parts, targets: Parts) -> tuple[Tensor, Any]:
    """Return the loss and the outputs of a module that has a loss of its own.

    Raises:
        ShapeError: it returned no loss.
    """
    answer = with_targets(model, "forward", inputs, targets)
    loss, outputs = loss_and_outputs(answer, is_tensor)
    if loss is None:
        message = (
            f"{type(model).__name__} returned no loss when it was called with targets; expected a "
            "scalar, (outputs, loss), or an object with a field loss. Or give a loss by name: "
            'loss="cross_entropy"'
        )
        raise ShapeError(message)
    return loss, outputs


def ask(model: nn.Module, inputs: Parts, targets: Parts | None) -> Asked:
    """Run a module on two examples; tokens are tried where it cannot take numbers.

    Raises:
        ShapeError: it takes neither.
    """
    model = plain(model)
    whole = isinstance(inputs, np.ndarray) and inputs.dtype.kind in "iu"
    kinds: tuple[Takes, ...] = ("float32", "int32") if whole else ("float32",)
    if not isinstance(inputs, np.ndarray):
        kinds = ("parts",)
    error: Exception | None = None
    for takes in kinds:
        try:
            output = _answer(model, inputs, targets, takes)
        except ShapeError:
            raise
        except Exception as reason:  # noqa: BLE001 - a module may raise anything
            error = reason  # of the last kind: tokens, where there are some
            continue
        fits = isinstance(output, Tensor) and output.shape[:1] == (len(leaves(inputs)[0]),)
        return Asked(output_shape=tuple(output.shape[1:]) if fits else None, takes=takes)
    assert error is not None
    lines = str(error).strip().splitlines()
    shapes = mapped(lambda part: tuple(part.shape[1:]), inputs)
    message = (
        f"The model cannot take examples of shape {shapes} "
        f"({lines[0] if lines else type(error).__name__}). "
        "Give its first layer the size of the data's inputs."
    )
    raise ShapeError(message) from error


def _answer(model: nn.Module, inputs: Parts, targets: Parts | None, takes: Takes) -> Any:  # noqa: ANN401 - as call
    device = device_of(model)
    examples = as_tensors(inputs, takes, device)
    with evaluating(model):
        if targets is None:
            return call(model, examples, "classification")
        whole = mapped(lambda part: torch.tensor(part).to(device), targets)
        long = mapped(lambda part: part if part.is_floating_point() else part.long(), whole)
        return call_with_loss(model, examples, long)[1]


def mean_product(model: nn.Module, inputs: Parts, takes: Takes) -> float:
    """Return how many multiplications one example takes in a matrix product, on average, forward.

    Each layer's parameters count once for each position of its output, and a layer's call is one
    product, of recurrent layers each place of the sequence. What a module does without layers is
    not seen, so its parameters count as one product.
    """
    work, products = 0.0, 0

    def note(module: nn.Module, _: object, output: object) -> None:
        nonlocal work, products
        first = output[0] if isinstance(output, tuple) and output else output
        weights = [p for p in module.parameters(recurse=False) if p.ndim > 1]
        if isinstance(first, Tensor) and weights and not isinstance(module, nn.Embedding):
            units = (
                first.shape[1] if isinstance(module, nn.modules.conv._ConvNd) else first.shape[-1]
            )
            positions = first.numel() / max(units, 1) / rows
            work += positions * sum(weight.numel() for weight in weights)
            recurrent = isinstance(module, nn.RNNBase)
            products += round(positions) * module.num_layers if recurrent else 1

    rows = len(leaves(inputs)[0])
    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        with evaluating(model):
            given, named = arguments(as_tensors(inputs, takes, device_of(model)))
            model(*given, **named)
    except Exception:  # noqa: BLE001 - a module that must have targets; its parameters still count
        work, products = 0.0, 0
    finally:
        for hook in hooks:
            hook.remove()
    least = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return max(work, float(least)) / max(products, 1)
