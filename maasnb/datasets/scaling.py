"""Steps that change the numbers of each column by itself: scale them, and fill gaps.

Each works on a matrix of numbers or on the named columns of a table. Only fitting needs
scikit-learn; what was learnt is applied with NumPy alone, in notebook and server alike.
"""

import dataclasses
import importlib
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from maasnb.datasets.columns import Columns, chosen, some
from maasnb.datasets.steps import Array, Step
from maasnb.errors import DataError, OptionError, ShapeError, missing_package

__all__ = [
    "STRATEGIES",
    "Impute",
    "MinMax",
    "NumberStep",
    "Standardize",
    "as_names",
    "checked_names",
    "fitting_module",
    "moments",
]

STRATEGIES = ("median", "mean", "most_frequent")
MOST_COLUMNS = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class NumberStep(Step):
    """Be the parent of the steps that change the numbers of each column by itself.

    Attributes:
        columns: the columns of a table that it works on, by default all of numbers; empty for a
            matrix, of which it takes every value.
    """

    columns: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        """Take names as a tuple."""
        object.__setattr__(self, "columns", checked_names(self.columns, self.kind))

    @property
    def width(self) -> int:
        """Return how many columns it was fitted on."""
        raise NotImplementedError

    def learn(self, x: Array, names: tuple[str, ...]) -> Self:
        """Return the step with what it learnt of a matrix [n, columns].

        Args:
            x: the training split's numbers, float64.
            names: the columns' names, for messages; empty where they have none.
        """
        raise NotImplementedError

    def apply(self, x: Array) -> Array:
        """Return the changed numbers of a matrix [n, columns], float64."""
        raise NotImplementedError

    def fit(self, x: Any, y: Array) -> Self:  # noqa: ANN401, ARG002 - the steps' common form
        """Learn the numbers of each column."""
        if isinstance(x, Columns):
            names = chosen(x, self.columns, self.kind) or x.numbers
            return dataclasses.replace(self.learn(x.matrix(names), names), columns=names)
        if self.columns:
            message = (
                f"mb.{self.kind}({', '.join(self.columns)}) names columns, but the inputs are a "
                "matrix. Type: mb.data(table, 'column of the targets')"
            )
            raise OptionError(message)
        return self.learn(_flat(x), ())

    def inputs(self, x: Any) -> Any:  # noqa: ANN401 - a matrix or columns
        """Return the same with its numbers changed, in float64."""
        if isinstance(x, Columns):
            self._check_width(len(self.columns))
            changed = self.apply(x.matrix(self.columns))
            return x.put(dict(zip(self.columns, changed.T, strict=True)))
        flat = _flat(x)
        self._check_width(flat.shape[1])
        return self.apply(flat).reshape(x.shape)

    def _check_width(self, width: int) -> None:
        if width != self.width:
            message = (
                f"Each example has {width} values, but the recipe was fitted on {self.width}. "
                "Give examples of the shape that the model was trained on."
            )
            raise ShapeError(message)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data; the columns' names where there are some."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if not self.columns:
            del fields["columns"]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields.items()
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Standardize(NumberStep):
    """Give each column mean 0 and standard deviation 1; a constant column becomes 0.

    Attributes:
        mean: the mean of each column of the training split.
        scale: the standard deviation of each column, 1 for a constant one.
    """

    kind: ClassVar[str] = "standardize"

    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Return how many columns it was fitted on."""
        return len(self.mean)

    def learn(self, x: Array, names: tuple[str, ...]) -> "Standardize":  # noqa: ARG002 - the common form
        """Learn the mean and the standard deviation of each column."""
        return Standardize(*moments(x))

    def apply(self, x: Array) -> Array:
        """Subtract the mean and divide by the scale."""
        return (x - np.array(self.mean)) / np.array(self.scale)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody."""
        return cls(**_two_rows(data, ("mean", "scale")))


@dataclasses.dataclass(frozen=True, slots=True)
class MinMax(NumberStep):
    """Bring each column into 0 to 1; a constant column becomes 0.

    Attributes:
        low: the smallest value of each column of the training split.
        scale: the largest value less the smallest, 1 for a constant column.
    """

    kind: ClassVar[str] = "minmax"

    low: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Return how many columns it was fitted on."""
        return len(self.low)

    def learn(self, x: Array, names: tuple[str, ...]) -> "MinMax":  # noqa: ARG002 - the common form
        """Learn the range of each column."""
        if not x.shape[1]:
            return MinMax()
        scaler = fitting_module("preprocessing").MinMaxScaler().fit(x)
        span = np.asarray(scaler.data_range_)
        low = np.asarray(scaler.data_min_)
        return MinMax(tuple(low.tolist()), tuple(np.where(span > 0, span, 1.0).tolist()))

    def apply(self, x: Array) -> Array:
        """Subtract the smallest value and divide by the range."""
        return (x - np.array(self.low)) / np.array(self.scale)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody."""
        return cls(**_two_rows(data, ("low", "scale")))


