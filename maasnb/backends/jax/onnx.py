"""A flax model as an ONNX program of any batch, head included, converted by jax2onnx.

jax2onnx is given primitives alone: the model is traced here, what no output needs is taken out (the
random streams of a recurrent layer among it), calls are inlined, and only then is it converted.
That is faster than its own tracing, which replaces functions of flax by operators, and knows more
models: those functions accept fewer arguments than flax's own.
"""

import contextlib
import functools
import importlib
import importlib.util
import logging
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import export
from jax.interpreters import partial_eval

from maasnb.backends.jax.export import evaluated
from maasnb.backends.protocol import Array, ProgramFile
from maasnb.errors import missing_package
from maasnb.tasks import Task

__all__ = ["TOLERANCE", "export_onnx"]

TOLERANCE = 1e-5
"""The largest difference to the model's own answers; relative for numbers above 1."""
BATCHES = (1, 2, 3)
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}
"""Primitive that only calls others -> the parameter that holds them."""


def export_onnx(model: nnx.Module, task: Task, inputs: Array, expected: Array) -> ProgramFile | str:
    """Return the model as ONNX: inputs [batch, ...] -> [batch, outputs], or why it cannot be.

    Args:
        model: the trained module; it is not changed.
        task: what it was trained for.
        inputs: prepared examples [n, ...], of one part.
        expected: the model's own answers to them; the program must reproduce them.

    Returns:
        The program; in words what is missing and the way out where there is none.
    """
    if importlib.util.find_spec("jax2onnx") is None:
        return str(missing_package("Exporting a flax model to ONNX", "jax2onnx", "jax-onnx"))
    program, dtype = evaluated(model, task)
    try:
        with _quiet():
            content = _converted(program, inputs.shape[1:], dtype, task.output_name)
            gap = _difference(content, inputs.astype(dtype), expected)
    except Exception as error:  # noqa: BLE001 - the converter may raise anything
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:300].rstrip(".") if lines else type(error).__name__
        return (
            f"jax2onnx cannot convert this {type(model).__name__}: {reason}. Publish to a server "
            "that runs StableHLO (maasnb serve --runtimes onnx,stablehlo), or build the model of "
            "other operators."
        )
    if not gap <= TOLERANCE:
        return (
            f"what jax2onnx makes of this {type(model).__name__} answers otherwise, by {gap:.3g}. "
            "Publish to a server that runs StableHLO (maasnb serve --runtimes onnx,stablehlo)."
        )
    return ProgramFile(format="onnx", content=content)


def _converted(
    program: Callable[[Any], Any], shape: Sequence[int], dtype: np.dtype[Any], output: str
) -> bytes:
    from jax2onnx import to_onnx  # noqa: PLC0415 - an extra, which takes time to import

    (batch,) = export.symbolic_shape("batch")
    given = jax.ShapeDtypeStruct((batch, *shape), dtype)
    traced = jax.make_jaxpr(program)(given)
    needed, _ = partial_eval.dce_jaxpr(
        traced.jaxpr, [True] * len(traced.jaxpr.outvars), instantiate=True
    )

    def primitives(x: Any) -> Any:  # noqa: ANN401 - a traced array
        return _evaluate(needed, traced.consts, [x])[0]

    with _only_primitives():
        model: Any = to_onnx(
            primitives,
            [given],
            model_name="model",
            input_names=["inputs"],
            output_names=[output],
        )
    for node in (*model.graph.node, *(node for f in model.functions for node in f.node)):
        del node.metadata_props[:]  # stack traces name files of this machine
        node.doc_string = ""
    return model.SerializeToString(deterministic=True)


