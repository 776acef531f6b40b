"""What a torch module is made of, seen by calling a copy of it once.

Hooks tell which layer is at work, and a dispatch mode sees every operation: those that multiply
are counted by torch's own formulas, and each tensor is known by the step that it comes from. The
mode belongs to the calling thread, so a run that trains meanwhile is not disturbed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from maasnb.backends.anatomy import NOWHERE, Anatomy, Layer, Origins, Trace, owner_of
from maasnb.backends.calling import with_targets
from maasnb.backends.torch.calls import as_tensors, device_of, evaluating, plain
from maasnb.errors import ModelError
from maasnb.parts import Parts, arguments, leaves, mapped
from maasnb.tasks import Takes

__all__ = ["anatomy", "example"]

aten = torch.ops.aten

_ACTIVATIONS = (
    "relu", "sigmoid", "tanh", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus",
    "hardtanh", "hardsigmoid", "hardswish", "prelu", "glu",
)  # fmt: skip
_NAMES: dict[str, str] = {
    **{name: name for name in _ACTIVATIONS},
    **{name: name for name in ("add", "sub", "mul", "div", "cat", "stack", "where")},
    **{name: name for name in ("maximum", "minimum", "embedding")},
    **dict.fromkeys(("_softmax", "_safe_softmax"), "softmax"),
    "_log_softmax": "log_softmax",
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot"), "matmul"),
    **dict.fromkeys(("convolution", "_convolution"), "conv"),
    **dict.fromkeys(("native_layer_norm", "native_group_norm", "native_batch_norm"), "norm"),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool3d_with_indices"), "max_pool"),
    **dict.fromkeys(("avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d"), "avg_pool"),
    "mean": "mean",
}
_MATRICES_OF = {
    "mkldnn_rnn_layer": slice(1, 3),
    "_cudnn_rnn": slice(1, 2),
    "_lstm_mps": slice(2, 3),
}
"""Where among the arguments of a whole recurrent layer its weights are."""


def anatomy(
    model: nn.Module,
    inputs: Parts | None,
    targets: Parts | None,
    takes: Takes,
) -> Anatomy:
    """Return what a module is made of, by calling it; it is left as it was.

    Args:
        model: the module; nobody else may be using it.
        inputs: prepared examples [n, ...], or None not to call it.
        targets: their targets, for a module that must have them; else None.
        takes: what the module's input is.

    Raises:
        ModelError: a layer does not know its size yet, and was not called.
    """
    model = plain(model)
    if inputs is None:
        return Anatomy(layers=_layers(model))
    device = device_of(model)
    examples = as_tensors(inputs, takes, device)
    trace = Trace(type(model).__name__)
    mode = _Mode(trace)
    for number, part in enumerate(leaves(examples)):
        mode.put(part, frozenset({-1 - number}))
    hooks = list(_hooks(model, trace, mode))
    # With gradients: without, torch runs whole encoder layers as one operation, unseen.
    try:
        with evaluating(model), torch.enable_grad(), mode:
            answer = _called(model, examples, targets, device)
    finally:
        for hook in hooks:
            hook.remove()
    trace.steps[0].shape = _shape(answer)
    outputs = NOWHERE.union(*(mode.of(each) for each in _tensors(answer)))
    shapes = [tuple(part.shape) for part in leaves(examples)]
    return trace.finished(_layers(model), outputs, shapes)


def _called(model: nn.Module, examples: Parts, targets: Parts | None, device: torch.device) -> Any:  # noqa: ANN401 - whatever a module returns
    if targets is not None:
        whole = mapped(lambda part: torch.tensor(part).to(device), targets)
        long = mapped(lambda part: part if part.is_floating_point() else part.long(), whole)
        return with_targets(model, "forward", examples, long)
    given, named = arguments(examples)
    return model(*given, **named)


def example(model: nn.Module) -> np.ndarray[Any, Any] | None:
    """Return two inputs of zeros where the first layer with weights is a linear one, else None."""
    weighed = (
        each for each in model.modules() if any(True for _ in each.parameters(recurse=False))
    )
    first = next(weighed, None)
    if not isinstance(first, nn.Linear) or first.in_features == 0:  # a lazy one has no size yet
        return None
    return np.zeros((2, first.in_features), np.float32)


class _Mode(TorchDispatchMode):
    """Follow every tensor through every operation."""

    def __init__(self, trace: Trace) -> None:
        """Take where to note the steps."""
        super().__init__()
        self.trace = trace
        self.stack = [0]
        self._origins: dict[int, Origins] = {}
        self._writers: dict[int, set[int]] = {}
        self._kept: list[Tensor] = []  # so that no id comes twice

    def put(self, tensor: Tensor, origins: Origins) -> None:
        """Say where a tensor comes from."""
        self._origins[id(tensor)] = origins
        self._kept.append(tensor)

    def of(self, tensor: Tensor) -> Origins:
        """Return where a tensor comes from; what was written into its memory counts too."""
        return self._origins.get(id(tensor), NOWHERE) | self._writers.get(_memory(tensor), set())

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - an operation of torch's
        types: Any,  # noqa: ANN401, ARG002 - torch's form
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation returns
        """Call an operation and note what it did."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        given = _tensors((args, kwargs))
        self.trace.steps[self.stack[-1]].multiplications += _multiplications(
            func, args, kwargs, output
        )
        name = _name(func, args)
        found = self.trace.function(
            name, self.stack[-1], [self.of(each) for each in given], _shape(output)
        )
        written = [each for each in _tensors(output) if any(each is other for other in given)]
        for each in _tensors(output):
            self.put(each, found)
        for each in written:  # in place: whatever shares its memory has changed too
            self._writers.setdefault(_memory(each), set()).update(found)
        return output


