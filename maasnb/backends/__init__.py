"""The seam between maasnb and the frameworks, and how a model finds the right one."""

import importlib
import importlib.util
import sys
from functools import cache

from maasnb.backends.protocol import Backend
from maasnb.errors import ModelError, described, missing_package, unknown_name

__all__ = ["BACKENDS", "backend_named", "backend_of", "installed_backends"]

BACKENDS = {"jax": ("flax", "maasnb.backends.jax"), "torch": ("torch", "maasnb.backends.torch")}
"""Name -> the package that must be installed, and the module that holds `backend()`."""


def installed_backends() -> tuple[str, ...]:
    """Return the names of the backends whose framework is installed, without importing it."""
    return tuple(
        name for name, (package, _) in BACKENDS.items() if importlib.util.find_spec(package)
    )


@cache
def backend_named(name: str) -> Backend:
    """Return the backend of that name, importing its framework.

    Raises:
        UnknownNameError: there is no such backend.
        MissingPackageError: its framework is not installed; names the pip command.
    """
    if name not in BACKENDS:
        raise unknown_name("backend", name, BACKENDS)
    package, module = BACKENDS[name]
    if not importlib.util.find_spec(package):
        raise missing_package(f"The {name} backend", package, name)
    return importlib.import_module(module).backend()


def backend_of(model: object) -> Backend:
    """Return the backend that a model object belongs to.

    Raises:
        ModelError: the object is no model of an installed framework.
    """
    for name, (package, _) in BACKENDS.items():
        # A model can only exist where its framework was imported; do not import the other one.
        if package in sys.modules and backend_named(name).owns(model):
            return backend_named(name)
    message = (
        f"{described(model)} is not a model; expected a torch.nn.Module "
        f"or a flax nnx.Module (installed backends: {', '.join(installed_backends()) or 'none'}). "
        "Type: mb.build([...], data=data), or give a module of your own."
    )
    raise ModelError(message)
