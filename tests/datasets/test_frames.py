"""Tables of pandas, polars and Arrow, and CSV files: read without needing any of the libraries."""

import subprocess
import sys

import numpy as np
import pytest

import maasnb as mb
from maasnb.datasets.frames import arranged, read_csv, table_of
from maasnb.errors import DataError, ShapeError

COLUMNS = {
    "age": [34, None, 51, 28],
    "city": ["Wien", "Bern", None, "北京"],
    "size": [1.5, 2.25, 0.1, None],
    "member": [True, False, True, True],
}
ROWS = [["34", "Wien", "1.5", "1"], ["", "Bern", "2.25", "0"],
        ["51", "", "0.1", "1"], ["28", "北京", "", "1"]]  # fmt: skip


def of_pandas():
    return pytest.importorskip("pandas").DataFrame(COLUMNS)


def of_pandas_with_its_own_types():
    return of_pandas().convert_dtypes()


def of_polars():
    return pytest.importorskip("polars").DataFrame(COLUMNS)


def of_arrow():
    return pytest.importorskip("pyarrow").table(COLUMNS)


class Stream:
    """Something that can only hand over Arrow's stream, as a query of a database can."""

    def __arrow_c_stream__(self, requested_schema=None):
        return of_arrow().__arrow_c_stream__(requested_schema)


@pytest.mark.coverage("B1")
@pytest.mark.parametrize(
    "make", [of_pandas, of_pandas_with_its_own_types, of_polars, of_arrow, Stream, lambda: COLUMNS]
)
def test_one_table_is_the_same_whatever_holds_it(make):
    data = mb.data(make(), [0, 1, 0, 1], split=(1, 0, 0))
    assert data.train.x.tolist() == ROWS
    assert data.features == ("age", "city", "size", "member")
    expected = mb.data(COLUMNS, [0, 1, 0, 1], split=(1, 0, 0)).train.inputs
    np.testing.assert_array_equal(data.train.inputs, expected)


@pytest.mark.parametrize("make", [of_pandas, of_polars, of_arrow])
def test_the_targets_can_be_a_column_of_it(make):
    data = mb.data(make(), "member", split=(1, 0, 0))
    assert data.features == ("age", "city", "size")
    assert (data.labels, data.train.y.tolist()) == (("False", "True"), [1, 0, 1, 1])


def test_a_series_of_texts_is_texts():
    pandas = pytest.importorskip("pandas")
    texts = pandas.Series(["good film", "bad film"] * 5)
    data = mb.data(texts, pandas.Series(["p", "n"] * 5), split=(1, 0, 0))
    assert data.recipe.steps[0].vocabulary == ("bad", "film", "good")
    frame = pandas.DataFrame({"text": texts, "y": [0, 1] * 5})
    assert mb.data(frame, "y", prep=[mb.bow()], split=(1, 0, 0)).features == ("text",)


def test_a_column_that_is_not_there_and_one_that_was_not_named_are_told():
    with pytest.raises(DataError, match="no column 'memory'; expected one of 'age', 'city'"):
        mb.data(of_pandas(), "memory")
    with pytest.raises(DataError, match=r"columns 'age', .*Type: mb.data\(table, 'member'\)"):
        mb.data(of_pandas())


def test_dates_and_other_things_are_told_with_a_way_out():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"when": pandas.date_range("2026-01-01", periods=3), "y": [0, 1, 0]})
    with pytest.raises(DataError, match=r"'when' holds dates .*\.dt\.year"):
        mb.data(frame, "y")
    times = pandas.DataFrame({"took": pandas.to_timedelta([1, 2], unit="s"), "y": [0, 1]})
    with pytest.raises(DataError, match=r"'took' holds times .*\.dt\.total_seconds\(\)"):
        mb.data(times, "y")
    with pytest.raises(DataError, match=r"'x' holds \[1\] \(list\); expected numbers or texts"):
        mb.data(pandas.DataFrame({"x": [[1], [2]], "y": [0, 1]}), "y")


def test_a_column_can_be_named_by_its_number():
    pandas = pytest.importorskip("pandas")
    data = mb.data(pandas.DataFrame([[1.5, 0], [2.5, 1]], dtype=float), 1, split=(1, 0, 0))
    assert (data.features, data.train.y.ravel().tolist()) == (("0",), [0, 1])


def test_a_table_without_rows_is_refused():
    with pytest.raises(ShapeError, match="x has no rows; expected at least one example"):
        arranged(of_pandas()[:0], tuple(COLUMNS), texts=True)


def test_two_columns_of_one_name_are_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2, 0]], columns=["a", "a", "y"])
    with pytest.raises(DataError, match="several columns called 'a'"):
        mb.data(frame, "y")


