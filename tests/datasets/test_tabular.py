"""Steps for tables against scikit-learn's own, and what they do with gaps and unknown values."""

import json

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

import maasnb as mb
from maasnb.datasets.recipes import Recipe, fit_recipe
from maasnb.errors import DataError, OptionError, ShapeError

NAN = np.nan
ALL = {"split": (1, 0, 0)}


def gappy(rows=200, seed=0):
    random = np.random.default_rng(seed)
    x = random.integers(0, 9, size=(rows, 4)).astype(float)
    x[random.random(x.shape) < 0.2] = NAN
    return x


def people(rows=60):
    """Return a table with numbers, texts and gaps; every third age and city is missing."""
    return {
        "age": [None if n % 3 == 0 else 20.0 + n for n in range(rows)],
        "city": [("", "Wien", "Bern")[n % 3] for n in range(rows)],
        "smokes": [n % 2 == 0 for n in range(rows)],
        "ill": ["yes" if n % 4 else "no" for n in range(rows)],
    }


def again(recipe):
    """Return a recipe after its way through JSON."""
    return Recipe.from_json(json.loads(json.dumps(recipe.to_json())))


@pytest.mark.coverage("B1")
@pytest.mark.parametrize("value", ["median", "mean", "most_frequent", 7])
def test_gaps_are_filled_as_scikit_learn_fills_them(value):
    x, unseen = gappy(), gappy(seed=1)
    recipe = fit_recipe([mb.impute(value)], x, np.zeros(len(x)))
    how = {"strategy": "constant", "fill_value": 7} if value == 7 else {"strategy": value}
    expected = SimpleImputer(**how).fit(x).transform(unseen)
    np.testing.assert_allclose(recipe.inputs(unseen), expected, rtol=1e-6)
    assert again(recipe) == recipe


@pytest.mark.coverage("B2")
def test_minmax_is_scikit_learns_and_a_constant_column_becomes_0():
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[:, 1] = 4
    recipe = fit_recipe([mb.minmax()], x, np.zeros(50))
    unseen = np.random.default_rng(1).normal(size=(20, 3))
    unseen[:, 1] = 4
    expected = MinMaxScaler().fit(x).transform(unseen)
    np.testing.assert_allclose(recipe.inputs(unseen), expected, atol=1e-6)
    assert recipe.inputs(unseen)[:, 1].tolist() == [0] * 20
    assert again(recipe) == recipe


@pytest.mark.coverage("B2")
def test_categories_become_columns_as_scikit_learn_makes_them_and_unknown_ones_zeros():
    random = np.random.default_rng(0)
    city = random.choice(["Wien", "Bern", "北京"], size=100)
    size = random.choice(["s", "m"], size=100)
    table = {"city": city, "size": size, "y": [0, 1] * 50}
    data = mb.data(table, "y", prep=[mb.one_hot()], **ALL)
    encoder = OneHotEncoder(handle_unknown="ignore").fit(np.column_stack([city, size]))
    unseen = np.array([["Bern", "m"], ["Rom", "s"], ["", "xl"]], dtype=object)
    np.testing.assert_array_equal(data.recipe.inputs(unseen), encoder.transform(unseen).toarray())
    assert data.recipe.inputs(unseen)[2].tolist() == [0] * 5


@pytest.mark.coverage("B1", "B3")
def test_a_recipe_is_fitted_on_the_training_split_alone():
    x = np.arange(100.0)[:, None]
    data = mb.data(x, np.arange(100) % 2, prep=[mb.impute("mean"), mb.minmax()])
    assert data.recipe.steps[0].values == (data.train.x.mean(),)
    assert data.recipe.steps[1].low == (data.train.x.min(),)


@pytest.mark.coverage("B1")
def test_a_table_with_texts_gets_a_recipe_by_itself():
    data = mb.data(people(), "ill", name="people")
    assert [step.kind for step in data.recipe.steps] == [
        "table", "impute", "standardize", "one_hot",
    ]  # fmt: skip
    assert data.train.inputs.shape == (48, 4)  # age, smokes, and two cities
    assert str(data).splitlines()[2:5] == [
        "  inputs    3 columns: 2 of numbers, 1 of texts",
        "  targets   2 classes: no (12), yes (36)",
        "  recipe    impute, standardize, one_hot",
    ]
    assert data.features == ("age", "city", "smokes")
    assert again(data.recipe) == data.recipe


def test_the_rows_of_a_table_with_texts_are_texts_as_in_a_csv_file():
    data = mb.data(people(3), "ill", **ALL)
    assert data.train.x.tolist() == [["", "", "1"], ["21", "Wien", "0"], ["22", "Bern", "1"]]


def test_a_table_of_numbers_alone_is_a_matrix_as_before():
    x = np.random.default_rng(0).normal(size=(40, 2))
    table = {"a": x[:, 0], "b": x[:, 1], "y": [0, 1] * 20}
    data, plain = mb.data(table, "y"), mb.data(x, [0, 1] * 20)
    np.testing.assert_array_equal(data.train.x, plain.train.x)
    assert (data.features, data.recipe.steps) == (("a", "b"), ())


