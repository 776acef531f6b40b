"""How the training data was distributed: what a server compares with what it is asked.

A distribution is a histogram over quantiles of the training data, so that each bin held about the
same share of it. A table of at most `MOST_FEATURES` numbers an example has one for each feature.
Larger examples, as images and series, have a few for the example as a whole (mean, spread,
extremes, share of zeros): a single pixel means nothing, but wrong scaling, inverted colours and
empty images show in these. Tokens have one of the tokens themselves, and texts of their lengths and
letters. Of a table's rows of texts each column has one: of its numbers, or of numbers that stand
for its categories. The size is bounded, and features are counted apart, so that no example can be
read from it as a whole.
"""

import dataclasses
import itertools
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from maasnb.datasets.columns import LONGEST_NUMBER, NUMBER
from maasnb.errors import ArtifactError

__all__ = [
    "FEWEST_ROWS",
    "MOST_ROWS",
    "Distribution",
    "Summary",
    "kind_of",
    "measured",
    "summarise",
]

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["features", "rows", "statistics", "tokens", "text"]

KINDS: dict[str, tuple[str, ...]] = {
    "features": (),
    "rows": (),
    "statistics": ("mean", "standard deviation", "smallest", "largest", "share of zeros"),
    "tokens": ("token", "share of zeros", "share of distinct tokens"),
    "text": ("characters", "words", "share of letters", "share of digits", "share of capitals"),
}
"""What is told apart -> the names of what is counted; of features they are the data's own."""

FEWEST_ROWS = 20
MOST_ROWS = 10_000
"""Of more training examples every n-th is counted."""
MOST_FEATURES = 100
MOST_OUTPUTS = 20
MOST_CLASSES = 1000
CATEGORY_NUMBERS = 1000
MOST_EDGES, FEWEST_EDGES, ALL_EDGES = 100, 20, 4000
SCHEMA = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Hold how one number was distributed.

    Attributes:
        name: what the number is.
        edges: quantiles, ascending; the bins are (-inf, edges[0]], (edges[0], edges[1]], ...,
            (edges[-1], inf).
        counts: how many values each bin held; one more than edges.
        low: the smallest value.
        high: the largest value.
        mean: the mean.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    low: float
    high: float
    mean: float

    def count(self, values: Array) -> Array:
        """Return how many of the values [n] are in each bin."""
        bins = np.searchsorted(np.asarray(self.edges), _present(values), side="left")
        return np.bincount(bins, minlength=len(self.counts))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Hold how a model's training data, and its own answers to it, were distributed.

    Attributes:
        of: what is told apart in the inputs, one of `KINDS`.
        rows: how many examples were counted.
        inputs: a distribution for each feature or statistic.
        outputs: a distribution for each output of a regression; else empty.
        labels: how often the model named each class; empty where it names none.
    """

    of: Kind
    rows: int
    inputs: tuple[Distribution, ...]
    outputs: tuple[Distribution, ...] = ()
    labels: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the summary as UTF-8 JSON; equal summaries give equal bytes."""
        data = {"schema": SCHEMA, **dataclasses.asdict(self)}
        text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Summary":
        """Read a summary, which may come from anybody.

        Raises:
            ArtifactError: it is no summary, or its numbers do not fit together.
        """
        try:
            return _read(json.loads(content))
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
            message = (
                f"The summary of the training data cannot be read ({error!s:.200}); expected one "
                "as maasnb writes it. Publish the run again."
            )
            raise ArtifactError(message) from error


