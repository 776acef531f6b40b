"""What a flax module is made of, seen by tracing a copy of it once; nothing is computed.

Each module of the copy gets a class of its own, whose call opens a named scope, so that every
equation of the traced program says in whose call it was made, inside loops and transformed
functions too. A walk through the equations counts multiplications and follows the values.
"""

import functools
import itertools
import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend import core

from maasnb.backends.anatomy import (
    NOWHERE,
    Anatomy,
    Layer,
    Origins,
    Trace,
    matrix_multiplications,
    owner_of,
)
from maasnb.backends.calling import with_targets
from maasnb.backends.jax.calls import as_given, evaluation_parts
from maasnb.backends.jax.layers.composition import Stack
from maasnb.parts import Parts, arguments
from maasnb.tasks import Takes

__all__ = ["anatomy", "example"]

_FUNCTIONS = (
    "relu", "relu6", "sigmoid", "tanh", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus",
    "mish", "celu", "softmax", "log_softmax", "hard_tanh", "hard_sigmoid",
)  # fmt: skip
_CALLS: dict[str, str] = {**{name: name for name in _FUNCTIONS}, "swish": "silu"}
_NAMES = {
    **{name: name for name in ("add", "sub", "mul", "div", "tanh")},
    "concatenate": "cat",
    "conv_general_dilated": "conv",
    "dot_general": "matmul",
    "logistic": "sigmoid",
    "max": "maximum",
    "min": "minimum",
    "reduce_window_max": "max_pool",
    "reduce_window_sum": "avg_pool",
}
_GATES = ("tanh", "erf", "erfc")
_SCOPE = re.compile(r"maasnb#(\d+)#")


def anatomy(
    model: nnx.Module, inputs: Parts | None, targets: Parts | None, takes: Takes
) -> Anatomy:
    """Return what a module is made of, by tracing its call; it is not changed.

    Args:
        model: the module.
        inputs: prepared examples [n, ...], or None not to call it.
        targets: their targets, for a module that must have them; else None.
        takes: what the module's input is.
    """
    layers = _layers(model)
    if inputs is None:
        return Anatomy(layers=tuple(layers))
    graph, state = evaluation_parts(model)
    given = as_given(inputs, takes)
    calls = _Calls()

    def called(state: Any, given: Parts, targets: Parts | None) -> Any:  # noqa: ANN401 - flax's types
        copy = nnx.merge(graph, state, copy=True)
        calls.watch(copy)
        if targets is not None:
            answer = with_targets(copy, "__call__", given, targets)
        else:
            some, named = arguments(given)
            answer = copy(*some, **named)
        return [leaf for leaf in jax.tree.leaves(answer) if isinstance(leaf, jax.Array)]

    closed = jax.make_jaxpr(called)(state, given, targets)
    trace = Trace(type(model).__name__)
    parts = jax.tree.leaves(given)
    origins = [NOWHERE] * len(jax.tree.leaves(state))
    origins += [frozenset({-1 - number}) for number in range(len(parts))]
    origins += [NOWHERE] * (len(closed.jaxpr.invars) - len(origins))
    outputs = _Walk(trace, calls).through(closed.jaxpr, origins, (), 1.0, {})
    trace.steps[0].shape = tuple(closed.out_avals[0].shape) if closed.out_avals else None
    shapes = [tuple(part.shape) for part in parts]
    return trace.finished(layers, NOWHERE.union(*outputs), shapes)


def example(model: Any) -> np.ndarray[Any, Any] | None:  # noqa: ANN401 - a module
    """Return two inputs of zeros where the first layer with weights is a linear one, else None."""
    if isinstance(model, Stack):
        return np.zeros((2, *model.spec.input), np.float32)
    while not isinstance(model, nnx.Linear):
        inside = (each for each in vars(model).values() if isinstance(each, nnx.Module))
        model = next((each for each in inside if nnx.state(each, nnx.Param)), None)
        if model is None:
            return None
    return np.zeros((2, model.in_features), np.float32)


class _Call:
    """Hold one call of a layer, as it was traced."""

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self.alone = True
        self.shape: tuple[int, ...] | None = None


