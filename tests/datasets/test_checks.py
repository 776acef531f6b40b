"""Bad data: each kind gets one message that says what is wrong and what to type."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.datasets.checks import as_inputs, as_seed, as_targets
from maasnb.errors import DataError, OptionError, UnknownNameError


def inputs_with(value, *, places, shape=(4, 3)):
    x = np.zeros(shape)
    for place in places:
        x[place] = value
    return x


def targets(y, *, kind=None, labels=None):
    return as_targets(y, len(y), kind, labels)


@pytest.mark.coverage("B1")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_column_with_a_number_that_is_not_finite_is_named(value):
    x = inputs_with(value, places=[(0, 2), (3, 2), (3, 1)])
    with pytest.raises(
        DataError, match=r"in 2 of 4 examples; columns \(how many\): 1 \(1\), 2 \(2\)"
    ):
        as_inputs(x, None)


def test_a_bad_column_is_called_by_its_name():
    x = inputs_with(np.nan, places=[(1, 0)])
    with pytest.raises(DataError, match=r"columns \(how many\): age \(1\)\."):
        as_inputs(x, ["age", "height", "weight"])


def test_of_many_bad_columns_the_first_eight_are_named():
    with pytest.raises(DataError, match=r"6 \(4\), 7 \(4\) and 12 more"):
        as_inputs(np.full((4, 20), np.nan), None)


@pytest.mark.coverage("B1")
@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 2, 2)])
def test_the_code_that_leaves_bad_rows_out_does_so(shape):
    x, y = inputs_with(np.inf, places=[(2,)], shape=shape), np.arange(6)
    with pytest.raises(DataError) as raised:
        as_inputs(x, None)
    code = str(raised.value).partition("Leave those rows out: ")[2].partition(";")[0]
    names = {"np": np, "x": x}
    exec(code, names)
    assert y[names["keep"]].tolist() == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("x", [[], np.zeros((0, 4)), np.zeros((4, 0))])
def test_empty_inputs_are_refused(x):
    with pytest.raises(
        DataError, match=r"The inputs are empty \(shape .*\); expected an array \[n,"
    ):
        as_inputs(x, None)


def test_one_number_is_no_data():
    with pytest.raises(DataError, match=r"The inputs are one int; expected an array \[n, ...\]"):
        as_inputs(3, None)


@pytest.mark.parametrize("x", [[["red"], ["blue"]], [[1, None]], [[1j]]])
def test_inputs_that_are_no_numbers_are_refused(x):
    with pytest.raises(DataError, match="expected numbers. Type: x = x.astype.float., and encode"):
        as_inputs(x, None)


@pytest.mark.parametrize(
    ("x", "shapes"),
    [
        ([[1, 2], [3]], r"\(2,\), \(1,\);"),
        ([np.zeros((8, 8, 3)), np.zeros((9, 8, 3))], r"\(8, 8, 3\), \(9, 8, 3\);"),
    ],
)
def test_examples_of_different_shapes_are_refused_with_their_shapes(x, shapes):
    with pytest.raises(DataError, match=f"The inputs have different shapes, {shapes} expected one"):
        as_inputs(x, None)


def test_masked_values_are_missing_values():
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 1], [0, 0]])
    with pytest.raises(DataError, match=r"in 1 of 2 examples; columns \(how many\): 1 \(1\)"):
        as_inputs(masked, None)
    with pytest.raises(DataError, match=r"in 1 of 2 examples; columns \(how many\): 1 \(1\)"):
        as_inputs(masked.astype(int), None)
    assert np.isnan(as_inputs(masked, None, gaps=True)).tolist() == masked.mask.tolist()
    with pytest.raises(DataError, match="1 of 2 targets are missing"):
        targets(np.ma.masked_array([0, 1], mask=[0, 1]))
    assert as_inputs(np.ma.masked_array([1, 2]), None).tolist() == [[1], [2]]


def test_a_name_of_a_feature_is_there_once():
    with pytest.raises(DataError, match="features= has a more than once; expected each name once"):
        as_inputs(np.zeros((4, 2)), ["a", "a"])
    with pytest.raises(DataError, match="features= has a more than once"):
        mb.data({"n": [1, 2], "t": ["x", "y"]}, [0, 1], features=["a", "a"], split=(1, 0, 0))


def test_a_sparse_matrix_is_told_how_it_becomes_an_array():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(DataError, match=r"are a sparse csr_matrix;.*mb.data\(x.toarray\(\), y\)"):
        mb.data(sparse.csr_matrix(np.eye(3)), [0, 1, 0])


def test_texts_that_come_one_after_the_other_are_told_to_be_a_list():
    with pytest.raises(OptionError, match=r"yield x, y; or mb.data\(list\(x\), y\)"):
        mb.data((text for text in ["good", "bad"]), [1, 0])


def test_a_range_counts_as_an_array():
    assert mb.data(range(10), range(10), kind="regression", split=(1, 0, 0)).train.x.shape == (
        10,
        1,
    )


@pytest.mark.parametrize("y", [[1j, 2j], np.arange(2).astype("datetime64[D]")])
def test_targets_that_are_neither_classes_nor_values_are_refused(y):
    with pytest.raises(DataError, match=r"expected classes .* Type|y = y.astype\(str\)"):
        targets(y)


def test_a_float_too_large_to_tell_whole_numbers_apart_is_no_class():
    with pytest.raises(DataError, match="some are no whole numbers"):
        targets([1e300, 2.0], kind="classification")


def test_missing_values_of_pandas_are_missing_targets():
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(["a", None, "b"], dtype=pandas.StringDtype("python"))
    with pytest.raises(DataError, match=r"1 of 3 targets are missing .*y.notna\(\).to_numpy\(\)"):
        targets(series)


def test_lists_of_as_many_labels_are_told_how_they_are_given():
    with pytest.raises(DataError, match=r"texts of shape \(2, 2\).*kind=\"multilabel\""):
        targets([["a", "b"], ["b", "c"]])


def test_there_is_a_name_for_each_column():
    with pytest.raises(DataError, match="There are 2 names of features, but each example has 3"):
        as_inputs(np.zeros((4, 3)), ["age", "height"])


@pytest.mark.parametrize("y", [[0, 1], [0, 1, 0, 1], []])
def test_inputs_and_targets_are_as_many(y):
    with pytest.raises(DataError, match=f"x has 3 examples, but y has {len(y)} targets.*x.shape"):
        as_targets(y, 3, None, None)


def test_one_target_for_all_examples_is_refused():
    with pytest.raises(DataError, match="x has 3 examples, but y has one value"):
        as_targets(1, 3, None, None)


def test_one_hot_rows_are_refused_with_the_way_to_classes():
    with pytest.raises(DataError, match=r"shape \(3, 3\).* type: y = y.argmax\(axis=1\)"):
        targets(np.eye(3, dtype=int))


def test_classes_in_one_column_are_taken():
    numbers, kind, labels = targets(np.array([[1], [0], [1]]))
    assert (numbers.tolist(), kind, labels) == ([1, 0, 1], "classification", ("0", "1"))


def test_whole_numbers_outside_the_labels_are_counted_and_named():
    message = "2 targets are outside the 2 classes: 5. Expected: 0, 1. Give labels="
    with pytest.raises(DataError, match=message):
        targets([0, 1, 5, 5], labels=["no", "yes"])


def test_texts_outside_the_labels_are_counted_and_named():
    message = "2 targets are outside the 2 classes: maybe, nay. Expected: no, yes. Give labels="
    with pytest.raises(DataError, match=message):
        targets(["no", "nay", "maybe", "yes"], labels=["no", "yes"])


def test_negative_numbers_are_outside_the_labels():
    with pytest.raises(DataError, match="1 targets are outside the 2 classes: -1"):
        targets([0, 1, -1], labels=["no", "yes"])


def test_one_class_alone_cannot_be_learnt():
    with pytest.raises(DataError, match="All targets are 7; expected at least two classes"):
        targets([7, 7, 7])


@pytest.mark.parametrize("labels", [[], ["no"], ["no", "no"], "ny"])
def test_labels_are_at_least_two_different_names(labels):
    with pytest.raises(DataError, match="expected at least two names, each once. Type: labels="):
        targets([0, 0], labels=labels)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_classes_are_whole_numbers(value):
    with pytest.raises(DataError, match='some are no whole numbers. Type: kind="regression"'):
        targets([0.0, 1.0, value], kind="classification")


@pytest.mark.parametrize("value", [None, np.nan])
def test_missing_classes_are_counted(value):
    y = np.array(["a", value, "b", value], dtype=object)
    with pytest.raises(DataError, match=r"2 of 4 targets are missing \(None or NaN\). Leave those"):
        targets(y)


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_the_code_that_leaves_bad_targets_out_does_so(shape):
    y = inputs_with(np.nan, places=[(1,)], shape=shape)
    with pytest.raises(DataError, match="1 of 4 targets are NaN or infinite") as raised:
        targets(y)
    names = {"np": np, "y": y}
    exec(str(raised.value).partition("Leave those rows out: ")[2].partition(";")[0], names)
    assert names["keep"].tolist() == [True, False, True, True]


def test_texts_are_no_values():
    with pytest.raises(
        DataError, match='a regression expects numbers. Type: kind="classification"'
    ):
        targets(["a", "b"], kind="regression")


def test_an_unknown_kind_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'classification'"):
        targets([0, 1], kind="clasification")


def test_values_of_one_target_are_one_column():
    values, kind, labels = targets([0.5, 1.5])
    assert (values.tolist(), kind, labels) == ([[0.5], [1.5]], "regression", ())


def test_a_seed_fits_every_generator():
    assert as_seed(2**32 - 1) == 2**32 - 1
    with pytest.raises(OptionError, match="expected a whole number from 0"):
        as_seed(2**32)
