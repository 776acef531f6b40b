"""The verb `source`: a model that `mb.build` made as the plain code of its framework."""

from typing import Any

from maasnb.backends import backend_of
from maasnb.errors import ModelError

__all__ = ["Source", "source"]


class Source(str):
    """Be Python code that a notebook shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the code."""
        return str(self).rstrip()


def source(model: Any) -> Source:  # noqa: ANN401 - a torch.nn.Module or a flax nnx.Module
    """Write a model that mb.build made as plain torch or flax code, to copy into a cell.

    Args:
        model: the model; its weights are no part of the code.

    Returns:
        The code, a text: a class `Net` without maasnb, and the line `net = Net()`. Its parameters
        have the names of the model's.

    Raises:
        ModelError: the model is not one that `mb.build` made.
    """
    backend = backend_of(model)
    spec = backend.spec(model)
    if spec is None:
        message = (
            f"This {type(model).__name__} was not made by mb.build, so that its source is its own "
            "class. Type: import inspect; print(inspect.getsource(type(model)))"
        )
        raise ModelError(message)
    return Source(backend.source(spec))
