"""How a module of anyone's is called: what it is given, and which part of its answer is what.

Nothing here knows a framework. A model may return an array, a tuple, a mapping or an object with
fields, as libraries do; its outputs are the array that is named or comes first. A model that takes
targets, as `forward(idx, targets=None)` or `forward(..., labels=None)`, brings a loss of its own;
so does one with a method `loss`.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from maasnb.parts import Parts, arguments

__all__ = [
    "Asked",
    "has_own_loss",
    "loss_and_outputs",
    "outputs_of",
    "target_parameter",
    "with_targets",
]

_TARGET_NAMES = ("targets", "labels", "target", "y")
_OUTPUT_NAMES = ("logits", "outputs", "output", "prediction_logits", "last_hidden_state")

IsArray = Callable[[Any], bool]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Say what a model answered when it was asked about two examples.

    Attributes:
        output_shape: the shape of one example's output; None where it is no one array.
        takes: as in `Task`: what its input is.
    """

    output_shape: tuple[int, ...] | None
    takes: Any


def target_parameter(function: Callable[..., Any]) -> str | None:
    """Return the parameter by which a model's call takes targets; None if it takes none.

    >>> target_parameter(lambda self, idx, targets=None: None)
    'targets'
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    names = list(parameters)[2:]  # the first two are the object and its input
    return next((name for name in _TARGET_NAMES if name in names), None)


def has_own_loss(cls: type, method: str) -> bool:
    """Say whether models of a class bring a loss; `method` is what a call of a model runs."""
    return target_parameter(getattr(cls, method)) is not None or callable(
        getattr(cls, "loss", None)
    )


def with_targets(model: Any, method: str, inputs: Parts, targets: Parts) -> Any:  # noqa: ANN401 - any model, and what it answers
    """Call a model of an own loss with targets; return what it answered."""
    given, named = arguments(inputs)
    owner = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    name = target_parameter(getattr(type(owner), method))
    if name is not None:
        return model(*given, **named, **{name: targets})
    return owner.loss(*given, targets, **named)


def outputs_of(answer: Any, is_array: IsArray) -> Any:  # noqa: ANN401 - whatever a model returned
    """Return the array among a model's answer that is its output; None if there is none."""
    if is_array(answer):
        return answer
    for name in _OUTPUT_NAMES:
        found = answer.get(name) if isinstance(answer, Mapping) else getattr(answer, name, None)
        if is_array(found):
            return found
    several: tuple[Any, ...] = ()
    if isinstance(answer, Mapping):
        several = tuple(part for name, part in answer.items() if name != "loss")
    elif isinstance(answer, tuple | list):
        several = tuple(answer)
    return next((part for part in several if is_array(part) and part.ndim), None)


def loss_and_outputs(answer: Any, is_array: IsArray) -> tuple[Any, Any]:  # noqa: ANN401 - whatever a model returned
    """Return the loss and the outputs among the answer of a model that was given targets.

    Either may be None. The loss is what is called so, or the one array without axes, or the whole
    answer.
    """
    if is_array(answer):
        return answer, None
    if isinstance(answer, Mapping):
        loss = answer.get("loss")
    else:
        loss = getattr(answer, "loss", None)
    if not is_array(loss) and isinstance(answer, tuple | list):
        single = [part for part in answer if is_array(part) and not part.ndim]
        loss = single[0] if len(single) == 1 else None
    return (loss if is_array(loss) else None), outputs_of(answer, is_array)