def test_steps_can_name_their_columns_and_leave_the_others():
    table = {"a": [1.0, 3.0] * 10, "b": [10.0, 30.0] * 10, "y": [0, 1] * 10}
    steps = [mb.standardize(columns=["a"]), mb.minmax(columns=["b"])]
    data = mb.data(table, "y", prep=steps, **ALL)
    assert data.train.inputs[:2].tolist() == [[-1, 0], [1, 1]]
    named = mb.data(np.array([[1.0, 10], [3, 30]] * 5), [0, 1] * 5, prep=steps,
                    features=["a", "b"], **ALL)  # fmt: skip
    assert named.train.inputs[:2].tolist() == [[-1, 0], [1, 1]]


def test_a_category_that_is_a_number_can_be_one_hot():
    table = {"grade": [1, 2, 3] * 10, "y": [0, 1] * 15}
    data = mb.data(table, "y", prep=[mb.one_hot(columns=["grade"])], **ALL)
    assert data.train.inputs[:3].tolist() == np.eye(3).tolist()
    assert data.recipe.inputs(np.array([[2.0], [9.0]])).tolist() == [[0, 1, 0], [0, 0, 0]]


@pytest.mark.coverage("B1")
def test_cleaning_leaves_out_doubles_and_rows_without_a_target_and_says_so():
    table = {"a": [1, 1, 2, 2, 3, 4], "b": ["x", "x", "y", "z", "z", ""],
             "y": ["p", "p", "q", "q", None, "p"]}  # fmt: skip
    data = mb.data(table, "y", prep=[mb.clean(), mb.one_hot()], **ALL)
    assert data.train.x.tolist() == [["1", "x"], ["2", "y"], ["2", "z"], ["4", ""]]
    note = "1 row that was there before and 1 row without a target left out"
    assert data.notes == (note,)
    assert f"  note      {note}" in str(data)
    assert "clean" not in [step.kind for step in data.recipe.steps]


@pytest.mark.parametrize("y", [[1, 0, None, 1], [True, False, None, True], [1.0, 0.0, NAN, 1.0]])
def test_classes_with_a_gap_are_classes_when_the_gap_is_left_out(y):
    data = mb.data({"a": [1.0, 2.0, 3.0, 4.0], "y": y}, "y", prep=[mb.clean()], **ALL)
    assert (data.kind, data.labels, data.train.y.tolist()) == (
        "classification",
        ("0", "1"),
        [1, 0, 1],
    )


def test_values_with_a_gap_stay_values():
    table = {"a": [1.0, 2.0, 3.0, 4.0], "y": [1.5, 0.0, NAN, 1.0]}
    data = mb.data(table, "y", prep=[mb.clean()], **ALL)
    assert (data.kind, data.train.y.ravel().tolist()) == ("regression", [1.5, 0.0, 1.0])


def test_numbers_that_are_written_as_texts_are_noted():
    table = {"price": ["1.5", "2", ""], "city": ["1", "b", "c"], "y": [0, 1, 1]}
    notes = mb.data(table, "y", **ALL).notes
    assert [note.partition(";")[0] for note in notes] == [
        "numbers written as texts count as categories: 'price'"
    ]
    assert notes[0].endswith("table['price'] = table['price'].astype(float)")


def test_whole_numbers_beyond_64_bits_are_numbers():
    table = {"a": [2**70, 2**71, 2**72], "y": [0, 1, 1]}
    assert mb.data(table, "y", **ALL).train.x.ravel().tolist() == [2.0**70, 2.0**71, 2.0**72]


def test_pixels_are_not_scaled_in_a_table():
    table = {"a": [1, 2, 3], "b": ["x", "y", "x"], "y": [0, 1, 1]}
    with pytest.raises(OptionError, match=r"scale_pixels\(\) is for images.*mb.minmax\(\)"):
        mb.data(table, "y", prep=[mb.scale_pixels(), mb.one_hot()], **ALL)


def test_cleaning_works_on_arrays_and_texts_too():
    data = mb.data(np.array([[1, 2], [1, 2], [3, NAN], [3, NAN]]), [0, 0, 1, 1],
                   prep=[mb.clean(), mb.impute()], **ALL)  # fmt: skip
    assert len(data.train) == 2
    data = mb.data(["ja ja", "nein", "ja ja"], [1, 0, 1], prep=[mb.clean(), mb.bow()], **ALL)
    assert list(data.train.x) == ["ja ja", "nein"]
    data = mb.data([[1.0], [2.0], [1.0]], [1, 1, 0], prep=[mb.clean()], labels=["a", "b"], **ALL)
    assert (len(data.train), data.notes) == (3, ("no row left out",))  # the targets differ


@pytest.mark.coverage("B1")
def test_a_missing_target_says_which_step_leaves_its_row_out():
    table = {"a": [1, 2, 3], "y": ["p", "", "q"]}
    with pytest.raises(DataError, match=r"1 of 3 targets are missing.*mb.clean\(\)"):
        mb.data(table, "y")


