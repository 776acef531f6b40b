"""What an ONNX program would do, read from its bytes before any of it is loaded.

The bytes are parsed by protobuf, as onnxruntime parses them, so that both see the same program; but
only the fields that matter here are described to it, and no tensor's numbers are looked at. Refused
is what could reach outside the program (other files, operators of others), what could grow without
bound (sizes computed from the numbers of a request), what can end the process (onnxruntime divides
the smallest whole number by -1), and what has too many parts.
"""

import dataclasses
import functools
from typing import Any

from maasnb.errors import ArtifactError
from maasnb.runtimes.operators import (
    AFTER_SIZES,
    DOMAINS,
    FIRST_ONLY,
    FLOAT_FROM,
    FLOAT_TYPES,
    NEVER_FLOAT,
    OPERATORS,
    SIZE_ONLY,
    SIZES,
)

__all__ = ["MOST_NODES", "GraphFacts", "read_graph"]

MOST_NODES = 20_000
"""A session of 20,000 nodes takes 1.6 s to make, one of 50,000 5.4 s: it grows by the square."""

DEEPEST = 16
MOST_SHOWN = 200
# Datatypes of onnx.proto: INT32, INT64. Smaller ones are computed as these.
INTEGER_BYTES = {6: 4, 7: 8}
LONGEST_DIVISOR_BYTES = 1 << 12

