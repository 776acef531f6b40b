"""The verb `windows`: a series as examples of what came before, with what came next as targets."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from maasnb.datasets.checks import as_inputs
from maasnb.datasets.loading import split_sizes
from maasnb.datasets.recipes import Step, fit_recipe, standardize, standardize_target
from maasnb.datasets.splits import Data, fingerprint, prepare
from maasnb.errors import DataError, OptionError, unknown_name

__all__ = ["windows"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_NUMBERS = 1 << 29
"""Windows overlap: more numbers than these are not put into memory."""


def windows(
    series: Any,  # noqa: ANN401 - any array-like
    length: int = 24,
    horizon: int = 1,
    *,
    target: int | str | None = None,
    split: Sequence[float] = (0.8, 0.1, 0.1),
    prep: Sequence[Step] | None = None,
    features: Sequence[str] | None = None,
    name: str = "series",
) -> Data:
    """Cut a series into windows, and forecast the values that follow each of them.

    The splits follow each other in time: no value that is forecast in training is forecast, or
    comes later than one that is forecast, in validation or test. A window may reach back into the
    split before, whose values are known when the forecast is made.

    Args:
        series: values in the order of time, [n] or [n, columns].
        length: how many values, one behind the other, a forecast is made from.
        horizon: how many values are forecast.
        target: the column that is forecast, by number or name; by default all.
        split: the parts of the time for train, validation and test; they add up to 1.
        prep: the steps of the recipe; by default inputs and targets are standardised.
        features: the columns' names; by default their numbers.
        name: what to call it.

    Returns:
        A regression: inputs [n, length, columns], targets [n, horizon * target columns].

    Raises:
        DataError: there are NaN or infinities, or fewer values than one window a split needs.
        OptionError: the length, the horizon or the split cannot be used.
        UnknownNameError: there is no such column.
    """
    for what, number in (("length", length), ("horizon", horizon)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            message = f"{what}={number!r} cannot be used; expected a whole number of at least 1."
            raise OptionError(message)
    values = as_inputs(series, features, "keep = {keep}; mb.windows(series[keep])")
    if values.ndim > 2:
        message = (
            f"The series has shape {values.shape}; expected [n] or [n, columns]. "
            "Type: mb.windows(series.reshape(len(series), -1))"
        )
        raise DataError(message)
    names = tuple(features or map(str, range(values.shape[1])))
    columns = [_column(target, names)] if target is not None else list(range(len(names)))
    _check_length(values, length, horizon, split)
    x, y = _cut(values, length, horizon, columns)
    bounds = np.cumsum((0, *split_sizes(len(x), split)))
    parts = [np.arange(*each) for each in itertools.pairwise(bounds)]
    # A forecast of several values reaches into the next split: those that do are left out.
    held = len(parts[1]) + len(parts[2])
    if held:
        parts[0] = parts[0][: len(parts[0]) - (horizon - 1)]
    if len(parts[1]) and len(parts[2]):
        parts[1] = parts[1][: len(parts[1]) - (horizon - 1)]
    if not len(parts[0]) or (bounds[2] > bounds[1] and not len(parts[1])):
        raise _too_short(len(values), length, horizon)
    steps = (standardize(), standardize_target()) if prep is None else tuple(prep)
    recipe = fit_recipe(steps, x[parts[0]], y[parts[0]])
    train, validation, test = (prepare(x, y, rows, recipe) for rows in parts)
    return Data(
        name=name,
        kind="regression",
        train=train,
        validation=validation,
        test=test,
        recipe=recipe,
        labels=(),
        features=_features(names, length, named=features is not None or len(names) > 1),
        seed=0,
        fingerprint=fingerprint(x, y, parts, recipe),
    )


def _cut(values: Array, length: int, horizon: int, columns: list[int]) -> tuple[Array, Array]:
    """Return all windows [n, length, columns] and what is behind each [n, horizon * columns]."""
    count = len(values) - length - horizon + 1
    view = np.lib.stride_tricks.sliding_window_view
    x = np.moveaxis(view(values, length, axis=0)[:count], -1, 1)
    behind = view(values[length:, columns], horizon, axis=0)[:count]
    y = np.moveaxis(behind, -1, 1).reshape(count, -1).astype(np.float64)
    return np.ascontiguousarray(x), y


def _features(names: tuple[str, ...], length: int, *, named: bool) -> tuple[str, ...]:
    """Return a name for each value of a window: its column, and how long before the forecast."""
    before = [f"-{length - place}" for place in range(length)]
    return tuple(f"{name} {when}" if named else when for when in before for name in names)


def _column(target: int | str, names: Sequence[str]) -> int:
    if isinstance(target, str) and target in names:
        return names.index(target)
    whole = isinstance(target, int) and not isinstance(target, bool)
    if whole and 0 <= int(target) < len(names):
        return int(target)
    raise unknown_name("column of the series", str(target), names)


def _check_length(values: Array, length: int, horizon: int, split: Sequence[float]) -> None:
    count = len(values) - length - horizon + 1
    if count < 1:
        raise _too_short(len(values), length, horizon)
    split_sizes(count, split)
    numbers = count * (length + horizon) * values.shape[1]
    if numbers > MOST_NUMBERS:
        message = (
            f"{count:,} windows of {length} values and {values.shape[1]} columns are "
            f"{numbers:,} numbers; expected at most {MOST_NUMBERS:,}. Take every n-th value: "
            "mb.windows(series[::10], ...)"
        )
        raise DataError(message)


def _too_short(values: int, length: int, horizon: int) -> DataError:
    message = (
        f"The series has {values} values; expected more than length={length} and "
        f"horizon={horizon} need for a window in each split. Give a longer series, or a smaller "
        f"length: mb.windows(series, length={max(values // 10, 1)})"
    )
    return DataError(message)