def test_a_gap_that_nothing_fills_is_refused_with_what_to_type():
    with pytest.raises(DataError, match=r'or fill the gaps: prep=\[mb.impute\("median"\)\]'):
        mb.data(gappy(), np.arange(200) % 2)
    with pytest.raises(DataError, match=r"columns \(how many\): age \(20\).*mb.impute"):
        mb.data(people(), "ill", prep=[mb.one_hot()])
    infinite = np.array([[1.0], [np.inf]] * 5)
    with pytest.raises(DataError, match="NaN or infinities in 5 of 10"):
        mb.data(infinite, [0, 1] * 5, prep=[mb.impute()])


def test_a_column_without_any_value_has_no_median_but_takes_a_number():
    x = np.column_stack([np.arange(20.0), np.full(20, NAN)])
    table = {"a": x[:, 0], "b": x[:, 1], "y": [0, 1] * 10}
    with pytest.raises(DataError, match=r"'b': no value at all .* no median.*mb.impute\(0\)"):
        mb.data(table, "y", prep=[mb.impute(columns=["a", "b"])])
    data = mb.data(x, [0, 1] * 10, prep=[mb.impute(0), mb.standardize()])
    assert data.train.inputs[:, 1].tolist() == [0] * 16


def test_predicting_takes_the_same_table_in_any_order_of_its_columns(workspace):
    data = mb.data(people(), "ill")
    run = mb.train(mb.build([mb.Dense(2)], data=data), data, epochs=1)
    row = {"age": 33, "city": "Wien", "smokes": True}
    expected = run.predict([["33", "Wien", "1"]])
    np.testing.assert_array_equal(run.predict(row), expected)
    np.testing.assert_array_equal(run.predict([[33, "Wien", True]]), expected)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([row])[["smokes", "city", "age"]]
    np.testing.assert_array_equal(run.predict(frame), expected)
    with pytest.raises(ShapeError, match="lacks the column 'city'"):
        run.predict({"age": 33, "smokes": True})
    with pytest.raises(DataError, match="'age' holds 'old' in row 1; expected a finite number"):
        run.predict([["old", "Wien", "1"]])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([mb.impute(), mb.one_hot(["town"])], "no column 'town' for mb.one_hot; expected .* 'age'"),
        ([mb.impute()], r"column 'city' holds texts, and no step.*mb.one_hot\(\)"),
        ([mb.tokens()], r"mb.tokens\(\) is for texts alone, but the table has more columns"),
        ([mb.chars()], r"mb.chars\(\) is for texts alone"),
    ],
)
def test_a_recipe_that_does_not_suit_the_table_says_why(steps, words):
    with pytest.raises(OptionError, match=words):
        mb.data({**people(), "note": ["a b c"] * 60}, "ill", prep=steps)


def test_a_column_of_names_is_no_category():
    table = {"name": [f"person {n}" for n in range(1500)], "a": range(1500), "y": [0, 1] * 750}
    with pytest.raises(DataError, match=r"1200 different values.*mb.tfidf\(column='name'\)"):
        mb.data(table, "y")
    assert mb.data(table, "y", prep=[mb.tfidf(column="name")]).train.inputs.shape[0] == 1200


@pytest.mark.parametrize("value", ["middle", None, True, NAN, np.inf])
def test_a_value_that_cannot_fill_gaps_is_refused(value):
    with pytest.raises(OptionError, match=r"expected median, mean, most_frequent or a finite"):
        mb.impute(value)


@pytest.mark.parametrize(
    "step",
    [
        {"step": "minmax", "low": [0.0], "scale": [1.0, 2.0]},
        {"step": "minmax", "low": [0.0]},
        {"step": "minmax", "low": ["nan"], "scale": [1]},
        {"step": "standardize", "mean": [1.0], "scale": [1.0], "columns": ["a", "b"]},
        {"step": "standardize", "mean": [1.0], "scale": [1.0], "columns": "a"},
        {"step": "standardize", "mean": [1.0], "scale": [1.0], "code": "x"},
        {"step": "impute", "value": "median", "values": [float("inf")]},
        {"step": "one_hot", "columns": ["a"], "categories": []},
        {"step": "one_hot", "columns": ["a"], "categories": [["x", "x"]]},
        {"step": "one_hot", "columns": ["a"], "categories": [[7]]},
        {"step": "table", "columns": [], "texts": []},
        {"step": "table", "columns": ["a"], "texts": ["b"]},
        {"step": "table", "columns": ["a", "a"], "texts": []},
        {"step": "table", "columns": [["a"]], "texts": []},
    ],
)
def test_steps_of_somebody_else_are_checked(step):
    with pytest.raises((ValueError, TypeError, KeyError)):
        Recipe.from_json([step])


def test_steps_in_an_order_that_cannot_work_are_refused():
    table = {"step": "table", "columns": ["a"], "texts": []}
    with pytest.raises(ValueError, match="expected the step 'table' as the first"):
        Recipe.from_json([{"step": "minmax", "low": [0], "scale": [1]}, table])
    text = {"step": "chars", "length": 4, "vocabulary": ["\N{REPLACEMENT CHARACTER}", "a"]}
    with pytest.raises(ValueError, match="expected the step 'chars' as the first"):
        Recipe.from_json([table, text])