_REPEATED, _OPTIONAL = 3, 1
_MESSAGES = {
    # message: {field: (number, label, type or message)}; numbers are those of onnx.proto
    "Model": {
        "graph": (7, _OPTIONAL, "Graph"),
        "training": (20, _REPEATED, "Nothing"),
        "functions": (25, _REPEATED, "Nothing"),
    },
    "Nothing": {},
    "Graph": {
        "node": (1, _REPEATED, "Node"),
        "initializer": (5, _REPEATED, "Tensor"),
        "input": (11, _REPEATED, "Value"),
        "output": (12, _REPEATED, "Value"),
        "sparse": (15, _REPEATED, "Nothing"),
    },
    "Value": {"name": (1, _OPTIONAL, bytes), "type": (2, _OPTIONAL, "Type")},
    "Type": {"tensor": (1, _OPTIONAL, "TensorType")},
    "TensorType": {"element": (1, _OPTIONAL, int)},
    "Node": {
        "input": (1, _REPEATED, bytes),
        "output": (2, _REPEATED, bytes),
        "operator": (4, _OPTIONAL, bytes),
        "attribute": (5, _REPEATED, "Attribute"),
        "domain": (7, _OPTIONAL, bytes),
    },
    "Attribute": {
        "name": (1, _OPTIONAL, bytes),
        "number": (3, _OPTIONAL, int),
        "tensor": (5, _OPTIONAL, "Tensor"),
        "graph": (6, _OPTIONAL, "Graph"),
        "tensors": (10, _REPEATED, "Tensor"),
        "graphs": (11, _REPEATED, "Graph"),
        "sparse": (22, _OPTIONAL, "Nothing"),
        "sparses": (23, _REPEATED, "Nothing"),
    },
    "Tensor": {
        "datatype": (2, _OPTIONAL, int),
        "int32": (5, _REPEATED, int),
        "int64": (7, _REPEATED, int),
        "name": (8, _OPTIONAL, bytes),
        "raw": (9, _OPTIONAL, bytes),
        "external": (13, _REPEATED, "Nothing"),
        "location": (14, _OPTIONAL, int),
    },
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GraphFacts:
    """Say what a program consists of.

    Attributes:
        nodes: how many there are, those of nested graphs included.
        operators: their operators.
    """

    nodes: int
    operators: frozenset[str]

    @property
    def loops(self) -> bool:
        """Say whether how long the program runs may depend on the numbers that it is given."""
        return not self.operators.isdisjoint({"Loop", "Scan"})


def read_graph(content: bytes) -> GraphFacts:
    """Read what a program consists of, and refuse what must not be loaded.

    Args:
        content: an ONNX model's bytes, which may come from anybody.

    Returns:
        What it consists of.

    Raises:
        ArtifactError: it is no ONNX model, or one that is not accepted; the message says why.
    """
    model = _parsed(content)
    if model.training or model.functions:
        what = "functions of its own" if model.functions else "training information"
        raise _refused(f"has {what}", "one graph of standard operators, with functions inlined")
    walk = _Walk()
    walk.graph(model.graph, _Scope(), 0, tainted=True)
    return GraphFacts(nodes=walk.nodes, operators=frozenset(walk.operators))


@dataclasses.dataclass(slots=True)
class _Scope:
    """The names that a graph may use.

    Attributes:
        floats: whether what a name stands for is surely floating-point, by name.
        tainted: the names whose numbers come from a request.
        stored: the tensors that are kept in the program, by name.
    """

    floats: dict[bytes, bool] = dataclasses.field(default_factory=dict)
    tainted: set[bytes] = dataclasses.field(default_factory=set)
    stored: dict[bytes, Any] = dataclasses.field(default_factory=dict)

    def inner(self) -> "_Scope":
        return _Scope(dict(self.floats), set(self.tainted), dict(self.stored))

    def keep(self, name: bytes, tensor: Any) -> None:  # noqa: ANN401
        self.floats[name] = tensor.datatype in FLOAT_TYPES
        self.tainted.discard(name)
        self.stored[name] = tensor


class _Walk:
    """A walk through a graph and those nested in it, each node after those that it needs."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.nodes = 0
        self.operators: set[str] = set()

    def graph(self, graph: Any, scope: _Scope, depth: int, *, tainted: bool) -> _Scope:  # noqa: ANN401
        """Walk a graph in a scope of its own; return it, with all names of the graph."""
        if depth > DEEPEST:
            raise _refused(f"has graphs nested more than {DEEPEST} deep", "fewer")
        if graph.sparse:
            raise _refused("has sparse tensors", "dense ones")
        self.nodes += len(graph.node)
        if self.nodes > MOST_NODES:
            raise _refused(f"has more than {MOST_NODES} nodes", f"at most {MOST_NODES}")
        scope = scope.inner()
        for value in graph.input:
            scope.floats[value.name] = value.type.tensor.element in FLOAT_TYPES
            scope.stored.pop(value.name, None)
            if tainted:
                scope.tainted.add(value.name)
        for tensor in graph.initializer:
            scope.keep(tensor.name, _inside(tensor))
        for node in graph.node:
            self._node(node, scope, depth)
        return scope

    def _node(self, node: Any, scope: _Scope, depth: int) -> None:  # noqa: ANN401
        operator, domain = _text(node.operator), _text(node.domain)
        if domain not in DOMAINS or operator not in OPERATORS:
            name = f"{domain}.{operator}" if domain else operator
            raise _refused(f"has the operator {name!r:.{MOST_SHOWN}}", "standard operators only")
        self.operators.add(operator)
        inputs = list(node.input)
        if not all(name in scope.floats for name in inputs if name):
            raise _refused("uses a name before its node", "nodes in the order in which they run")
        _check_sizes(operator, inputs, scope)
        if operator == "Div":
            _check_division(inputs, scope)
        touched = not scope.tainted.isdisjoint(inputs)
        floats = [scope.floats.get(name, False) for name in inputs]
        results = _results(operator, node, floats)
        for attribute in node.attribute:
            _check_attribute(attribute)
            for graph in _graphs(attribute):
                # A nested graph may use every name around it.
                inner = self.graph(graph, scope, depth + 1, tainted=touched)
                names = [value.name for value in graph.output][operator == "Loop" :]
                results = [inner.floats.get(name, False) for name in names]
                touched = True
        for place, name in enumerate(node.output):
            scope.stored.pop(name, None)
            scope.tainted.discard(name)
            scope.floats[name] = results[place] if place < len(results) else False
            if touched and operator not in SIZE_ONLY:
                scope.tainted.add(name)
        if operator == "Constant" and node.output:
            _keep_constant(node, scope)


def _results(operator: str, node: Any, floats: list[bool]) -> list[bool]:  # noqa: ANN401
    """Return whether each result is surely floating-point."""
    place = FLOAT_FROM.get(operator, 0)
    is_float = operator not in NEVER_FLOAT and place < len(floats) and floats[place]
    if operator == "ConstantOfShape":
        is_float = all(each.tensor.datatype in FLOAT_TYPES for each in node.attribute)
    for attribute in node.attribute:
        if attribute.name in (b"to", b"dtype", b"output_datatype", b"output_dtype"):
            is_float = attribute.number in FLOAT_TYPES
    return [is_float] * (1 if operator in FIRST_ONLY else len(node.output))


def _keep_constant(node: Any, scope: _Scope) -> None:  # noqa: ANN401
    name = node.output[0]
    for attribute in node.attribute:
        if attribute.HasField("tensor"):
            scope.keep(name, attribute.tensor)
        elif attribute.name in (b"value_float", b"value_floats"):
            scope.floats[name] = True


def _check_sizes(operator: str, inputs: list[bytes], scope: _Scope) -> None:
    first = SIZES.get(operator, len(inputs))
    if not scope.tainted.isdisjoint(inputs[first : AFTER_SIZES.get(operator)]):
        raise _refused(
            f"computes the size of what {operator!r} returns from the numbers of a request",
            "sizes that follow from the shapes of the inputs",
        )


def _check_division(inputs: list[bytes], scope: _Scope) -> None:
    """Refuse whole numbers divided by -1, which ends the process if the other is the smallest."""
    if any(scope.floats.get(name, False) for name in inputs):
        return
    divisor = scope.stored.get(inputs[1]) if len(inputs) > 1 else None
    if divisor is None or not _positive(divisor):
        raise _refused(
            "divides whole numbers by numbers that are not known to be positive",
            "a divisor that is a positive constant, or floating-point numbers",
        )


def _positive(tensor: Any) -> bool:  # noqa: ANN401
    """Say whether the whole numbers of a stored tensor are all above 0."""
    width = INTEGER_BYTES.get(tensor.datatype)
    if width is None:
        return False
    raw = tensor.raw
    numbers = [*tensor.int32, *tensor.int64]
    numbers += [
        int.from_bytes(raw[at : at + width], "little", signed=True)
        for at in range(0, min(len(raw), LONGEST_DIVISOR_BYTES), width)
    ]
    known = len(raw) <= LONGEST_DIVISOR_BYTES and len(numbers) <= LONGEST_DIVISOR_BYTES
    return known and bool(numbers) and min(numbers) > 0


def _check_attribute(attribute: Any) -> None:  # noqa: ANN401
    for tensor in (attribute.tensor, *attribute.tensors):
        _inside(tensor)
    if attribute.HasField("sparse") or attribute.sparses:
        raise _refused("has sparse tensors", "dense ones")


def _graphs(attribute: Any) -> list[Any]:  # noqa: ANN401
    return [*([attribute.graph] if attribute.HasField("graph") else []), *attribute.graphs]


def _inside(tensor: Any) -> Any:  # noqa: ANN401 - a class that protobuf makes
    if tensor.external or tensor.location:
        raise _refused("keeps numbers in other files", "its weights inside")
    return tensor


def _text(name: bytes) -> str:
    return name[:MOST_SHOWN].decode("ascii", "replace")


def _refused(found: str, expected: str) -> ArtifactError:
    message = f"The ONNX program {found}; expected {expected}. Export and publish the run again."
    return ArtifactError(message)


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - a class that protobuf makes
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only the extra "serve" has it

    try:
        model = _model_class().FromString(content)
        reason = "" if model.HasField("graph") else "it has no graph"
    except DecodeError as error:
        model, reason = None, str(error)
    if reason:
        message = (
            f"The {len(content)} bytes of the program cannot be read as ONNX ({reason:.200}); "
            "expected an ONNX model. Publish the run again."
        )
        raise ArtifactError(message)
    return model


@functools.cache
def _model_class() -> Any:  # noqa: ANN401 - a class that protobuf makes
    """Return the class of the messages that are read here, in a pool of its own."""
    from google.protobuf import (  # noqa: PLC0415 - only the extra "serve" has it
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="graphs.proto", package="m", syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, (number, label, kind) in fields.items():
            field = described.field.add(name=name, number=number, label=label)
            if kind is bytes:
                field.type = kinds.TYPE_BYTES
            elif kind is int:
                field.type = kinds.TYPE_INT64
            else:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".m.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("m.Model"))
