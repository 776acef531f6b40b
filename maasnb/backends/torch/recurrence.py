"""ONNX's recurrent operators in the place of torch's, while a model is exported.

torch's exporter follows an LSTM, a GRU or an RNN step by step, to know the shapes: a GRU of 200
steps took half a minute, and an RNN became a program of a thousand nodes. Here each layer is one
node from the beginning, however long the sequences are. What has no such operator (packed
sequences, projections) is left to the exporter, and so is everything where torch is older than 2.8.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["RecurrentOperators"]

_KINDS = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}
# Where torch's gates stand in ONNX's order: input, output, forget, cell; update, reset, new.
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


class RecurrentOperators(TorchFunctionMode):
    """Have torch's recurrent functions become nodes of the program that is being exported."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],  # noqa: ARG002 - torch's own
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """Return what a function of torch returns."""
        name = getattr(func, "__name__", "")
        if name in _KINDS and not kwargs and _is_plain(name, args):
            return _layers(name, *args)
        return func(*args, **(kwargs or {}))


def _is_plain(name: str, args: Sequence[Any]) -> bool:
    """Say whether sequences of one length go in, in evaluation, without a projection."""
    if len(args) != 9 or not hasattr(torch.onnx, "ops"):
        return False
    _, state, weights, bias, layers, _, train, bidirectional, _ = args
    one_length = isinstance(state, tuple | list) == (name == "lstm")
    if not one_length or not isinstance(weights, tuple | list) or train:
        return False
    return len(weights) == layers * (1 + bidirectional) * (4 if bias else 2)


def _layers(
    name: str,
    x: Tensor,
    state: Tensor | Sequence[Tensor],
    weights: Sequence[Tensor],
    bias: bool,  # noqa: FBT001 - as torch passes it
    layers: int,
    _dropout: float,
    _train: bool,  # noqa: FBT001 - likewise
    bidirectional: bool,  # noqa: FBT001 - likewise
    batch_first: bool,  # noqa: FBT001 - likewise
) -> tuple[Tensor, ...]:
    """Return the outputs of all steps and the last states, as torch's function does."""
    ways = 2 if bidirectional else 1
    states: Sequence[Tensor] = (state,) if isinstance(state, Tensor) else state
    x = x.transpose(0, 1) if batch_first else x
    ends = []
    a_way = 4 if bias else 2
    for layer in range(layers):
        places = range(layer * ways, (layer + 1) * ways)
        mine = [weights[place * a_way : (place + 1) * a_way] for place in places]
        begin = [each[places.start : places.stop] for each in states]
        outputs, *end = _layer(name, x, begin, mine)
        # [steps, ways, batch, units], as ONNX has it, to torch's [steps, batch, ways * units].
        x = outputs.transpose(1, 2).flatten(2)
        ends.append(end)
    joined = (torch.cat(each) for each in zip(*ends, strict=True))
    return x.transpose(0, 1) if batch_first else x, *joined


def _layer(
    name: str, x: Tensor, begin: Sequence[Tensor], weights: Sequence[Sequence[Tensor]]
) -> Sequence[Tensor]:
    kind = _KINDS[name]
    inward, recurrent, *biases = (
        [_in_order(each, kind) for each in both] for both in zip(*weights, strict=True)
    )
    units = recurrent[0].shape[1]
    added = [torch.cat(each) for each in zip(*biases, strict=True)]
    inputs = [x, torch.stack(inward), torch.stack(recurrent), torch.stack(added) if added else None]
    attributes: dict[str, Any] = {
        "hidden_size": units,
        "direction": "bidirectional" if len(weights) == 2 else "forward",
    }
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    if name == "rnn_relu":
        attributes["activations"] = ["Relu"] * len(weights)
    steps, batch = x.shape[:2]
    end = (len(weights), batch, units)
    return torch.onnx.ops.symbolic_multi_out(
        kind,
        [*inputs, None, *begin],
        attributes,
        dtypes=[x.dtype] * (1 + len(begin)),
        shapes=[(steps, *end), *[end] * len(begin)],
    )


def _in_order(weight: Tensor, kind: str) -> Tensor:
    """Return a weight or bias with its gates in ONNX's order."""
    order = _GATES[kind]
    parts = weight.chunk(len(order))
    return torch.cat([parts[place] for place in order])
