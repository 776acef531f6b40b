"""Two versions asked for the same examples: how far they agree, and which one is right."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from maasnb.errors import DataError, ShapeError
from maasnb.metrics import classes_of, mae, r2
from maasnb.study.reports import Report

__all__ = ["Answering", "compare_answers"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_SHOWN = 10


class Answering(Protocol):
    """What answers raw examples, and knows its classes where it has some."""

    kind: str
    labels: tuple[str, ...]

    def predict(self, x: ArrayLike) -> Array:
        """Return probabilities or values [n, outputs], float32."""
        ...


def compare_answers(
    model: str,
    names: tuple[str, str],
    pair: tuple[Answering, Answering],
    x: ArrayLike,
    y: ArrayLike | None = None,
) -> Report:
    """Ask two models for the same examples and compare their answers.

    Args:
        model: what the models are called together.
        names: what each of them is called.
        pair: the models.
        x: raw examples [n, ...].
        y: the true class numbers [n] or values [n, outputs]; None where they are not known.

    Returns:
        The report, of the kind `"agreement"`.

    Raises:
        DataError: there are no examples, or not as many targets.
        ShapeError: the models return arrays of different shapes.
    """
    examples = np.asarray(x)
    if not len(examples):
        message = "There are no examples to compare by. Type: endpoint.compare(3, 4, data.test)"
        raise DataError(message)
    first, second = (each.predict(examples).astype(np.float64) for each in pair)
    if first.shape != second.shape:
        message = (
            f"{names[0]} returns {list(first.shape)}, {names[1]} {list(second.shape)}; expected "
            "versions of the same outputs."
        )
        raise ShapeError(message)
    truth = None if y is None else np.asarray(y)
    if truth is not None and len(truth) != len(first):
        message = f"There are {len(first)} examples and {len(truth)} targets; expected as many."
        raise DataError(message)
    one_class = bool(pair[0].labels) and pair[0].kind != "multilabel"
    compare = _classes if one_class else _values
    return compare(model, names, pair[0].labels, (first, second), truth)


def _classes(
    model: str,
    names: tuple[str, str],
    labels: Sequence[str],
    outputs: tuple[Array, Array],
    truth: Array | None,
) -> Report:
    found = [classes_of(each) for each in outputs]
    differ = np.flatnonzero(found[0] != found[1])
    gaps = _gaps(outputs)
    values = {"agreement": 1 - len(differ) / len(gaps), "largest_difference": float(gaps.max())}
    rows: list[tuple[str, ...]] = []
    if truth is not None:
        truth = truth.reshape(-1)
        right = [each == truth for each in found]
        accuracies = [float(each.mean()) for each in right]
        values |= {f"{name} accuracy": a for name, a in zip(names, accuracies, strict=True)}
        rows.append(("accuracy", *(f"{accuracy:.3f}" for accuracy in accuracies)))
        alone = (int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0])))
        rows.append(("right where the other is wrong", *map(str, alone)))
    worst = differ[np.argsort(-gaps[differ], kind="stable")]
    for place in worst[:MOST_SHOWN]:
        said = [
            f"{labels[int(each[place])]} ({_confidence(output[place]):.2f})"
            for each, output in zip(found, outputs, strict=True)
        ]
        true = None if truth is None else labels[int(truth[place])]
        rows.append((_example(place, true), *said))
    agreed = len(gaps) - len(differ)
    notes = [f"The largest difference of a probability is {gaps.max():.3g}."]
    if len(differ) > MOST_SHOWN:
        notes.append(f"Shown are {MOST_SHOWN} of {len(differ)} examples that they differ in.")
    return Report(
        kind="agreement",
        title=f"{model!r}: {names[0]} and {names[1]} agree on {agreed} of {len(gaps)} examples",
        columns=("", *names),
        rows=rows,
        notes=notes,
        values=values,
        data={"differing": differ, "first": outputs[0], "second": outputs[1]},
        words=True,
    )


def _values(
    model: str,
    names: tuple[str, str],
    _: Sequence[str],
    outputs: tuple[Array, Array],
    truth: Array | None,
) -> Report:
    gaps = _gaps(outputs)
    values = {"largest_difference": float(gaps.max()), "mean_difference": float(gaps.mean())}
    rows: list[tuple[str, ...]] = []
    if truth is not None:
        targets = truth.reshape(outputs[0].shape)
        for metric, measure in (("mae", mae), ("r2", r2)):
            measured = [measure(each, targets) for each in outputs]
            values |= {f"{name} {metric}": m for name, m in zip(names, measured, strict=True)}
            rows.append((metric, *(f"{number:.4g}" for number in measured)))
    for place in np.argsort(-gaps, kind="stable")[:MOST_SHOWN]:
        true = None if truth is None else _shown(truth[place])
        rows.append((_example(place, true), *(_shown(each[place]) for each in outputs)))
    return Report(
        kind="agreement",
        title=f"{model!r}: {names[0]} and {names[1]} differ by {gaps.mean():.3g} on average, by "
        f"{gaps.max():.3g} at most, on {len(gaps)} examples",
        columns=("", *names),
        rows=rows,
        notes=["The examples are those in which they differ most."],
        values=values,
        data={"first": outputs[0], "second": outputs[1]},
        words=True,
    )


def _gaps(outputs: tuple[Array, Array]) -> Array:
    """Return the largest difference of a number in each example [n]."""
    return np.abs(outputs[0] - outputs[1]).reshape(len(outputs[0]), -1).max(axis=1)


def _confidence(probabilities: Array) -> float:
    if probabilities.size == 1:
        return float(max(probabilities[0], 1 - probabilities[0]))
    return float(probabilities.max())


def _example(place: int, true: str | None) -> str:
    return f"example {place}" if true is None else f"example {place}, truly {true}"


def _shown(value: Array) -> str:
    return ", ".join(f"{number:.4g}" for number in np.ravel(value)[:4])