class _Calls:
    """Number the calls of layers while a program is traced."""

    def __init__(self) -> None:
        self.made: dict[int, _Call] = {}
        self._stack: list[_Call] = []
        self._numbers = itertools.count()

    def watch(self, model: Any) -> None:  # noqa: ANN401 - a module
        """Give each module inside a copy a class whose calls are noted."""
        for path, module in list(nnx.iter_modules(model)):
            if path and callable(module):
                name = ".".join(map(str, path))
                object.__setattr__(module, "__class__", self._noting(type(module), name))

    def _noting(self, cls: type, path: str) -> type:
        plain = cls.__call__

        @functools.wraps(plain)
        def noted(module: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any call
            number, call = next(self._numbers), _Call(path, cls.__name__)
            self.made[number] = call
            if self._stack:
                self._stack[-1].alone = False
            self._stack.append(call)
            try:
                with jax.named_scope(f"maasnb#{number}#"):
                    answer = plain(module, *args, **kwargs)
                    call.shape = _shape(answer)
                    # So that what a layer returns as it came is seen to have gone through it.
                    return jax.tree.map(_passed, answer) if call.alone else answer
            finally:
                self._stack.pop()

        return type(cls.__name__, (cls,), {"__call__": noted, "__module__": cls.__module__})


class _Walk:
    """Follow the values through a traced program."""

    def __init__(self, trace: Trace, calls: _Calls) -> None:
        self._trace = trace
        self._calls = calls
        self._gates: set[int] = set()  # the steps that begin a GELU

    def through(
        self,
        jaxpr: Any,  # noqa: ANN401 - a Jaxpr
        given: Sequence[Origins],
        scopes: tuple[int, ...],
        times: float,
        steps: dict[int, int],
    ) -> list[Origins]:
        """Walk through a program; return where its outputs come from.

        Args:
            jaxpr: the program.
            given: where its inputs come from.
            scopes: the calls that it is in, outermost first.
            times: how many times it is run.
            steps: the steps that calls were noted as so far.
        """
        found: dict[Any, Origins] = dict(zip(jaxpr.invars, given, strict=True))
        gates, sums = _gelus(jaxpr), _summed(jaxpr)

        def of(atom: Any) -> Origins:  # noqa: ANN401 - a Var or a Literal
            return NOWHERE if isinstance(atom, core.Literal) else found.get(atom, NOWHERE)

        for equation in jaxpr.eqns:
            inputs = [of(atom) for atom in equation.invars]
            inner = (*scopes, *map(int, _SCOPE.findall(str(equation.source_info.name_stack))))
            parent = self._step(inner, steps)
            self._trace.steps[parent].multiplications += times * _multiplications(equation)
            outputs = self._inside(equation, inputs, inner, times, steps)
            if self._is_alone(inner):
                self._trace.steps[parent].sources |= NOWHERE.union(*inputs)
                outputs = [frozenset({parent})] * len(equation.outvars)
            elif outputs is None:
                outputs = [self._function(equation, parent, inputs, gates, sums)]
                outputs *= len(equation.outvars)
            found.update(zip(equation.outvars, outputs, strict=True))
        return [of(atom) for atom in jaxpr.outvars]

    def _function(
        self,
        equation: Any,  # noqa: ANN401 - a JaxprEqn
        parent: int,
        inputs: list[Origins],
        gates: set[Any],
        sums: set[Any],
    ) -> Origins:
        """Note the function that an equation is; return where its outputs come from."""
        name = _name(equation, gates, sums)
        halves = [each for each in inputs if each and each <= self._gates]
        if name == "mul" and halves:  # the input of a GELU, by what its tanh made of it
            return halves[0]
        shape = tuple(equation.outvars[0].aval.shape) if equation.outvars else None
        origins = self._trace.function(name, parent, inputs, shape)
        if name == "gelu" and equation.primitive.name in _GATES:
            self._gates |= origins
        return origins

    def _step(self, scopes: tuple[int, ...], steps: dict[int, int]) -> int:
        """Return the step of the innermost call, noting those that are met first."""
        parent = 0
        for number in scopes:
            if number not in steps:
                call = self._calls.made[number]
                steps[number] = self._trace.begin(call.path, call.name, parent)
                self._trace.steps[steps[number]].shape = call.shape
            parent = steps[number]
        return parent

    def _is_alone(self, scopes: tuple[int, ...]) -> bool:
        return bool(scopes) and self._calls.made[scopes[-1]].alone

    def _inside(
        self,
        equation: Any,  # noqa: ANN401 - a JaxprEqn
        inputs: list[Origins],
        scopes: tuple[int, ...],
        times: float,
        steps: dict[int, int],
    ) -> list[Origins] | None:
        """Walk through the programs that an equation holds; None where it is to be taken whole."""
        name, params = equation.primitive.name, equation.params
        if _CALLS.get(params.get("name", "")) or _called_function(equation):
            return None
        # A program may be met again, where it was compiled once for two calls: as other steps.
        fresh = dict(steps)
        if name == "cond":
            several = [
                self.through(each.jaxpr, inputs[1:], scopes, times / len(params["branches"]), fresh)
                for each in params["branches"]
            ]
            return [NOWHERE.union(*each) for each in zip(*several, strict=True)]
        if name == "while":
            inputs = inputs[params["cond_nconsts"] :]
            return self.through(params["body_jaxpr"].jaxpr, inputs, scopes, times, fresh)
        program = params.get("jaxpr", params.get("call_jaxpr", params.get("fun_jaxpr")))
        program = getattr(program, "jaxpr", program)  # a closed one holds an open one
        if program is None or len(program.invars) != len(inputs):
            return None
        more = float(params.get("length", 1)) if name == "scan" else 1.0
        found = self.through(program, inputs, scopes, times * more, fresh)
        return found if len(found) == len(equation.outvars) else None


def _layers(model: nnx.Module) -> list[Layer]:
    modules = {".".join(map(str, path)): each for path, each in nnx.iter_modules(model)}
    paths = sorted(modules, key=lambda path: [_natural(part) for part in path.split(".") if part])
    owned: dict[str, list[Any]] = {}
    named = {}
    for path, variable in nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.RngState))):
        name = ".".join(map(str, path))
        named[name] = variable
        owned.setdefault(owner_of(name, modules), []).append(variable)
    return [
        _layer(path, modules[path], owned.get(path, []), _tied(path, modules[path], named))
        for path in paths
    ]