def summarise(
    x: Array, outputs: Array, *, of: Kind, features: Sequence[str], classes: Array | None
) -> Summary:
    """Return how examples and a model's answers to them are distributed.

    Args:
        x: raw examples [n, ...].
        outputs: the model's answers [n, outputs] to some of them.
        of: what is told apart, as `kind_of` says.
        features: the columns' names.
        classes: how often the model named each class; None for a regression.
    """
    found = list(measured(x, of))
    names = KINDS[of] or (tuple(features) if len(features) == len(found) else ())
    names = names or tuple(str(number) for number in range(len(found)))
    edges = min(MOST_EDGES, max(FEWEST_EDGES, ALL_EDGES // max(1, len(found))))
    columns: list[Array] = []
    if classes is None and outputs.ndim == 2 and outputs.shape[1] <= MOST_OUTPUTS:
        columns = list(outputs.astype(np.float64).T)
    counted = () if classes is None or len(classes) > MOST_CLASSES else tuple(map(int, classes))
    return Summary(
        of=of,
        rows=len(x),
        inputs=tuple(
            _distribution(name, values, edges) for name, values in zip(names, found, strict=True)
        ),
        outputs=tuple(
            _distribution(str(number), values, MOST_EDGES) for number, values in enumerate(columns)
        ),
        labels=counted,
    )


def kind_of(x: Array, *, tokens: bool) -> Kind:
    """Return what is told apart in raw examples [n, ...]; `tokens` if whole numbers are tokens."""
    if x.dtype.kind in "OUS":
        return "rows" if x.ndim == 2 and x.shape[1] <= MOST_FEATURES else "text"
    if tokens:
        return "tokens"
    return "features" if x.ndim == 2 and x.shape[1] <= MOST_FEATURES else "statistics"


def measured(x: Array, of: Kind) -> Iterator[Array]:
    """Yield the values [m] of each number that is told apart in raw examples [n, ...]."""
    if of == "text":
        yield from _of_text([str(each) for each in x.ravel()])
        return
    if of == "rows":
        yield from (np.array([_of_cell(text) for text in column]) for column in x.T.tolist())
        return
    flat = np.asarray(x, dtype=np.float64).reshape(len(x), math.prod(x.shape[1:]))
    if of == "features":
        yield from flat.T
    elif of == "tokens":
        yield flat.ravel()
        yield (flat == 0).mean(axis=1)
        ordered = np.sort(flat, axis=1)
        yield (1 + (np.diff(ordered, axis=1) != 0).sum(axis=1)) / max(1, flat.shape[1])
    else:
        yield flat.mean(axis=1)
        yield flat.std(axis=1)
        yield flat.min(axis=1)
        yield flat.max(axis=1)
        yield (flat == 0).mean(axis=1)


def _of_cell(text: str) -> float:
    """Return a cell's number, NaN where it is empty, or a number that stands for its text."""
    if NUMBER.match(text) and len(text) < LONGEST_NUMBER:
        number = float(text)
        return number if math.isfinite(number) else math.nan
    return float(zlib.crc32(text.encode()) % CATEGORY_NUMBERS) if text else math.nan


def _of_text(texts: Sequence[str]) -> Iterator[Array]:
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    yield lengths
    yield np.array([len(text.split()) for text in texts], dtype=np.float64)
    for test in (str.isalpha, str.isdigit, str.isupper):
        found = np.array([sum(map(test, text)) for text in texts], dtype=np.float64)
        yield found / np.maximum(lengths, 1)


def _present(values: Array) -> Array:
    """Return the values that are not missing."""
    return values[~np.isnan(values)]


def _distribution(name: str, values: Array, edges: int) -> Distribution:
    values = _present(values) if _present(values).size else np.zeros(1)  # a column of gaps alone
    levels = np.arange(1, edges + 1) / edges
    # Quantiles that are values themselves: whole numbers and repeated values keep their own bins.
    cuts = np.unique(np.quantile(values, levels, method="inverted_cdf"))
    empty = Distribution(
        name=name,
        edges=tuple(cuts.tolist()),
        counts=(0,) * (len(cuts) + 1),
        low=float(values.min()),
        high=float(values.max()),
        mean=float(values.mean()),
    )
    return dataclasses.replace(empty, counts=tuple(empty.count(values).tolist()))


def _read(data: Mapping[str, Any]) -> Summary:
    if data["schema"] != SCHEMA or data["of"] not in KINDS:
        message = f"schema {data['schema']!r:.20} of {data['of']!r:.20}"
        raise ValueError(message)
    inputs, outputs = (tuple(_one(each) for each in data[side]) for side in ("inputs", "outputs"))
    expected = len(KINDS[data["of"]])
    if (
        len(inputs) > MOST_FEATURES
        or len(outputs) > MOST_OUTPUTS
        or (expected and len(inputs) != expected)
    ):
        message = f"{len(inputs)} inputs and {len(outputs)} outputs"
        raise ValueError(message)
    labels = tuple(_count(each) for each in data["labels"])
    if len(labels) > MOST_CLASSES:
        message = f"{len(labels)} classes"
        raise ValueError(message)
    return Summary(
        of=data["of"], rows=_count(data["rows"]), inputs=inputs, outputs=outputs, labels=labels
    )


def _one(data: Mapping[str, Any]) -> Distribution:
    edges = tuple(float(each) for each in data["edges"])
    counts = tuple(_count(each) for each in data["counts"])
    numbers = (float(data["low"]), float(data["high"]), float(data["mean"]))
    ascending = all(low < high for low, high in itertools.pairwise(edges))
    fits = 1 <= len(edges) <= MOST_EDGES and len(counts) == len(edges) + 1 and sum(counts) > 0
    if not (fits and ascending and all(map(math.isfinite, (*edges, *numbers)))):
        message = f"the distribution of {data['name']!r:.40}"
        raise ValueError(message)
    low, high, mean = numbers
    name = str(data["name"])[:200]
    return Distribution(name=name, edges=edges, counts=counts, low=low, high=high, mean=mean)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        message = f"{value!r:.40} is no count"
        raise ValueError(message)
    return value
