"""Batches that come one after the other, from anything that can be iterated.

A source is an iterable of batches that can be begun anew (a torch `DataLoader`, a list), a function
that returns one (given the epoch's number, if it takes an argument), a table of Hugging Face
`datasets`, or a generator, which can be gone through once only. A batch is a pair (inputs,
targets), a longer tuple whose last part is the targets, or a dictionary with the targets under
`labels`, `label`, `targets`, `target` or `y`.
"""

import contextlib
import copy
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from maasnb.errors import DataError, MaasError
from maasnb.parts import Parts, count, leaves, mapped, named

__all__ = ["Batch", "Change", "Stream", "as_batch", "is_stream", "same_form"]

Array = np.ndarray[Any, np.dtype[Any]]
Batch = tuple[Parts, Parts]
Change = Callable[[Any, tuple[int, int]], Any]
"""What makes inputs of raw ones, given the numbers of an epoch and of a batch in it."""

TARGET_NAMES = ("labels", "label", "targets", "target", "y")


@runtime_checkable
class _Table(Protocol):
    """What is used of a table of Hugging Face `datasets`."""

    column_names: Any

    def with_format(self, type: str) -> Any:  # noqa: A002, ANN401 - their name
        """Return the table with its rows as arrays."""
        ...

    def iter(self, batch_size: int) -> Any:  # noqa: ANN401 - an iterable
        """Yield batches of rows."""
        ...

    def __len__(self) -> int:
        """Return the number of rows."""
        ...


def is_stream(x: object) -> bool:
    """Say whether something gives batches rather than being an array.

    A list or a tuple of pairs, as a small set of batches, is none: it may be rows.
    """
    if isinstance(x, str | bytes | Mapping | list | tuple | range | np.ndarray):
        return False
    array_like = getattr(x, "__array__", None) is not None
    is_source = callable(x) or isinstance(x, Iterable | _Table)
    return is_source and not array_like


