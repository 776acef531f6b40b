"""What a model is made of, as a report: a line a layer, and the graph that its picture is drawn of.

The model is copied and called once with two examples. The numbers of a line are those of the layer
itself, without the layers inside it, so that the columns add up to the totals.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np

from maasnb.backends import backend_of
from maasnb.backends.anatomy import Anatomy
from maasnb.backends.protocol import Asked, Backend
from maasnb.datasets.checks import as_parts
from maasnb.datasets.loading import Data
from maasnb.errors import DataError, MaasError, ShapeError
from maasnb.parts import Parts, mapped, taken
from maasnb.records.run import Run
from maasnb.study.flow import graph_arrays
from maasnb.study.reports import Report

__all__ = ["summary_report"]

MOST_LINES = 60
"""Of a model with more layers, those deep inside are told together."""
NO_EXAMPLE = 'For shapes and compute give an example: mb.inspect(model, "summary", data=data)'
TWO = slice(0, 2)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Example:
    """Hold what a model is called with."""

    inputs: Parts
    targets: Parts | None
    guessed: bool = False


@dataclasses.dataclass(slots=True)
class _Line:
    """Gather the numbers of one line."""

    path: str
    type: str = ""
    shape: tuple[int, ...] | None = None
    calls: int = 0
    parameters: int = 0
    size_bytes: int = 0
    multiplications: float = 0.0
    seen: bool = False


def summary_report(subject: Any, data: Any = None) -> Report:  # noqa: ANN401 - a run, or a native module
    """Return what a model is made of.

    Args:
        subject: a run, or a model.
        data: what the model is for, or a few examples as it takes them; by default a run's own.

    Raises:
        ModelError: the subject is neither a run nor a model, or its layers have no size yet.
        DataError: there is no example in the data.
        ShapeError: the model cannot take the examples.
    """
    run = subject if isinstance(subject, Run) else None
    model = subject if run is None else run.model
    backend = backend_of(model)
    model = _own(backend, model, run)
    anatomy, example, complaint = _called(backend, model, run, data)
    frozen = set() if run is None else set(run.settings.get("frozen", ()))
    lines = _lines(anatomy)
    total = sum(layer.parameters for layer in anatomy.layers)
    size = sum(layer.size_bytes for layer in anatomy.layers)
    trainable = sum(layer.trainable for layer in anatomy.layers)
    trainable -= sum(info.count for info in backend.parameters(model) if info.name in frozen)
    work = sum(step.multiplications for step in anatomy.steps) / anatomy.rows
    notes = _trained_words(anatomy, backend, model, frozen, total, trainable)
    if complaint:
        notes.append(complaint)
    notes += _call_words(anatomy, example, work)
    return Report(
        kind="summary",
        title=f"{anatomy.layers[0].type} ({backend.name}): {total:,} parameters, {_bytes(size)}",
        columns=_columns(anatomy),
        rows=[*_rows(lines, anatomy, work), _total(anatomy, total, size)],
        notes=notes,
        values={
            "parameters": total,
            "trainable": trainable,
            "frozen": total - trainable,
            "size_bytes": size,
            **({"multiplications": work} if anatomy.steps else {}),
        },
        data=graph_arrays(anatomy),
    )


def _own(backend: Backend, model: Any, run: Run | None) -> Any:  # noqa: ANN401 - a native module
    """Return a copy, which nobody else is using; the model itself where it cannot be copied."""
    try:
        return backend.copy(model)
    except Exception as error:
        if run is not None and run.status in ("running", "paused"):
            message = (
                f"{type(model).__name__} cannot be copied ({error}), and the run {run.name!r} is "
                "using it; wait until it has ended."
            )
            raise DataError(message) from error
        return model


def _called(
    backend: Backend,
    model: Any,  # noqa: ANN401 - as above
    run: Run | None,
    data: Any,  # noqa: ANN401 - as above
) -> tuple[Anatomy, _Example | None, str]:
    """Return the anatomy, what the model was called with, and why it was not, in words."""
    example = _example(backend, model, run, data)
    if example is None:
        return backend.anatomy(model), None, NO_EXAMPLE
    try:
        asked, targets = _asked(backend, model, example)
    except ShapeError:
        if example.guessed:
            return backend.anatomy(model), None, NO_EXAMPLE
        raise
    example = dataclasses.replace(example, targets=targets)
    try:
        return backend.anatomy(model, example.inputs, targets, asked.takes), example, ""
    except MaasError:
        raise
    except Exception as error:  # noqa: BLE001 - what cannot be followed can still be listed
        lines = str(error).strip().splitlines()
        words = f"The call could not be followed: {lines[0] if lines else type(error).__name__}"
        return backend.anatomy(model), None, words


def _asked(backend: Backend, model: Any, example: _Example) -> tuple[Asked, Parts | None]:  # noqa: ANN401 - as above
    """Return what the model takes, and the targets if it cannot be called without them."""
    try:
        return backend.ask(model, example.inputs), None
    except ShapeError:
        if example.targets is None or not backend.has_own_loss(model):
            raise
    return backend.ask(model, example.inputs, example.targets), example.targets


def _example(backend: Backend, model: Any, run: Run | None, data: Any) -> _Example | None:  # noqa: ANN401 - as above
    """Return what a model can be called with; None where nothing is known."""
    if data is None and run is not None:
        data = run.data
    if isinstance(data, Data):
        split = data.train
        return _Example(inputs=taken(split.inputs, TWO), targets=taken(split.targets, TWO))
    if data is None:
        guess = backend.example(model)
        return None if guess is None else _Example(inputs=guess, targets=None, guessed=True)
    parts = mapped(_as_given, as_parts(data))
    return _Example(inputs=taken(parts, TWO), targets=None)


def _as_given(part: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401 - an array of any library
    """Return an array as models take it: numbers as float32."""
    array = np.asarray(part)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


# The table.


def _lines(anatomy: Anatomy) -> list[_Line]:
    """Return the lines in the order of the calls; of a large model only so deep that they fit."""
    depth = max((_depth(layer.path) for layer in anatomy.layers), default=1)
    lines = _lines_to(anatomy, depth)
    while len(lines) > MOST_LINES and depth > 1:
        depth -= 1
        lines = _lines_to(anatomy, depth)
    return lines


def _depth(path: str) -> int:
    return path.count(".") + 1


def _lines_to(anatomy: Anatomy, depth: int) -> list[_Line]:
    layers = {layer.path: layer for layer in anatomy.layers}
    busy = {step.parent for step in anatomy.steps if step.path is not None}
    lines: dict[str, _Line] = {}

    def line_of(path: str) -> _Line:
        key = ".".join(path.split(".")[:depth])
        return lines.setdefault(key, _Line(key, layers[key].type if key in layers else ""))

    for step in anatomy.steps:
        if step.path is not None:
            line = line_of(step.path)
            line.multiplications += step.multiplications
            line.seen = line.seen or step.number not in busy or step.multiplications > 0
            if step.path == line.path:
                line.shape, line.calls = step.shape, line.calls + 1
    users = _users(anatomy)
    for layer in anatomy.layers:
        if layer.size_bytes or layer.tied or layer.path in lines:
            line = line_of(users.get(layer.path, layer.path))
            line.parameters += layer.parameters
            line.size_bytes += layer.size_bytes
            line.seen = line.seen or bool(layer.size_bytes or layer.tied)
    return [line for line in lines.values() if line.seen]


def _users(anatomy: Anatomy) -> dict[str, str]:
    """Return the layers that are used without a call of their own, and by which layer they are.

    A layer that calls no other may take the parameters of those inside it, as torch's attention.
    """
    called = {step.path: step.number for step in anatomy.steps if step.path}
    busy = {step.parent for step in anatomy.steps if step.path is not None}
    alone = [path for path, number in called.items() if number not in busy]
    return {
        layer.path: path
        for layer in anatomy.layers
        for path in alone
        if layer.path not in called and layer.path.startswith(f"{path}.")
    }


def _columns(anatomy: Anatomy) -> tuple[str, ...]:
    if not anatomy.steps:
        return ("layer", "type", "parameters", "memory")
    return ("layer", "type", "output", "parameters", "memory", "compute")


def _rows(lines: list[_Line], anatomy: Anatomy, work: float) -> list[tuple[str, ...]]:
    idle, rows = set(_idle(anatomy)), []
    for line in lines:
        numbers = (
            f"{line.parameters:,}" if line.parameters else "-",
            _bytes(line.size_bytes) if line.size_bytes else "-",
        )
        name, kind = line.path or "(itself)", line.type
        if not anatomy.steps:
            rows.append((name, kind, *numbers))
            continue
        calls = f"{kind} x {line.calls}" if line.calls > 1 else kind
        share = line.multiplications / anatomy.rows / work if work else 0.0
        shape = "not called" if line.path in idle else _shape(line.shape, anatomy.rows)
        rows.append((name, calls, shape, *numbers, _percent(share)))
    return rows


def _total(anatomy: Anatomy, parameters: int, size: int) -> tuple[str, ...]:
    if not anatomy.steps:
        return ("total", "", f"{parameters:,}", _bytes(size))
    shape = _shape(anatomy.steps[0].shape, anatomy.rows)
    return ("total", "", shape, f"{parameters:,}", _bytes(size), "")


def _percent(share: float) -> str:
    if not share:
        return "-"
    return f"{share:.0%}" if share >= 0.01 else "< 1%"


def _shape(shape: tuple[int, ...] | None, rows: int) -> str:
    """Return the shape of one example's output in words; whole where its rows are no examples."""
    if shape is None:
        return "-"
    one = shape[1:] if shape and shape[0] == rows else shape
    return " x ".join(map(str, one)) or "1"


