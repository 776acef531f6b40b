"""Tables of other libraries and CSV files, read as named columns.

No library is imported or needed: pandas and polars are asked for their columns by name, Arrow's
tables for theirs, and anything else that streams Arrow data is handed to pyarrow where it is there.
"""

import csv
import importlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from maasnb.datasets.columns import NUMBER, as_column, as_rows, rows_of, some
from maasnb.datasets.steps import Array
from maasnb.errors import DataError, ShapeError, missing_package

__all__ = ["arranged", "is_csv", "is_table", "read_csv", "table_of"]

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"})
"""The texts that stand for no value in a CSV file."""
DELIMITERS = ",;\t|"
COMMA = re.compile(r"(\s*[+-]?\d+),(\d+\s*)\Z", flags=re.ASCII)
"""A number with a decimal comma, as in files whose separator is another sign."""
MOSTLY = 0.9
"""A column with a greater share of numbers than this holds numbers, and other texts are slips."""
LARGEST_CELL = 1 << 24


@runtime_checkable
class _Frame(Protocol):
    """What is used of a table of pandas or polars."""

    columns: Any
    shape: Any

    def __getitem__(self, name: Any) -> Any: ...  # noqa: ANN401 - their columns

    def select_dtypes(self, include: Any) -> Any: ...  # noqa: ANN401 - their own


@runtime_checkable
class _Polars(Protocol):
    """What is used of a table of polars."""

    columns: Any

    def get_column(self, name: str) -> Any: ...  # noqa: ANN401 - their column


@runtime_checkable
class _Arrow(Protocol):
    """What is used of a table of Arrow."""

    column_names: Any

    def column(self, name: Any) -> Any: ...  # noqa: ANN401 - their column

    def to_pylist(self) -> Any: ...  # noqa: ANN401 - their rows