def _hooks(model: nn.Module, trace: Trace, mode: _Mode) -> Iterator[Any]:
    """Note when each layer begins and ends; the model itself is step 0."""

    def entering(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - whatever it is given
            sources = NOWHERE.union(*(mode.of(each) for each in _tensors((args, kwargs))))
            number = trace.begin(path, type(module).__name__, mode.stack[-1], sources)
            mode.stack.append(number)

        return hook

    def leaving(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:  # noqa: ANN401 - torch's form
        number = mode.stack.pop()
        if trace.end(number, _shape(output)):
            for tensor in _tensors(output):
                mode.put(tensor, frozenset({number}))

    for path, module in model.named_modules():
        if path:
            yield module.register_forward_pre_hook(entering(path), with_kwargs=True)
            yield module.register_forward_hook(leaving, with_kwargs=True)


def _layers(model: nn.Module) -> tuple[Layer, ...]:
    lazy = [name for name, each in model.named_parameters() if is_lazy(each)]
    if lazy:
        message = (
            f"The size of {lazy[0]!r} is not known before the model is called. Give an example: "
            'mb.inspect(model, "summary", data=data)'
        )
        raise ModelError(message)
    modules = dict(model.named_modules())
    parameters, buffers, tied = dict(model.named_parameters()), dict(model.named_buffers()), {}
    for name, _ in model.named_parameters(remove_duplicate=False):
        path = name.rpartition(".")[0]
        if name not in parameters and path in modules:  # else the module itself is there twice
            tied.setdefault(path, []).append(name)
    owned: dict[str, list[tuple[str, Tensor]]] = {}
    for name, tensor in (*parameters.items(), *buffers.items()):
        owned.setdefault(owner_of(name, modules), []).append((name, tensor))
    return tuple(
        _layer(path, type(module).__name__, owned.get(path, []), parameters, tied.get(path, []))
        for path, module in modules.items()
    )


def _layer(
    path: str,
    kind: str,
    owned: list[tuple[str, Tensor]],
    parameters: dict[str, Any],
    tied: list[str],
) -> Layer:
    own = [tensor for name, tensor in owned if name in parameters]
    return Layer(
        path=path,
        type=kind,
        parameters=sum(each.numel() for each in own),
        trainable=sum(each.numel() for each in own if each.requires_grad),
        size_bytes=sum(each.numel() * each.element_size() for _, each in owned),
        tied=tuple(tied),
    )


def _multiplications(func: Any, args: Any, kwargs: Any, output: Any) -> float:  # noqa: ANN401 - an operation's
    """Return the multiplications of an operation; torch counts two operations for each."""
    packet = func._overloadpacket
    if packet in flop_registry:
        return flop_registry[packet](*args, **kwargs, out_val=output) / 2
    name = packet.__name__
    if name in ("mv", "addmv", "dot"):
        left = args[1] if name == "addmv" else args[0]
        return float(left.numel())
    if name in _MATRICES_OF:  # each position goes through every matrix once
        positions = args[0].shape[0] * args[0].shape[1]
        matrices = [each for each in _tensors(args[_MATRICES_OF[name]]) if each.ndim == 2]
        return float(positions * sum(each.numel() for each in matrices))
    if "attention" in name:  # queries by keys, and their weights by values
        query, key = args[0], args[1]
        return 2.0 * query.numel() * key.shape[-2]
    return 0.0


def _name(func: Any, args: Any) -> str | None:  # noqa: ANN401 - an operation's
    """Return what a person calls an operation; None for one that is not worth a step."""
    name = func._overloadpacket.__name__
    if name == "clamp_min" or (name == "clamp" and len(args) == 2):
        return "relu" if args[1] == 0 else None
    if name.startswith("_scaled_dot_product"):
        return "attention"
    return _NAMES.get(name) or _NAMES.get(name.removesuffix("_"))


def _tensors(tree: Any) -> list[Tensor]:  # noqa: ANN401 - anything
    return [each for each in tree_leaves(tree) if isinstance(each, Tensor)]


def _shape(output: Any) -> tuple[int, ...] | None:  # noqa: ANN401 - anything
    """Return the shape of an output, or of the first array of several."""
    found = _tensors(output)
    return tuple(found[0].shape) if found else None


def _memory(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # a sparse one has none
        return -id(tensor)
