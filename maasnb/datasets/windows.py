"""The verb `windows`: a series as examples of what came before, with what came next as targets.

Values are forecast behind each window, and windows overlap. Of tokens, each position of a window
has the token that comes next as its target, and windows stand one behind the other, as a text's do.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from maasnb.datasets.checks import as_inputs
from maasnb.datasets.columns import some
from maasnb.datasets.frames import table_of
from maasnb.datasets.loading import in_order, split_sizes
from maasnb.datasets.recipes import Recipe, Step, fit_recipe, standardize, standardize_target
from maasnb.datasets.splits import Data, feature_names, split_data
from maasnb.datasets.text import MOST_TOKENS
from maasnb.errors import DataError, OptionError, unknown_name

__all__ = ["windows"]

Array = np.ndarray[Any, np.dtype[Any]]

WindowKind = Literal["regression", "classification"]

_SHOWN = 8
MOST_NUMBERS = 1 << 29
"""Windows overlap: more numbers than these are not put into memory."""


def windows(
    series: Any,  # noqa: ANN401 - any array-like
    length: int = 24,
    horizon: int = 1,
    *,
    target: int | str | None = None,
    kind: WindowKind = "regression",
    split: Sequence[float] = (0.8, 0.1, 0.1),
    prep: Sequence[Step] | None = None,
    labels: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    name: str = "series",
) -> Data:
    """Cut a series into windows, and forecast the values that follow each of them.

    The splits follow each other in time: no value that is forecast in training is forecast, or
    comes later than one that is forecast, in validation or test. A window may reach back into the
    split before, whose values are known when the forecast is made.

    Args:
        series: values in the order of time, [n] or [n, columns]; a table of pandas, polars or
            Arrow; or tokens, whole numbers [n].
        length: how many values, one behind the other, a forecast is made from.
        horizon: how many values are forecast.
        target: the column that is forecast, by number or name; by default all.
        kind: regression forecasts values; classification says which token comes next, at each
            position of a window, as a language model does.
        split: the parts of the time for train, validation and test; they add up to 1.
        prep: the steps of the recipe; by default inputs and targets are standardised.
        labels: the tokens' texts in order; by default their numbers.
        features: the columns' names; by default a table's own, or their numbers.
        name: what to call it.

    Returns:
        A regression: inputs [n, length, columns], targets [n, horizon * target columns]. Of tokens
        inputs and targets [n, length].

    Raises:
        DataError: there are NaN or infinities, no tokens where these are expected, or fewer values
            than one window a split needs.
        OptionError: the length, the horizon, the split or another option cannot be used.
        UnknownNameError: there is no such column, or no such kind.
    """
    length, horizon = _as_count("length", length), _as_count("horizon", horizon)
    if kind not in get_args(WindowKind):
        raise unknown_name("kind of windows", str(kind), get_args(WindowKind))
    if kind == "classification":
        wide = horizon if horizon != 1 else None
        unfit = {"horizon": wide, "target": target, "prep": prep or None, "features": features}
        for what in (each for each, given in unfit.items() if given is not None):
            message = f"{what}= is for windows of values, not of tokens. Leave it out."
            raise OptionError(message)
        return _of_tokens(series, length, split, labels, name)
    if labels is not None:
        message = 'labels= is for windows of tokens. Type: kind="classification", or leave it out'
        raise OptionError(message)
    series, features = _columns(series, features)
    steps = (standardize(), standardize_target()) if prep is None else tuple(prep)
    return _of_values(
        series, (length, horizon), target=target, split=split, steps=steps, features=features,
        name=name,
    )  # fmt: skip


def _as_count(what: str, number: Any) -> int:  # noqa: ANN401 - whatever was given
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        message = f"{what}={number!r} cannot be used; expected a whole number of at least 1."
        raise OptionError(message)
    return int(number)


def _columns(series: Any, features: Sequence[str] | None) -> tuple[Any, Sequence[str] | None]:  # noqa: ANN401 - any array-like
    """Return a table's numbers [n, columns] and their names; anything else as it is."""
    table = table_of(series)
    if not table:
        return series, features
    texts = tuple(name for name, column in table.items() if column.dtype.kind == "O")
    if texts:
        message = (
            f"{some(texts)}: texts; expected columns of numbers. Leave them out: "
            f"mb.windows(table.drop(columns={list(texts[:_SHOWN])!r}))"
        )
        raise DataError(message)
    return np.column_stack(list(table.values())), features or tuple(table)


def _of_values(
    series: Any,  # noqa: ANN401 - any array-like
    sizes: tuple[int, int],
    *,
    target: int | str | None,
    split: Sequence[float],
    steps: Sequence[Step],
    features: Sequence[str] | None,
    name: str,
) -> Data:
    """Return windows of so many values, and the so many values behind each."""
    length, horizon = sizes
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
    parts = in_order(len(x), split)
    asked = [len(part) > 0 for part in parts]
    # A forecast of several values reaches into the next split: those that do are left out.
    for place in (0, 1):
        if any(asked[place + 1 :]):
            parts[place] = parts[place][: max(len(parts[place]) - (horizon - 1), 0)]
    if any(wanted and not len(part) for wanted, part in zip(asked, parts, strict=True)):
        raise _too_short(len(values), length, horizon)
    recipe = fit_recipe(steps, x[parts[0]], y[parts[0]])
    shown = _features(names, length, named=features is not None or len(names) > 1)
    return split_data(x, y, parts, recipe, name=name, kind="regression", features=shown)


def _of_tokens(
    series: Any,  # noqa: ANN401 - any array-like
    length: int,
    split: Sequence[float],
    labels: Sequence[str] | None,
    name: str,
) -> Data:
    """Return windows of tokens [n, length], one behind the other, and those one token on."""
    tokens = _as_tokens(series, MOST_TOKENS if labels is None else len(labels))
    count = (len(tokens) - 1) // length
    if count < 1:
        raise _too_short(len(tokens), length, 1)
    x, y = (tokens[shift : shift + count * length].reshape(count, length) for shift in (0, 1))
    names = labels if labels is not None else range(max(int(tokens.max()) + 1, 2))
    return split_data(
        x,
        y,
        in_order(count, split),
        Recipe(),
        name=name,
        kind="classification",
        labels=[str(each) for each in names],
        features=feature_names(None, x),
    )


def _as_tokens(series: Any, count: int) -> Array:  # noqa: ANN401 - any array-like
    """Return tokens [n] int64, each below a count."""
    tokens = np.asarray(series)
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu" or not len(tokens):
        message = (
            f"The tokens have shape {tokens.shape} and dtype {tokens.dtype}; expected whole "
            "numbers [n], one token after the other. Type: tokens = tokens.reshape(-1).astype(int)"
        )
        raise DataError(message)
    wrong = tokens[(tokens < 0) | (tokens >= count)][:1]
    if len(wrong):
        message = f"There is the token {wrong[0]}; expected whole numbers from 0 to {count - 1:,}."
        raise DataError(message)
    return tokens.astype(np.int64)


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