def _evaluate(jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:  # noqa: ANN401 - JAX's
    """Apply a program's primitives one after the other, those of calls inside it too."""
    values: dict[Any, Any] = {}

    def read(variable: Any) -> Any:  # noqa: ANN401 - a variable or a literal
        return variable.val if hasattr(variable, "val") else values[variable]

    values.update(zip(jaxpr.constvars, constants, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))
    for equation in jaxpr.eqns:
        given = [read(variable) for variable in equation.invars]
        inner = equation.params.get(CALLS.get(equation.primitive.name, ""))
        if inner is not None:
            found = _evaluate(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), given)
        else:
            found = _apply(equation, given)
        values.update(zip(equation.outvars, found, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _apply(equation: Any, given: Sequence[Any]) -> list[Any]:  # noqa: ANN401 - JAX's
    primitive, params = equation.primitive, equation.params
    if primitive.name in ("reduce_window_max", "reduce_window_sum") and _is_pooling(params):
        return [_pooled(given[0], params, primitive)]
    bound = primitive.get_bind_params(params)
    functions, bound = bound if isinstance(bound, tuple) else ((), bound)  # of an older JAX
    result = primitive.bind(*functions, *given, **bound)
    return list(result) if primitive.multiple_results else [result]


def _is_pooling(params: dict[str, Any]) -> bool:
    """Say whether a window covers one example and one channel, in the layout of flax."""
    window, strides = params["window_dimensions"], params["window_strides"]
    padding = params["padding"]
    ends = all(
        (window[end], strides[end], tuple(padding[end])) == (1, 1, (0, 0)) for end in (0, -1)
    )
    plain = set(params["base_dilation"]) == {1} == set(params["window_dilation"])
    return len(window) in (3, 4) and ends and plain


def _pooled(x: Any, params: dict[str, Any], primitive: Any) -> Any:  # noqa: ANN401 - traced arrays
    """Pool over channels as over examples: ONNX knows windows over at most three axes."""
    inner = len(params["window_dimensions"]) - 2
    ahead = jnp.moveaxis(x, -1, 1)
    size = ahead.shape
    flat = ahead.reshape(size[0] * size[1], *size[2:])
    narrowed: dict[str, Any] = {name: (1, *params[name][1:-1]) for name in _WINDOW}
    narrowed["padding"] = ((0, 0), *params["padding"][1:-1])
    pooled = primitive.bind(flat, **{**params, **narrowed})
    return jnp.moveaxis(pooled.reshape(*size[:2], *pooled.shape[1 : 1 + inner]), 1, -1)


_WINDOW = ("window_dimensions", "window_strides", "base_dilation", "window_dilation")


def _difference(content: bytes, inputs: Array, expected: Array) -> float:
    """Return by how much an ONNX program's answers differ from the model's own."""
    import onnxruntime  # noqa: PLC0415 - only an export needs it here

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(
        content, sess_options=options, providers=["CPUExecutionProvider"]
    )
    worst = 0.0
    for rows in sorted({min(rows, len(inputs)) for rows in (*BATCHES, len(inputs))}):
        found, wanted = np.asarray(session.run(None, {"inputs": inputs[:rows]})[0]), expected[:rows]
        if found.shape != wanted.shape:
            return float("inf")
        gaps = np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))
        worst = max(worst, float(gaps.max())) if np.isfinite(gaps).all() else float("inf")
    return worst


@contextlib.contextmanager
def _only_primitives() -> Iterator[None]:
    """Have jax2onnx load what knows primitives, not also flax, equinox, dm_pix and its examples.

    That takes a third of a second instead of six, and needs none of those packages. Where its
    inside has changed it loads everything, as it does by itself.
    """
    from jax2onnx.plugins import plugin_system  # noqa: PLC0415 - as above

    _load_primitives()
    before = getattr(plugin_system, "_already_imported_plugins", None)
    plugin_system._already_imported_plugins = True
    try:
        yield
    finally:
        plugin_system._already_imported_plugins = before


@functools.cache
def _load_primitives() -> None:
    for name in ("lax", "core"):
        package: ModuleType = importlib.import_module(f"jax2onnx.plugins.jax.{name}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            with contextlib.suppress(Exception):  # of a newer or an older JAX
                importlib.import_module(found.name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converter's logs and warnings out of the notebook."""
    loggers = [logging.getLogger(name) for name in ("jax2onnx", "onnx_ir", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
