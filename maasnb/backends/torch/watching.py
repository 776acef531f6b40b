"""What a forward pass's activation functions put out, for any torch module.

While a `Watcher` is entered it sees each call of an activation function, as a module, as a function
or as a tensor's method, and reads what it returned; nothing is changed, so a watched pass has the
bits of any other. Hooks, which are there for as long, tell which layer is at work. What runs inside
torch's own compiled parts (an `nn.LSTM`, a scripted or compiled module) is not seen.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode

from maasnb.backends.activations import MOST_WATCHED
from maasnb.backends.torch.measuring import Passes, Seen, see

__all__ = ["Watcher"]

_CALLS: dict[str, tuple[Any, ...]] = {
    "relu": (functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
    "relu6": (functional.relu6,),
    "sigmoid": (torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_),
    "tanh": (torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_),
    "leaky_relu": (functional.leaky_relu, functional.leaky_relu_),
    "elu": (functional.elu, functional.elu_),
    "selu": (functional.selu, torch.selu, torch.selu_),
    "celu": (functional.celu, torch.celu, torch.celu_),
    "gelu": (functional.gelu,),
    "silu": (functional.silu,),
    "mish": (functional.mish,),
    "softplus": (functional.softplus,),
    "hard_tanh": (functional.hardtanh, functional.hardtanh_),
    "hard_sigmoid": (functional.hardsigmoid,),
}
_FUNCTIONS: dict[Any, str] = {call: name for name, calls in _CALLS.items() for call in calls}
_CLAMPS = (torch.clamp, torch.clamp_min, Tensor.clamp, Tensor.clamp_min, Tensor.clamp_)


class Watcher(TorchFunctionMode):
    """See what a module's activation functions put out, while it is entered."""

    def __init__(self, model: nn.Module, passes: Passes) -> None:
        """Take the module, and where to add what is seen in a pass; nothing is hooked yet."""
        super().__init__()
        self._seen: list[Seen] = []
        passes.append(self._seen)
        self._layers = {
            module: name
            for name, module in model.named_modules()
            if any(True for _ in module.parameters(recurse=False))
        }
        self._present: nn.Module | None = None
        self._hooks: list[Any] = []

    def __enter__(self) -> "Watcher":
        """Hook the layers and begin to watch."""
        for module in self._layers:
            self._hooks.append(module.register_forward_pre_hook(self._note))
            self._hooks.append(module.register_forward_hook(self._note))
        super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the module as it was."""
        super().__exit__(kind, error, trace)
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401, ARG002 - torch's form
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """Call a function of torch, and read what it returned if it is an activation."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = _FUNCTIONS.get(func)
        if name is None and func in _CLAMPS:  # a ReLU written by hand: x.clamp(min=0)
            name = "relu" if _is_relu(*args[1:], **kwargs) else None
        if name and isinstance(output, Tensor) and output.ndim and len(self._seen) < MOST_WATCHED:
            module = self._present
            layer = "" if module is None else self._layers[module]
            self._seen.append(see(layer, name, output, channels=_is_channels_first(module)))
        return output

    def _note(self, module: nn.Module, *_: Any) -> None:  # noqa: ANN401 - what the layer is given
        self._present = module


def _is_relu(
    low: Any = None,  # noqa: ANN401 - a number, a tensor or None
    high: Any = None,  # noqa: ANN401 - likewise
    **named: Any,  # noqa: ANN401 - likewise
) -> bool:
    low, high = named.get("min", low), named.get("max", high)
    return high is None and isinstance(low, int | float) and low == 0


def _is_channels_first(module: nn.Module | None) -> bool:
    """Say whether a layer's units are along the second axis: those of convolutions are."""
    if isinstance(module, _NormBase | nn.GroupNorm):
        return True
    return module is not None and any(p.ndim > 2 for p in module.parameters(recurse=False))
