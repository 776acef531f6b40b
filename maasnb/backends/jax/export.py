"""A flax model as a StableHLO program of any batch, head included, made by `jax.export`."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import export

from maasnb.backends.jax.calls import call
from maasnb.backends.jax.losses import head
from maasnb.backends.jax.streams import Streams
from maasnb.backends.protocol import Array, ProgramFile
from maasnb.errors import ExportError
from maasnb.tasks import Task

__all__ = ["PLATFORMS", "evaluated", "export_stablehlo"]

PLATFORMS = ("cpu", "cuda", "tpu")


def export_stablehlo(model: nnx.Module, task: Task, inputs: Array) -> ProgramFile:
    """Return the model as StableHLO: inputs [batch, ...] -> [batch, outputs].

    Args:
        model: the trained module; it is not changed.
        task: what it was trained for.
        inputs: prepared examples [n, ...], of one part; only their shape is used.

    Raises:
        ExportError: JAX cannot export the model; carries JAX's reason.
    """
    program, dtype = evaluated(model, task)
    (batch,) = export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, *inputs.shape[1:]), dtype)
    try:
        with _no_sources(), jax.default_matmul_precision("highest"):  # wherever it will run
            exported = export.export(jax.jit(program), platforms=PLATFORMS)(shape)
        return ProgramFile(format="stablehlo", content=bytes(exported.serialize()))
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0].strip()[:300].rstrip(".") if lines else type(error).__name__
        message = (
            f"This {type(model).__name__} cannot be exported to StableHLO: {reason}. "
            "__call__ must be traceable by jax.jit for a batch of any size: no Python branches on "
            "array values, no host callbacks, and sizes taken from x.shape, not from len(x)."
        )
        raise ExportError(message) from error


def evaluated(model: nnx.Module, task: Task) -> tuple[Callable[[Any], Any], np.dtype[Any]]:
    """Return what an evaluated model computes, head included, as a function of its inputs alone.

    Args:
        model: the trained module; it is not changed.
        task: what it was trained for.

    Returns:
        The function, and the type of its inputs [batch, ...].
    """
    still = nnx.clone(model)
    still.eval()
    graph, random, rest = nnx.split(still, nnx.RngState, ...)
    constants, streams = jax.device_get(rest), Streams.of(random)

    def program(inputs: jax.Array) -> jax.Array:
        # Keys cannot be stored in a program; an evaluated model draws nothing, so any will do.
        return head(
            task, call(nnx.merge(graph, streams.at(0, 0), constants, copy=True), inputs, task.kind)
        )

    return program, np.dtype(np.int32 if task.takes == "int32" else np.float32)


@contextlib.contextmanager
def _no_sources() -> Iterator[None]:
    """Leave out the stack traces: they name files of this machine and change with the line."""
    limit = jax.config.jax_traceback_in_locations_limit  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", limit)
