"""The verb `convert`: a model that `mb.build` made becomes the same one of another framework."""

from typing import Any

from maasnb.backends import backend_named, backend_of
from maasnb.errors import ModelError

__all__ = ["convert"]


def convert(model: Any, backend: str) -> Any:  # noqa: ANN401 - a torch.nn.Module or a flax nnx.Module
    """Turn a model that mb.build made into the same model of another framework.

    Args:
        model: the model; it is not changed.
        backend: torch or jax.

    Returns:
        A module of that framework with the same layers and copies of the weights and buffers; its
        outputs agree to 1e-5. On the CPU, in training mode.

    Raises:
        ModelError: the model is not one that `mb.build` made, or was changed since.
        UnknownNameError: there is no such backend.
        MissingPackageError: the backend's framework is not installed.
    """
    old, new = backend_of(model), backend_named(backend)
    spec = old.spec(model)
    if spec is None:
        message = (
            f"This {type(model).__name__} cannot be converted: only models that mb.build made are "
            "known layer by layer. Write the module again for the other framework, or build it "
            f'from layers. Type: mb.build([mb.Dense(64, "relu"), mb.Dense(10)], backend="{backend}"'
            ", data=data)"
        )
        raise ModelError(message)
    made = new.build(spec, 0)
    new.set_shared_weights(made, old.shared_weights(model))
    return made
