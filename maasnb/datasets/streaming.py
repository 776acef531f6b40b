"""Data whose batches come one after the other: a stream, known by its first batch."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from maasnb.datasets.checks import as_parts, as_targets, is_parts
from maasnb.datasets.recipes import Recipe
from maasnb.datasets.splits import (
    Data,
    Split,
    as_target,
    feature_names,
    fingerprint,
    prepare,
    taken_split,
)
from maasnb.datasets.streams import Batch, Stream, is_stream, same_form
from maasnb.errors import DataError, OptionError, unknown_name
from maasnb.parts import Parts, count, joined, mapped
from maasnb.tasks import Kind

__all__ = ["data_of_stream"]


def data_of_stream(
    source: Any,  # noqa: ANN401 - anything that gives batches
    *,
    validation: Any,  # noqa: ANN401 - a pair of arrays, or a stream
    labels: Sequence[str] | None,
    features: Sequence[str] | None,
    kind: Kind | None,
    seed: int,
    name: str,
) -> Data:
    """Return data whose training split is a stream; its first batch stands for the others.

    Args:
        source: what `Stream` takes.
        validation: what the model is watched by, read whole: (x, y) or a stream; None for nothing.
        labels: the classes' names; without them the model's outputs say how many there are.
        features: the columns' names.
        kind: classification or regression; by default floats are regression.
        seed: fixes the random numbers of the training; the order is the stream's.
        name: what to call it.

    Raises:
        DataError: the stream has no batch, or what it gives is none.
        OptionError: the validation cannot be used.
        UnknownNameError: there is no such kind.
    """
    if kind is not None and kind not in get_args(Kind):
        raise unknown_name("kind of data", str(kind), get_args(Kind))
    names = None if labels is None else tuple(str(label) for label in labels)
    form: dict[str, Any] = {}
    stream = Stream(
        source, lambda batch, place: _prepared(batch, place, form["first"], form["kind"], names)
    )
    first = form["first"] = stream.first()
    found = form["kind"] = _kind_of(first[1], kind, names)
    train = _split(first, found, names)
    held = taken_split(train, slice(0, 0))
    if validation is not None:
        whole = _whole(validation)
        same_form(first, whole, 0)
        held = _split(whole, found, names)
    return Data(
        name=name,
        kind=found,
        train=train,
        validation=held,
        test=taken_split(held, slice(0, 0)),
        recipe=Recipe(),
        labels=names or (),
        features=feature_names(features, train.inputs),
        seed=seed,
        fingerprint=fingerprint(train.x, train.y, (), Recipe()),
        stream=stream,
    )


def _kind_of(y: Parts, kind: Kind | None, names: Sequence[str] | None) -> Kind:
    if is_parts(y):
        return "own"
    if kind is not None:
        return kind
    return "regression" if y.dtype.kind == "f" and names is None else "classification"


def _split(batch: Batch, kind: Kind, names: Sequence[str] | None) -> Split:
    """Return a batch, or all of a validation, as a split."""
    x, y = as_parts(batch[0]), batch[1]
    if kind == "classification" and names is None:
        _check_classes(y, None, 0)
        y = y.astype(np.int64)
    elif kind != "own":
        y = as_targets(y, count(x), kind, names)[0]
    return prepare(x, y, slice(None), Recipe())


def _prepared(
    batch: Batch, place: int, first: Batch, kind: Kind, names: Sequence[str] | None
) -> Batch:
    """Check a batch against the first one, and prepare it."""
    same_form(first, batch, place)
    y = batch[1]
    if kind == "regression":
        y = y.reshape(len(y), -1)
    elif kind == "classification":
        _check_classes(y, names, place)
    x = mapped(lambda part: part[:, None] if part.ndim == 1 else part, batch[0])
    return Recipe().inputs(batch[0] if is_parts(batch[0]) else x), mapped(as_target, y)


def _check_classes(y: Any, names: Sequence[str] | None, place: int) -> None:  # noqa: ANN401 - an array
    whole = y.dtype.kind in "biu" or bool((y == np.floor(y)).all())
    low, high = y.min(), y.max()
    if not whole or low < 0 or (names is not None and high >= len(names)):
        upper = "" if names is None else f" up to {len(names) - 1}"
        wrong = low if low < 0 or not whole else high
        message = (
            f"Batch {place + 1} has the class {wrong}; expected whole numbers from 0{upper}. "
            'Type: kind="regression", if the targets are values.'
        )
        raise DataError(message)


def _whole(validation: Any) -> Batch:  # noqa: ANN401 - a pair of arrays, or a stream
    """Return all of what a streamed run is watched by."""
    if is_stream(validation):
        batches = list(Stream(validation, lambda batch, _: batch).epoch(0, 32))
        if not batches:
            message = "The validation has no batch; expected at least one."
            raise DataError(message)
        x, y = (joined([batch[side] for batch in batches]) for side in (0, 1))
        return x, y
    if isinstance(validation, tuple | list) and len(validation) == 2:
        return mapped(np.asarray, validation[0]), mapped(np.asarray, validation[1])
    message = (
        f"validation= is a {type(validation).__name__}; expected (x, y) or a stream. "
        "Type: mb.data(loader, validation=(x, y))"
    )
    raise OptionError(message)
