"""A flax module is called: what it is given, and how its answer is taken apart."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from maasnb.backends.calling import Asked, loss_and_outputs, outputs_of, with_targets
from maasnb.backends.protocol import Array
from maasnb.errors import ShapeError
from maasnb.parts import Parts, arguments, leaves, mapped
from maasnb.tasks import Kind, Takes

__all__ = ["as_given", "ask", "call", "call_with_loss", "evaluation_parts", "exact", "traced_once"]


def is_array(value: object) -> bool:
    """Say whether something is an array, or stands for one while it is traced."""
    return isinstance(value, jax.Array)


def evaluation_parts(model: nnx.Module) -> tuple[Any, Any]:
    """Return a module's graph and state in evaluation mode; the module is not changed."""
    still = nnx.clone(model)
    still.eval()
    return nnx.split(still)


def exact() -> contextlib.AbstractContextManager[None]:
    """Compute in whole float32 on an accelerator too, where XLA multiplies with fewer bits.

    What a model answers is then the same wherever it is asked, to the last digits: a published
    program is compared with it.
    """
    if jax.default_backend() == "cpu":
        return contextlib.nullcontext()
    return jax.default_matmul_precision("highest")


def as_given(inputs: Parts, takes: Takes) -> Parts:
    """Return prepared inputs in the type that the model takes."""

    def converted(part: Array) -> Array:
        return part.astype(np.float32) if takes == "float32" else part

    return mapped(converted, inputs)


def call(model: Any, inputs: Parts, kind: Kind) -> Any:  # noqa: ANN401 - a module, and what it answers
    """Return a module's output: the array that is it, or all that a loss of one's own takes."""
    given, named = arguments(inputs)
    answer = model(*given, **named)
    if kind == "own" or is_array(answer):
        return answer
    found = outputs_of(answer, is_array)
    return answer if found is None else found


def call_with_loss(model: Any, inputs: Parts, targets: Parts) -> tuple[jax.Array, Any]:  # noqa: ANN401 - likewise
    """Return the loss and the outputs of a module that has a loss of its own.

    Raises:
        ShapeError: it returned no loss.
    """
    answer = with_targets(model, "__call__", inputs, targets)
    loss, outputs = loss_and_outputs(answer, is_array)
    if loss is None:
        message = (
            f"{type(model).__name__} returned no loss when it was called with targets; expected a "
            "scalar, (outputs, loss), or an object with a field loss. Or give a loss by name: "
            'loss="cross_entropy"'
        )
        raise ShapeError(message)
    return loss, outputs


def ask(model: nnx.Module, inputs: Parts, targets: Parts | None) -> Asked:
    """Trace a module on two examples; tokens are tried where it cannot take numbers.

    Raises:
        ShapeError: it takes neither.
    """
    whole = isinstance(inputs, np.ndarray) and inputs.dtype.kind in "iu"
    kinds: tuple[Takes, ...] = ("float32", "int32") if whole else ("float32",)
    if not isinstance(inputs, np.ndarray):
        kinds = ("parts",)
    graph, state = evaluation_parts(model)
    error: Exception | None = None
    for takes in kinds:
        try:
            output = traced_once(_answer, graph, (state, as_given(inputs, takes), targets))
        except ShapeError:
            raise
        except Exception as reason:  # noqa: BLE001 - a module may raise anything
            error = reason  # of the last kind: tokens, where there are some
            continue
        rows = len(leaves(inputs)[0])
        fits = isinstance(output, jax.ShapeDtypeStruct) and output.shape[:1] == (rows,)
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


def traced_once(function: Callable[..., Any], graph: Any, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401 - flax's types, and what the function returns
    """Call `function(graph, *arguments)` for shapes alone, once for all models of one structure.

    Tracing a model takes tens of milliseconds, which a run of a model that was trained before need
    not spend again.
    """
    leaves, tree = jax.tree.flatten(arguments)
    shapes = tuple((jnp.shape(leaf), leaf.dtype) for leaf in leaves)
    try:
        hash(graph)
    except TypeError:  # a module of the user's own may hold attributes that cannot be hashed
        return _traced.__wrapped__(function, graph, tree, shapes)
    return _traced(function, graph, tree, shapes)


@functools.lru_cache(maxsize=64)
def _traced(function: Callable[..., Any], graph: Any, tree: Any, shapes: tuple[Any, ...]) -> Any:  # noqa: ANN401 - likewise
    given = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    return function(graph, *jax.tree.unflatten(tree, given))


def _answer(graph: Any, state: Any, inputs: Parts, targets: Parts | None) -> Any:  # noqa: ANN401 - likewise
    """Return the shape of a module's output."""

    def answered(state: Any, inputs: Parts, targets: Parts | None) -> Any:  # noqa: ANN401 - likewise
        merged = nnx.merge(graph, state, copy=True)
        if targets is None:
            return call(merged, inputs, "classification")
        return call_with_loss(merged, inputs, targets)[1]

    return jax.eval_shape(answered, state, inputs, targets)