@runtime_checkable
class _Streaming(Protocol):
    """What holds columns in Arrow's memory layout and can hand them over."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


@runtime_checkable
class _Single(Protocol):
    """What a single column has, and no other source of a stream that is not asked for before."""

    def __array__(self, dtype: object = None) -> Any: ...  # noqa: ANN401 - an array


@runtime_checkable
class _Stream(Protocol):
    """What is a source of batches rather than a table, as a set of Hugging Face `datasets`."""

    def with_format(self, type: str) -> Any: ...  # noqa: A002, ANN401 - their name


def is_table(x: object) -> bool:
    """Say whether something is a table of a library, rather than an array or a stream."""
    if isinstance(x, _Stream):
        return False
    streams = isinstance(x, _Streaming) and not isinstance(x, _Single)
    return isinstance(x, _Frame | _Polars | _Arrow) or streams


def table_of(x: object) -> dict[str, Array] | None:
    """Return the columns of a table by name; None for what is no table.

    Raises:
        DataError: two columns have one name, or a column holds neither numbers nor texts.
        MissingPackageError: it only streams Arrow data, and pyarrow is not installed.
    """
    found: Any = x
    if not is_table(x):
        return None
    if isinstance(x, _Frame):
        names = [str(name) for name in found.columns]
        values = ((name, found.iloc[:, place]) for place, name in enumerate(names))
    elif isinstance(x, _Polars):
        names = [str(name) for name in found.columns]
        values = ((name, found.get_column(name).to_numpy()) for name in names)
    elif isinstance(x, _Arrow):
        names = [str(name) for name in found.column_names]
        values = (
            (name, found.column(place).to_numpy(zero_copy_only=False))
            for place, name in enumerate(names)
        )
    else:
        return table_of(_pyarrow().table(x))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"The table has several columns called {some(twice)}; expected each name once."
        raise DataError(message)
    return {name: as_column(column, name) for name, column in values}


def _pyarrow() -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise missing_package("Reading Arrow's stream of a table", "pyarrow", "tables") from error


def is_csv(x: object) -> bool:
    """Say whether something is the path of a file with a table in it.

    >>> is_csv("people.csv"), is_csv("digits")
    (True, False)
    """
    return (
        isinstance(x, str | Path)
        and "\n" not in str(x)
        and str(x).lower().endswith((".csv", ".tsv"))
    )


def read_csv(path: str | Path) -> dict[str, Array]:
    """Return the columns of a CSV file by name, which its first line has.

    A column whose values are numbers holds numbers, with NaN for a missing value; any other texts.
    Where the separator is no comma, numbers may have a decimal comma.

    Raises:
        DataError: the file is not there or cannot be read; says the line and the column.
    """
    name = Path(path).name
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        message = f"The file {str(path)!r} cannot be read ({error.strerror or error})."
        raise DataError(message) from error
    text = _decoded(content, name)
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    lines = list(_lines(text, name, delimiter))
    if len(lines) < 2:
        message = (
            f"{name} has {len(lines)} lines with values; expected a line of the columns' names, "
            "then a line for each example."
        )
        raise DataError(message)
    (_, header), *rows = lines
    names = [each.strip() or f"column {place + 1}" for place, each in enumerate(header)]
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        message = f"{name} has several columns called {some(twice)}; expected each name once."
        raise DataError(message)
    for line, row in rows:
        if len(row) != len(names):
            message = (
                f"{name}, line {line}: {len(row)} values; expected {len(names)}, one for each "
                f"column of the first line. Put quotes around a text that holds a separator."
            )
            raise DataError(message)
    numbers = [line for line, _ in rows]
    return {
        each: _column(
            [row[place] for _, row in rows],
            numbers,
            f"{name}, column {each!r}",
            comma=delimiter != ",",
        )
        for place, each in enumerate(names)
    }


def _decoded(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        message = (
            f"{name}, line {line}: the byte 0x{byte:02x} is no UTF-8; the file has another "
            "encoding. Save it as UTF-8, or read it with the right one: "
            f'mb.data(pandas.read_csv({name!r}, encoding="latin-1"), "column")'
        )
        raise DataError(message) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = (
            f"{name}, line {line}: a zero byte, which no table of texts has; the file has another "
            "encoding (UTF-16, for example) or is no CSV. Save it as UTF-8."
        )
        raise DataError(message)
    return text


def _lines(text: str, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the values of each line that is not empty."""
    before = csv.field_size_limit(LARGEST_CELL)
    # Not splitlines(), to which more ends a line than to a file of texts, as U+2028.
    plain = text if "\n" in text else text.replace("\r", "\n")
    rows = plain.removesuffix("\n").split("\n")
    reader = csv.reader((row + "\n" for row in rows), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        message = f"{name}, line {reader.line_num}: {error}. Look at the quotes there."
        raise DataError(message) from error
    finally:
        csv.field_size_limit(before)


def _column(given: list[str], lines: list[int], where: str, *, comma: bool) -> Array:
    """Return the values of a column as numbers if they are, else as texts."""
    values = [COMMA.sub(r"\1.\2", each) for each in given] if comma else given
    present = [value for value in values if value.strip() not in MISSING]
    numbers = sum(NUMBER.match(value) is not None for value in present)
    if present and numbers < len(present):
        if numbers > MOSTLY * len(present):
            place = next(
                n
                for n, value in enumerate(values)
                if value.strip() not in MISSING and not NUMBER.match(value)
            )
            message = (
                f"{where}, line {lines[place]}: {given[place]!r:.40} is no number, as the other "
                f"{numbers} values are. Mend the file; or if the column is text, read it so: "
                "mb.data(pandas.read_csv(path, dtype=str), 'column')"
            )
            raise DataError(message)
        texts = np.empty(len(values), dtype=object)
        texts[:] = ["" if value.strip() in MISSING else value for value in given]
        return texts
    found = np.array([math.nan if v.strip() in MISSING else float(v) for v in values])
    whole = present and all(value.strip().lstrip("+-").isdigit() for value in present)
    if whole and len(present) == len(values) and np.abs(found).max() < 2**53:
        return found.astype(np.int64)
    return found


def arranged(x: Any, features: tuple[str, ...], *, texts: bool) -> Any:  # noqa: ANN401 - whatever was given
    """Return a table's columns in the order that a model takes them; anything else as it is.

    Args:
        x: raw examples: a table, a dictionary of one example or a list of such, or arrays.
        features: the names of the columns that the model was trained on.
        texts: whether the model takes rows of texts rather than numbers.

    Raises:
        ShapeError: a column is missing.
    """
    if not texts and features == tuple(str(number) for number in range(len(features))):
        return x  # the columns had no names
    records = [x] if isinstance(x, dict) else x
    if isinstance(x, dict) and x and all(np.ndim(each) == 1 for each in x.values()):
        columns = {str(name): as_column(each, str(name)) for name, each in x.items()}
    elif isinstance(records, list) and records and all(isinstance(each, dict) for each in records):
        columns = _of_records(records, features)
    else:
        columns = table_of(x)
        if columns is None:
            return as_rows(x, len(features)) if texts else x
    missing = [name for name in features if name not in columns]
    if missing:
        message = (
            f"x lacks the column{'s' * (len(missing) > 1)} {some(missing)}; expected "
            f"{some(features)}, as in the data that the model was trained on."
        )
        raise ShapeError(message)
    taken = {name: columns[name] for name in features}
    if texts:
        rows = rows_of(taken)
        if not len(rows):
            message = "x has no rows; expected at least one example."
            raise ShapeError(message)
        return rows
    wrong = [name for name, column in taken.items() if column.dtype.kind == "O"]
    if wrong:
        message = f"{some(wrong)}: texts; expected numbers, as the model was trained on."
        raise DataError(message)
    return np.column_stack(list(taken.values()))


def _of_records(
    records: Sequence[Mapping[str, Any]], features: tuple[str, ...]
) -> dict[str, Array]:
    """Return the columns of examples that are dictionaries of single values."""
    names = [name for name in features if all(name in each for each in records)]
    return {
        name: as_column(
            np.array([*(each[name] for each in records), None], dtype=object)[:-1], name
        )
        for name in names
    }