# The sentences below it.


def _trained_words(
    anatomy: Anatomy,
    backend: Backend,
    model: Any,  # noqa: ANN401 - a native module
    frozen: Collection[str],
    total: int,
    trainable: int,
) -> list[str]:
    notes = []
    still = [layer.path for layer in anatomy.layers if layer.trainable < layer.parameters]
    still += [info.layer for info in backend.parameters(model) if info.name in frozen]
    if total and total != trainable:
        names = _listed(list(dict.fromkeys(path or "(itself)" for path in still)))
        notes.append(f"{trainable:,} parameters are trained, {total - trainable:,} frozen: {names}")
    tied = [name for layer in anatomy.layers for name in layer.tied]
    if tied:
        notes.append(f"Shared, counted once: {_listed(tied)}")
    return notes


def _call_words(anatomy: Anatomy, example: _Example | None, work: float) -> list[str]:
    if not anatomy.steps:
        return []
    shapes = ", ".join(f"[{_shape(shape, anatomy.rows)}]" for shape in anatomy.inputs)
    assumed = ", assumed from the first layer" if example and example.guessed else ""
    notes = [f"One example {shapes}{assumed}: {_many(work)} multiplications forward."]
    idle = _idle(anatomy)
    if idle:
        notes.append(f"Not called: {_listed(idle)}")
    return notes


def _idle(anatomy: Anatomy) -> list[str]:
    """Return the layers with parameters that were neither called nor used by one that was."""
    called, users = {step.path for step in anatomy.steps}, _users(anatomy)
    return [
        layer.path
        for layer in anatomy.layers
        if layer.path
        and (layer.parameters or layer.tied)
        and layer.path not in called
        and layer.path not in users
    ]


def _listed(names: Collection[str], most: int = 6) -> str:
    some = ", ".join(list(names)[:most])
    return f"{some} and {len(names) - most} more" if len(names) > most else some


def _many(number: float) -> str:
    for size, unit in ((1e12, "million million"), (1e9, "thousand million"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,.0f}"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 999.5:  # from there on it rounds to 1000
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