def _layer(path: str, module: Any, owned: list[Any], tied: tuple[str, ...]) -> Layer:  # noqa: ANN401 - a module
    own = [each for each in owned if isinstance(each, nnx.Param)]
    count = sum(each.size for each in own)
    size = sum(each.nbytes for each in owned)
    kind = type(module).__name__
    return Layer(
        path=path, type=kind, parameters=count, trainable=count, size_bytes=size, tied=tied
    )


def _tied(path: str, module: Any, named: dict[str, Any]) -> tuple[str, ...]:  # noqa: ANN401 - a module
    """Return the names of a module's parameters that are counted at another module."""
    own = [name for name, value in vars(module).items() if isinstance(value, nnx.Param)]
    names = [f"{path}.{name}" if path else name for name in own]
    return tuple(name for name in names if name not in named)


def _natural(part: str) -> tuple[int, int, str]:
    """Order numbers as numbers; names keep the order of the alphabet, as in flax's own state."""
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def _multiplications(equation: Any) -> float:  # noqa: ANN401 - a JaxprEqn
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        shape = equation.outvars[0].aval.shape
        return matrix_multiplications(shape, [left[axis] for axis in contracted])
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        filters = params["dimension_numbers"].rhs_spec[0]
        inner = [size for axis, size in enumerate(kernel) if axis != filters]
        return matrix_multiplications(equation.outvars[0].aval.shape, inner)
    return 0.0


def _called_function(equation: Any) -> str | None:  # noqa: ANN401 - a JaxprEqn
    """Return the name of the activation function that a call of one holds."""
    if equation.primitive.name not in ("custom_jvp_call", "custom_vjp_call"):
        return None
    program = equation.params.get("call_jaxpr", equation.params.get("jaxpr"))
    inner = getattr(program, "jaxpr", program)
    names = [each.params.get("name", "") for each in getattr(inner, "eqns", ())]
    return next((_CALLS[name] for name in names if name in _CALLS), None)


def _name(equation: Any, gates: set[Any], sums: set[Any]) -> str | None:  # noqa: ANN401 - a JaxprEqn
    """Return what a person calls an equation; None for one that is not worth a step."""
    name = equation.primitive.name
    called = _CALLS.get(equation.params.get("name", "")) or _called_function(equation)
    if called:
        return called
    if name in _GATES and equation.outvars[0] in gates:
        return "gelu"
    if name == "exp":
        return "softmax" if equation.outvars[0] in sums else None
    if name == "max" and any(
        isinstance(each, core.Literal) and jnp.ndim(each.val) == 0 and each.val == 0
        for each in equation.invars
    ):
        return "relu"
    return _NAMES.get(name)


def _gelus(jaxpr: Any) -> set[Any]:  # noqa: ANN401 - a Jaxpr
    """Return the variables that hold the tanh or the erf of a GELU, to which 1 is added."""
    begun = {each.outvars[0] for each in jaxpr.eqns if each.primitive.name in _GATES}
    found = {each.outvars[0] for each in jaxpr.eqns if each.primitive.name == "erfc"}
    for each in jaxpr.eqns:
        literals = [atom.val for atom in each.invars if isinstance(atom, core.Literal)]
        if each.primitive.name == "add" and any(jnp.ndim(v) == 0 and v == 1 for v in literals):
            found |= {atom for atom in each.invars if isinstance(atom, core.Var) and atom in begun}
    return found


def _summed(jaxpr: Any) -> set[Any]:  # noqa: ANN401 - a Jaxpr
    """Return the variables that are added up: those of a softmax's exponentials are."""
    return {
        atom
        for each in jaxpr.eqns
        if each.primitive.name == "reduce_sum"
        for atom in each.invars
        if isinstance(atom, core.Var)
    }


def _passed(leaf: Any) -> Any:  # noqa: ANN401 - an array, or anything
    return jax.lax.optimization_barrier(leaf) if isinstance(leaf, jax.Array) else leaf


def _shape(answer: Any) -> tuple[int, ...] | None:  # noqa: ANN401 - anything
    found = [each for each in jax.tree.leaves(answer) if isinstance(each, jax.Array)]
    return tuple(found[0].shape) if found else None