class Stream:
    """Give the batches of each epoch, prepared as arrays.

    Attributes:
        source: what the person gave.
        once: whether it can be gone through once only.
        sized: whether it gives batches of as many rows as it is asked for.
        counts: how many examples each class has [classes]; None where that is not known.
    """

    def __init__(self, source: Any, prepare: Callable[[Batch, int], Batch]) -> None:  # noqa: ANN401 - anything iterable
        """Take a source, and what is done to each batch (given its number in the epoch)."""
        self.source = source
        self._prepare = prepare
        self.once = isinstance(source, Iterator)
        self.sized = isinstance(source, _Table)
        self.counts: Array | None = None
        self._taken: list[Any] = []
        self._change: Change | None = None

    def changed(self, change: Change) -> Self:
        """Return the stream with inputs that are changed each time they are seen."""
        found = copy.copy(self)
        found._change = change
        return found

    def first(self) -> Batch:
        """Return the first batch; one that can come only once is kept for the training.

        Raises:
            DataError: there is none, or it is no batch.
        """
        with _named_failures(0):
            found = next(iter(self._batches(0)), None)
        if found is None:
            message = "The stream has no batch; expected at least one pair (inputs, targets)."
            raise DataError(message)
        if self.once:
            self._taken.append(found)
        return as_batch(found, 0)

    def in_words(self, held: Mapping[str, int]) -> str:
        """Return how many examples there are, given how many each split holds."""
        return f"a stream; {held['train']} in its first batch"

    def length(self, rows: int) -> int | None:
        """Return how many batches an epoch has; None where the source does not say.

        Args:
            rows: how many rows a batch of a table gets.
        """
        source: Any = self.source
        try:
            return -(-len(source) // rows) if isinstance(source, _Table) else len(source)
        except TypeError:
            return None

    def epoch(self, number: int, rows: int) -> Iterator[Batch]:
        """Yield the prepared batches of an epoch, counted from 0.

        Raises:
            DataError: a batch is none, or the source failed; names the batch.
        """
        batches: Any = iter(())
        with _named_failures(0):
            batches = iter(itertools.chain(self._given_back(), self._batches(number, rows)))
        for place in itertools.count():
            with _named_failures(place):
                found = next(batches, None)
            if found is None:
                return
            inputs, targets = self._prepare(as_batch(found, place), place)
            if self._change is not None:
                inputs = self._change(inputs, (number, place))
            yield inputs, targets

    def _given_back(self) -> Iterator[Any]:
        while self._taken:
            yield self._taken.pop(0)

    def _batches(self, epoch: int, rows: int = 32) -> Iterable[Any]:
        source: Any = self.source
        if isinstance(source, _Table):
            return source.with_format("numpy").iter(rows)
        if callable(source) and not isinstance(source, Iterable):
            source = source(epoch) if inspect.signature(source).parameters else source()
        return source


@contextlib.contextmanager
def _named_failures(place: int) -> Iterator[None]:
    """Say at which batch a source failed."""
    try:
        yield
    except MaasError:
        raise
    except Exception as error:
        message = (
            f"The stream failed at batch {place + 1} of its epoch: {error!r}. What was learnt "
            "before it stays."
        )
        raise DataError(message) from error


def as_batch(found: Any, place: int) -> Batch:  # noqa: ANN401 - whatever the source gave
    """Return inputs and targets as parts of arrays.

    Args:
        found: what the source gave.
        place: the batch's number in its epoch, for messages.

    Raises:
        DataError: it is no batch, or its parts have different numbers of rows.
    """
    inputs, targets = _divided(found, place)
    try:
        inputs, targets = mapped(np.asarray, inputs), mapped(np.asarray, targets)
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"Batch {place + 1} cannot be made arrays: {str(error).rstrip('.')}."
        raise DataError(message) from error
    rows = {name: np.shape(part) for name, part in (*named(inputs, "x"), *named(targets, "y"))}
    if any(not shape for shape in rows.values()) or len({shape[0] for shape in rows.values()}) > 1:
        shown = ", ".join(f"{name} {shape}" for name, shape in rows.items())
        message = f"Batch {place + 1} has parts of shapes {shown}; expected as many rows in each."
        raise DataError(message)
    if not count(inputs):
        message = f"Batch {place + 1} is empty; expected at least one row."
        raise DataError(message)
    for name, part in (*named(inputs, "x"), *named(targets, "y")):
        _check_numbers(name, part, place)
    return inputs, targets


def _divided(found: Any, place: int) -> tuple[Any, Any]:  # noqa: ANN401 - likewise
    if isinstance(found, Mapping):
        name = next((name for name in TARGET_NAMES if name in found), None)
        inputs = {str(key): part for key, part in found.items() if key != name}
        if name is not None and inputs:
            return (inputs if len(inputs) > 1 else next(iter(inputs.values()))), found[name]
        message = (
            f"Batch {place + 1} is a dictionary of {', '.join(map(str, found)) or 'nothing'}; "
            f"expected inputs, and targets under one of {', '.join(TARGET_NAMES)}."
        )
        raise DataError(message)
    if isinstance(found, tuple | list) and len(found) > 1:
        *inputs, targets = found
        parts = inputs[0] if len(inputs) == 1 else tuple(inputs)
        return (dict(parts) if isinstance(parts, Mapping) else parts), targets
    message = (
        f"Batch {place + 1} is a {type(found).__name__}; expected a pair (inputs, targets) or a "
        f"dictionary with one of {', '.join(TARGET_NAMES)}. Type: yield x, y"
    )
    raise DataError(message)


def _check_numbers(name: str, part: Array, place: int) -> None:
    if part.dtype.kind not in "biuf":
        message = (
            f"Batch {place + 1}: {name} has dtype {part.dtype}; expected numbers. Encode texts as "
            "numbers before."
        )
        raise DataError(message)
    if part.dtype.kind == "f" and not np.isfinite(part).all():
        rows = np.flatnonzero(~np.isfinite(part.reshape(len(part), -1)).all(axis=1))
        message = (
            f"Batch {place + 1}: {name} holds NaN or infinities in {len(rows)} of {len(part)} rows "
            f"(the first is row {rows[0]}). What was learnt before it stays. Leave those rows out "
            "of the stream."
        )
        raise DataError(message)


def same_form(first: Batch, batch: Batch, place: int) -> None:
    """Refuse a batch whose parts have another shape than the first one's.

    Raises:
        DataError: with both shapes.
    """
    for name, one, other in _pairs(first, batch):
        if one.shape[1:] != other.shape[1:]:
            message = (
                f"Batch {place + 1} has {name} of shape {list(other.shape)}; expected "
                f"[n, {', '.join(map(str, one.shape[1:]))}] as in the first batch. Pad or cut the "
                "examples to one shape."
            )
            raise DataError(message)


def _pairs(first: Batch, batch: Batch) -> Iterator[tuple[str, Array, Array]]:
    for what, one, other in zip("xy", first, batch, strict=True):
        names = [name for name, _ in named(one, what)]
        if names != [name for name, _ in named(other, what)]:
            message = f"The stream's batches have different parts: {names} came first."
            raise DataError(message)
        yield from zip(names, leaves(one), leaves(other), strict=True)