def test_no_table_library_is_needed_to_read_a_dictionary_or_a_file(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n1,x,0\n2,y,1\n")
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('pandas', 'polars', 'pyarrow'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import maasnb as mb\n"
        f"mb.data({str(tmp_path / 't.csv')!r}, 'y', split=(1, 0, 0))\n"
        "print(mb.data({'a': [1, 2], 'b': ['x', 'y']}, [0, 1], split=(1, 0, 0)).train.x)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[['1'", "'x']", "['2'", "'y']]"]


def file_of(tmp_path, content, name="people.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.coverage("B1")
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_file_becomes_numbers_texts_and_gaps(tmp_path, delimiter):
    lines = ['\ufeffage,"city, now",size,ill', "34,Wien,1.5,no", 'NA,"Bern, West",,yes', "51,,2,no"]
    content = "\r\n".join(lines)
    if delimiter != ",":
        content = content.replace(", ", "~").replace(",", delimiter).replace("~", ", ")
    found = read_csv(file_of(tmp_path, content + "\r\n\r\n"))
    assert list(found) == ["age", "city, now", "size", "ill"]
    np.testing.assert_array_equal(found["age"], [34, np.nan, 51])
    np.testing.assert_array_equal(found["size"], [1.5, np.nan, 2])
    assert found["city, now"].tolist() == ["Wien", "Bern, West", ""]


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x0b", "\x0c", "\x1d"])
def test_only_the_end_of_a_line_ends_a_row_of_a_csv_file(tmp_path, sign):
    found = read_csv(file_of(tmp_path, f"text,y\none{sign}two,0\nthree,1\n"))
    assert found["text"].tolist() == [f"one{sign}two", "three"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_a_line_ends_a_row_and_stays_in_quotes(tmp_path, end):
    found = read_csv(file_of(tmp_path, end.join(["text,y", '"one', 'two",0', "three,1", ""])))
    assert found["text"].tolist() == [f"one{end if end != chr(13) else chr(10)}two", "three"]


def test_a_decimal_comma_is_read_where_commas_separate_nothing(tmp_path):
    found = read_csv(file_of(tmp_path, 'size;code;y\n1,5;1,a;0\n-2;"2,5";1\n;3;1\n'))
    np.testing.assert_array_equal(found["size"], [1.5, -2, np.nan])
    assert found["code"].tolist() == ["1,a", "2,5", "3"]
    found = read_csv(file_of(tmp_path, 'size,y\n"1,5",0\n"2,5",1\n'))
    assert found["size"].tolist() == ["1,5", "2,5"]


def test_a_csv_file_is_named_after_itself_and_whole_numbers_are_classes(tmp_path):
    rows = "".join(f"{n},{'ab'[n % 2]},{n % 2}\n" for n in range(20))
    data = mb.data(file_of(tmp_path, "n,letter,y\n" + rows), "y")
    assert (data.name, data.kind, data.labels) == ("people", "classification", ("0", "1"))
    same = mb.data(str(tmp_path / "people.csv"), "y")
    assert same.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n3,4,5\n", r"people.csv, line 3: 3 values; expected 2"),
        ("a,y\n" + "1,0\n" * 20 + "1o,1\n", r"column 'a', line 22: '1o' is no number, as .* 20"),
        ("a,y\nMünchen,1\n".encode("latin-1"), r"line 2: the byte 0xfc is no UTF-8.*encoding="),
        ("a,y\n1,2\n".encode("utf-16"), r"line 1: the byte 0xff is no UTF-8"),
        ("a,y\n1,2\n".encode("utf-16-le"), r"line 1: a zero byte"),
        ('a,y\n"1,2\n', r"line 2: unexpected end of data. Look at the quotes"),
        ("a,a,y\n1,2,0\n", r"several columns called 'a'"),
        ("a,y\n", r"has 1 lines with values; expected a line of the columns' names"),
        ("", r"has 0 lines with values"),
    ],
)
def test_a_csv_file_that_cannot_be_read_says_where(tmp_path, content, words):
    with pytest.raises(DataError, match=words):
        mb.data(file_of(tmp_path, content), "y")


def test_a_csv_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match=r"nothing.csv' cannot be read \(No such file"):
        mb.data(str(tmp_path / "nothing.csv"), "y")


def test_what_is_no_table_is_left_alone():
    assert table_of([[1, 2]]) is None
    assert table_of(np.zeros((2, 2))) is None
    assert table_of("digits") is None
    datasets = pytest.importorskip("datasets")
    assert table_of(datasets.Dataset.from_dict({"x": [1, 2]})) is None