@dataclasses.dataclass(frozen=True, slots=True)
class Impute(NumberStep):
    """Put a value in the place of each missing one.

    Attributes:
        value: `"median"`, `"mean"`, `"most_frequent"`, or a number.
        values: the value of each column.
    """

    kind: ClassVar[str] = "impute"
    fills: ClassVar[bool] = True

    value: str | float = "median"
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the value."""
        NumberStep.__post_init__(self)
        value: Any = self.value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value not in STRATEGIES and not (number and math.isfinite(value)):
            message = (
                f"impute({value!r:.40}) cannot be used; expected {', '.join(STRATEGIES)} or a "
                'finite number. Type: mb.impute("median")'
            )
            raise OptionError(message)

    @property
    def width(self) -> int:
        """Return how many columns it was fitted on."""
        return len(self.values)

    def learn(self, x: Array, names: tuple[str, ...]) -> "Impute":
        """Learn the value of each column.

        Raises:
            DataError: a column has no value of which one could be learnt.
        """
        if not isinstance(self.value, str):
            return Impute(self.value, (float(self.value),) * x.shape[1])
        empty = np.flatnonzero(np.isnan(x).all(axis=0))
        if len(empty):
            which = tuple(names[place] if names else str(place) for place in empty)
            message = (
                f"{some(which)}: no value at all in the training split, so there is no "
                f"{self.value}. Leave {'it' if len(which) == 1 else 'them'} out, or give a value: "
                "mb.impute(0)"
            )
            raise DataError(message)
        if not x.shape[1]:
            return Impute(self.value)
        imputer = fitting_module("impute").SimpleImputer(strategy=self.value).fit(x)
        return Impute(self.value, tuple(np.asarray(imputer.statistics_, np.float64).tolist()))

    def apply(self, x: Array) -> Array:
        """Put the values in the place of NaN."""
        return np.where(np.isnan(x), np.array(self.values), x)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody."""
        fields = {name: data[name] for name in data if name != "value"}
        row = _two_rows(fields, ("values",))
        value = data["value"]
        return cls(value=value if isinstance(value, str) else float(value), **row)


def _flat(x: Array) -> Array:
    # Not reshape(len(x), -1): no examples at all must pass too.
    return np.asarray(x, dtype=np.float64).reshape(len(x), math.prod(x.shape[1:]))


def moments(columns: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each column; 1 for a constant one."""
    if not columns.shape[1]:
        return (), ()
    scaler = fitting_module("preprocessing").StandardScaler().fit(columns.astype(np.float64))
    mean, scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
    return tuple(mean.tolist()), tuple(scale.tolist())


def fitting_module(module: str) -> Any:  # noqa: ANN401 - a module
    """Return a module of scikit-learn, which only fitting needs.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise missing_package("Fitting a recipe", "sklearn", "notebook") from error


def checked_names(names: object, step: str) -> tuple[str, ...]:
    """Return the names of columns that a person gave.

    Raises:
        OptionError: they are none.
    """
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return tuple(names)
    message = (
        f"columns={names!r:.60} cannot be used; expected a list of names. "
        f'Type: mb.{step}(columns=["age"])'
    )
    raise OptionError(message)


def as_names(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    """Return names of JSON data that may come from anybody, each once.

    Raises:
        ValueError: they are none.
    """
    fits = isinstance(value, list) and len(value) <= MOST_COLUMNS
    if not fits or not all(isinstance(name, str) for name in value) or len(set(value)) < len(value):
        message = "expected names, each once"
        raise ValueError(message)
    return tuple(value)


def _two_rows(data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return rows of finite numbers of one length, and the names of columns if there are some."""
    columns = as_names(data.get("columns", []))
    rows = {name: tuple(float(each) for each in data[name]) for name in names}
    lengths = {len(row) for row in rows.values()} | ({len(columns)} if columns else set())
    known = set(data) == {*names, *(["columns"] if "columns" in data else [])}
    if not known or len(lengths) != 1 or not all(map(math.isfinite, sum(rows.values(), ()))):
        message = f"expected {' and '.join(names)}, as many finite numbers in each"
        raise ValueError(message)
    return {**rows, "columns": columns}
