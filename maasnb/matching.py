"""What a model is trained for, found by asking it about two examples of the data."""

from typing import Any

from maasnb.backends.protocol import Backend
from maasnb.datasets.loading import Data
from maasnb.errors import OptionError
from maasnb.parts import taken
from maasnb.tasks import Task, make_task

__all__ = ["match_task"]


def match_task(backend: Backend, model: Any, data: Data, loss: Any) -> Task:  # noqa: ANN401 - a native module, a name or a function
    """Return the task that a model and data make together.

    Args:
        backend: the model's backend.
        model: the model.
        data: the data.
        loss: as `mb.train` takes it: a name, `"auto"`, or a function of outputs and targets.

    Raises:
        OptionError: the model is to be trained by a loss of its own and has none, or the data needs
            one and none is given.
        ShapeError: the model does not fit the data.
        UnknownNameError: there is no such loss.
    """
    own = backend.has_own_loss(model)
    if loss == "model" and not own:
        message = (
            f"loss='model' cannot be used: {type(model).__name__} takes no targets and has no "
            "method loss. Give it a parameter targets=None with which it returns (outputs, loss), "
            'or type: loss="cross_entropy"'
        )
        raise OptionError(message)
    if data.kind == "own" and not callable(loss) and not own:
        message = (
            "Targets of several parts need a loss of your own. Type: loss=lambda outputs, targets: "
            "..., or give the model a parameter targets=None with which it returns (outputs, loss)"
        )
        raise OptionError(message)
    by_model = loss == "model" or (loss == "auto" and own)
    two = slice(0, 2)
    asked = backend.ask(
        model,
        taken(data.train.inputs, two),
        taken(data.train.targets, two) if by_model else None,
    )
    labels = data.labels
    if data.kind == "classification" and not labels:  # a stream does not say how many there are
        shape = asked.output_shape or (2,)
        width = 2 if shape[-1] == 1 else shape[-1]
        labels = tuple(str(number) for number in range(width))
    return make_task(
        kind=data.kind,
        labels=labels,
        targets=data.target_width,
        output_shape=asked.output_shape,
        final_activation=backend.final_activation(model),
        loss="model" if by_model else "auto" if callable(loss) else loss,
        positions=data.positions,
        takes=asked.takes,
    )
