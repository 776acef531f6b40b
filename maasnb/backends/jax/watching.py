"""What a forward pass's activation functions put out, for any flax module.

The pass is traced once; an interpreter walks through its equations, finds the activation functions
by the names under which JAX calls them (`relu`, `tanh`, `logistic`), and names each after the layer
of the last parameter before it. Nothing of the module's own is touched. The bodies of loops
(`scan`, `while`) and of branches are taken as they are: what happens inside is not seen.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from maasnb.backends.activations import MOST_WATCHED

__all__ = ["Watched", "watch"]

Tree = Any

_FUNCTIONS = {
    **{name: name for name in ("relu", "relu6", "sigmoid", "tanh", "leaky_relu", "elu", "selu")},
    **{name: name for name in ("gelu", "silu", "softplus", "mish", "celu")},
    "hard_tanh": "hard_tanh",
    "hard_sigmoid": "hard_sigmoid",
    "swish": "silu",
    "logistic": "sigmoid",
}
_CALLS = {"jit", "pjit", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2"}


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """Hold one activation function's output.

    Attributes:
        layer: the layer of the last parameter before it; empty without one.
        function: the function's name.
        values: its output, any shape.
    """

    layer: str
    function: str
    values: jax.Array


@dataclasses.dataclass(frozen=True, slots=True)
class _Origin:
    """Say what a value was made of.

    Attributes:
        layer: the layer of the last parameter in it.
        at: when that parameter came in, as the number of an equation; -1 for a value that is made
            of parameters alone.
        reduced: whether it is a sum or a maximum of what that layer put out, as a variance is.
        gate: whether it is the factor that makes a GELU of its input: JAX has no name for those.
    """

    layer: str
    at: int
    reduced: bool = False
    gate: bool = False


def watch(
    forward: Callable[..., Any], weights: Tree, layers: Sequence[str | None], *arguments: Tree
) -> list[Watched]:
    """Compute a forward pass and return what its activation functions put out, in order.

    Args:
        forward: a function (weights, *arguments) of arrays.
        weights: a tree of arrays, parameters among them.
        layers: for each leaf of it the layer that it is a parameter of, or None for another array.
        *arguments: trees of arrays; the first one is what the pass is of.
    """
    closed = jax.make_jaxpr(forward)(weights, *arguments)
    given = jax.tree.leaves((weights, *arguments))
    inputs = len(jax.tree.leaves(arguments[0]))
    origins: list[_Origin | None] = [
        None if layer is None else _Origin(layer, -1) for layer in layers
    ]
    origins += [_Origin("", 0)] * inputs
    origins += [None] * (len(given) - len(origins))
    walk = _Walk()
    walk.through(closed.jaxpr, closed.consts, given, origins)
    return walk.found


class _Walk:
    """Evaluate equations one after the other, and note where values come from."""

    def __init__(self) -> None:
        self.found: list[Watched] = []
        self._at = 0

    def through(
        self,
        jaxpr: Any,  # noqa: ANN401 - a Jaxpr
        consts: Sequence[Any],
        given: Sequence[Any],
        origins: Sequence[_Origin | None],
    ) -> tuple[list[Any], list[_Origin | None]]:
        """Evaluate a program; return its outputs and where they come from."""
        values: dict[Any, tuple[Any, _Origin | None]] = {}
        values.update(zip(jaxpr.constvars, ((each, None) for each in consts), strict=True))
        values.update(zip(jaxpr.invars, zip(given, origins, strict=True), strict=True))

        def read(atom: Any) -> tuple[Any, _Origin | None]:  # noqa: ANN401 - a Var or a Literal
            return (atom.val, None) if isinstance(atom, core.Literal) else values[atom]

        gates = _gates(jaxpr)
        for equation in jaxpr.eqns:
            pairs = [read(atom) for atom in equation.invars]
            known, sources = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            outputs, theirs = self._equation(equation, known, sources, gates)
            values.update(zip(equation.outvars, zip(outputs, theirs, strict=True), strict=True))
        pairs = [read(atom) for atom in jaxpr.outvars]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def _equation(
        self,
        equation: Any,  # noqa: ANN401 - a JaxprEqn
        known: list[Any],
        sources: list[_Origin | None],
        gates: set[Any],
    ) -> tuple[list[Any], list[_Origin | None]]:
        self._at += 1
        name = equation.primitive.name
        origin = _merged(sources, self._at)
        function = _function_of(equation, origin, sources)
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        if equation.outvars and equation.outvars[0] in gates:
            function = None
        if function is None and name in _CALLS and inner is not None:
            open_one = getattr(inner, "jaxpr", inner)  # a closed one holds an open one
            return self.through(open_one, getattr(inner, "consts", ()), known, sources)
        bound = equation.primitive.get_bind_params(equation.params)
        # Older versions of JAX return a call's functions apart from its parameters.
        functions, parameters = bound if isinstance(bound, tuple) else ((), bound)
        outputs = equation.primitive.bind(*functions, *known, **parameters)
        outputs = outputs if equation.primitive.multiple_results else [outputs]
        if function and origin and len(self.found) < MOST_WATCHED:
            self.found.append(Watched(origin.layer, function, outputs[0]))
        if origin and name.startswith("reduce_") and "window" not in name:
            origin = dataclasses.replace(origin, reduced=True)
        if origin and function == "gelu":
            origin = dataclasses.replace(origin, gate=False)
        if origin and equation.outvars and equation.outvars[0] in gates:
            origin = dataclasses.replace(origin, gate=True)
        return list(outputs), [origin] * len(outputs)


def _merged(sources: Sequence[_Origin | None], at: int) -> _Origin | None:
    """Return where a value comes from that is made of several."""
    weights = [each for each in sources if each is not None and each.at < 0]
    signals = [each for each in sources if each is not None and each.at >= 0]
    if weights and signals:
        return _Origin(weights[-1].layer, at)
    if not signals:
        return weights[-1] if weights else None
    return max(signals, key=lambda each: (each.at, each.gate))


def _gates(jaxpr: Any) -> set[Any]:  # noqa: ANN401 - a Jaxpr
    """Return the variables that begin the factor of a GELU: 1 + tanh(...), or erf, or erfc."""
    tanh = {each.outvars[0] for each in jaxpr.eqns if each.primitive.name == "tanh"}
    begun = {each.outvars[0] for each in jaxpr.eqns if each.primitive.name in ("erf", "erfc")}
    for each in jaxpr.eqns:
        if each.primitive.name == "add" and _literals(each, 1):
            begun |= {atom for atom in each.invars if isinstance(atom, core.Var) and atom in tanh}
    return begun


def _literals(equation: Any, value: float) -> bool:  # noqa: ANN401 - a JaxprEqn
    """Say whether one of an equation's inputs is this number."""
    found = [each.val for each in equation.invars if isinstance(each, core.Literal)]
    return any(np.ndim(each) == 0 and each == value for each in found)


def _function_of(
    equation: Any,  # noqa: ANN401 - a JaxprEqn
    origin: _Origin | None,
    sources: Sequence[_Origin | None],
) -> str | None:
    """Return the name of the activation function that an equation is, or None."""
    if origin is None or origin.at < 0 or len(equation.outvars) != 1:
        return None
    name = equation.primitive.name
    if name in _CALLS:
        return _FUNCTIONS.get(equation.params.get("name", ""))
    if name == "max":  # written by hand: jnp.maximum(x, 0); that of a variance is none
        return "relu" if _literals(equation, 0) and not origin.reduced else None
    if name == "mul":
        gates = [each.gate for each in sources if each is not None and each.at >= 0]
        return "gelu" if len(gates) == 2 and any(gates) else None
    return _FUNCTIONS.get(name)
