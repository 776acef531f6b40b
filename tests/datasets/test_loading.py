"""`mb.data`: splits, preparation, names and fingerprints."""

import numpy as np
import pytest

from maasnb.datasets.loading import data
from maasnb.datasets.recipes import standardize, standardize_target
from maasnb.errors import DataError, OptionError, UnknownNameError


def examples(*, rows=100, columns=3, seed=0):
    """Return inputs far from mean 0 and deviation 1, and classes of which a fifth is 1."""
    random = np.random.default_rng(seed)
    return random.normal(5, 3, size=(rows, columns)), (np.arange(rows) % 5 == 0).astype(int)


def sizes(made):
    return len(made.train), len(made.validation), len(made.test)


def test_a_tenth_is_for_validation_and_a_tenth_for_the_test():
    assert sizes(data(*examples(rows=100))) == (80, 10, 10)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ((0.5, 0.25, 0.25), (50, 25, 25)),
        ((0.7, 0, 0.3), (70, 0, 30)),
        ([0.7, 0.3, 0], (70, 30, 0)),
        ((1, 0, 0), (100, 0, 0)),
    ],
)
def test_the_parts_of_the_split_can_be_chosen(split, expected):
    assert sizes(data(*examples(rows=100), split=split)) == expected


def test_every_example_is_in_exactly_one_part():
    x = np.arange(97.0)[:, None]
    made = data(x, np.arange(97) % 2)
    parts = [part.x[:, 0] for part in (made.train, made.validation, made.test)]
    assert sorted(np.concatenate(parts)) == list(range(97))


def test_an_example_keeps_its_target():
    x = np.arange(60.0)[:, None]
    made = data(x, x[:, 0] * 2)
    for part in (made.train, made.validation, made.test):
        np.testing.assert_array_equal(part.y, part.x * 2)


@pytest.mark.coverage("B3")
def test_each_part_has_the_classes_in_proportion():
    made = data(*examples(rows=100))
    shares = [part.y.mean() for part in (made.train, made.validation, made.test)]
    assert shares == pytest.approx([0.2, 0.2, 0.2])


def test_a_class_with_one_example_does_not_prevent_a_split():
    x, _ = examples(rows=20)
    made = data(x, ["rare"] + ["common"] * 19)
    assert sizes(made) == (16, 2, 2)
    assert made.labels == ("common", "rare")


@pytest.mark.coverage("B3")
def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    x, y = examples()
    one, same, other = (data(x, y, seed=seed).train.x for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_without_a_recipe_inputs_are_the_given_numbers_as_float32():
    x, y = examples()
    made = data(x, y)
    assert made.recipe.steps == ()
    np.testing.assert_array_equal(made.train.inputs, made.train.x.astype(np.float32))


def test_the_recipe_knows_the_training_split_alone():
    x, y = examples()
    made = data(x, y, prep=[standardize()])
    mean, deviation = made.train.x.mean(axis=0), made.train.x.std(axis=0)
    for part in (made.train, made.validation, made.test):
        expected = (part.x - mean) / deviation
        np.testing.assert_allclose(part.inputs, expected, rtol=1e-5, atol=1e-6)
    assert abs(made.test.inputs.mean()) > 1e-3  # its own moments were not used


def test_targets_of_a_regression_are_standardized_by_the_training_split_alone():
    x, _ = examples()
    made = data(x, x[:, 0] * 1000, prep=[standardize_target()])
    mean, deviation = made.train.y.mean(), made.train.y.std()
    for part in (made.train, made.validation, made.test):
        np.testing.assert_allclose(part.targets, (part.y - mean) / deviation, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_raw_inputs_keep_their_type_and_prepared_ones_have_32_bits(dtype):
    x, y = examples()
    made = data(x.astype(dtype), y)
    assert made.train.x.dtype == dtype
    assert made.train.inputs.dtype == (np.int32 if "int" in dtype else np.float32)


def test_images_keep_their_shape():
    x = np.random.default_rng(0).normal(size=(50, 8, 8, 3))
    made = data(x, np.arange(50) % 2, prep=[standardize()])
    assert made.input_shape == (8, 8, 3)
    assert made.train.x.shape == made.train.inputs.shape == (40, 8, 8, 3)


def test_lists_are_taken_as_arrays():
    made = data([[1, 2], [3, 4], [5, 6]], [0, 1, 0], split=(1, 0, 0))
    np.testing.assert_array_equal(made.train.x, [[1, 2], [3, 4], [5, 6]])


def test_a_single_column_of_inputs_is_one_feature():
    made = data(np.arange(50.0), np.arange(50) % 2)
    assert made.input_shape == (1,)
    assert made.features == ("0",)


def test_whole_numbers_are_classes():
    x, _ = examples(rows=30)
    made = data(x, np.repeat([3, 7, 9], 10), split=(1, 0, 0))
    assert (made.kind, made.labels) == ("classification", ("3", "7", "9"))
    np.testing.assert_array_equal(made.train.targets, np.repeat([0, 1, 2], 10))
    assert made.train.targets.dtype == np.int32


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["cat", "dog"], ("cat", "dog")),
        ([False, True], ("False", "True")),
        (np.array(["b", "a"], dtype=object), ("a", "b")),
    ],
    ids=["texts", "booleans", "objects"],
)
def test_texts_and_booleans_are_classes_by_their_own_names(values, labels):
    x, _ = examples(rows=20)
    y = np.tile(values, 10)
    made = data(x, y, split=(1, 0, 0))
    assert made.labels == labels
    assert [made.labels[number] for number in made.train.y] == [str(value) for value in y]


def test_given_labels_set_the_order_of_texts():
    x, _ = examples(rows=20)
    made = data(x, ["low", "high"] * 10, labels=["low", "high"], split=(1, 0, 0))
    assert made.labels == ("low", "high")
    assert made.train.y.tolist() == [0, 1] * 10


def test_given_labels_name_classes_that_do_not_occur():
    x, y = examples()
    made = data(x, y, labels=["no", "yes", "unknown"])
    assert made.labels == ("no", "yes", "unknown")
    assert "3 classes: no (64), yes (16), unknown (0)" in str(made)


def test_numbers_with_a_fraction_are_a_regression():
    x, _ = examples()
    made = data(x, x[:, 0])
    assert (made.kind, made.labels, made.target_width) == ("regression", (), 1)
    assert made.train.targets.shape == (80, 1)
    assert (made.train.y.dtype, made.train.targets.dtype) == (np.float64, np.float32)


def test_a_regression_may_have_several_targets():
    x, _ = examples()
    made = data(x, x[:, :2] * 10)
    assert made.target_width == 2
    np.testing.assert_allclose(made.test.targets, made.test.x[:, :2] * 10, rtol=1e-6)


def test_the_kind_can_be_said():
    x, y = examples()
    assert data(x, y, kind="regression").train.targets.shape == (80, 1)
    assert data(x, y.astype(float), kind="classification").labels == ("0", "1")


def test_the_columns_can_be_named():
    x, y = examples()
    assert data(x, y, features=["height", "width", "depth"]).features == (
        "height",
        "width",
        "depth",
    )


def test_equal_data_has_an_equal_fingerprint():
    assert data(*examples()).fingerprint == data(*examples()).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"x": 0.001 + examples()[0]},
        {"x": examples()[0].astype(np.float32)},
        {"y": 1 - examples()[1]},
        {"seed": 1},
        {"split": (0.6, 0.2, 0.2)},
        {"prep": [standardize()]},
    ],
    ids=["inputs", "type", "targets", "seed", "split", "recipe"],
)
def test_the_fingerprint_changes_with_the(changed):
    x, y = examples()
    assert data(**{"x": x, "y": y, **changed}).fingerprint != data(x, y).fingerprint


def test_the_given_arrays_are_not_kept():
    x, y = examples()
    made = data(x, y, split=(1, 0, 0))
    x[:] = -1
    assert not np.any(made.train.x == -1)


def test_data_describes_itself():
    x, y = examples()
    made = data(x, np.where(y, "spam", "mail"), prep=[standardize()], name="letters")
    assert str(made) == (
        "Data 'letters': classification\n"
        "  examples  80 train, 10 validation, 10 test\n"
        "  inputs    3 float64\n"
        "  targets   2 classes: mail (64), spam (16)\n"
        "  recipe    standardize"
    )


def test_a_regression_describes_the_range_of_its_targets():
    x = np.arange(40.0)[:, None]
    assert "1 value, 0 to 39" in str(data(x, x[:, 0], split=(1, 0, 0)))
    assert "2 values, 0 to 39" in str(data(x, np.hstack([x, x]), split=(1, 0, 0)))


def test_of_many_classes_the_first_twelve_are_shown():
    made = data(np.arange(100.0), np.arange(100) % 50, split=(1, 0, 0))
    assert "50 classes: 0 (2), 1 (2)," in str(made)
    assert str(made).splitlines()[3].endswith("11 (2) and 38 more")


@pytest.mark.parametrize(
    "split",
    [
        (0.8, 0.1),
        (0.8, 0.1, 0.2),
        (1.2, -0.1, -0.1),
        (0, 0.5, 0.5),
        (float("nan"), 0, 1),
        0.8,
        "abc",
    ],
)
def test_a_split_that_does_not_add_up_is_refused(split):
    with pytest.raises(OptionError, match=r"three parts .* add up to 1.* Type: split=\(0.8"):
        data(*examples(), split=split)


def test_too_few_examples_for_a_split_are_refused_with_their_number():
    with pytest.raises(DataError, match="5 examples are too few .* 4, 0 and 1.* Give more"):
        data(*examples(rows=5))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "one", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(OptionError, match=f"seed={seed!r} cannot be used; expected a whole number"):
        data(*examples(), seed=seed)


def test_a_seed_of_numpy_is_a_plain_number_in_the_data():
    assert type(data(*examples(), seed=np.int64(3)).seed) is int


@pytest.mark.parametrize("prep", [standardize(), "standardize", 3, ["standardize"], [standardize]])
def test_what_is_no_list_of_steps_is_no_recipe(prep):
    with pytest.raises(OptionError, match=r"Type: prep=\[mb.standardize\(\)\]"):
        data(*examples(), prep=prep)


def test_standardized_targets_are_for_regressions():
    with pytest.raises(OptionError, match="for regression, but the targets are classes"):
        data(*examples(), prep=[standardize_target()])


def test_inputs_without_targets_are_refused():
    with pytest.raises(DataError, match=r"inputs but no targets. Type: mb.data\(x, y\)"):
        data(examples()[0])


def test_numbers_beyond_float32_are_refused_unless_a_recipe_scales_them():
    x, y = examples()
    with pytest.raises(DataError, match="too large for float32.* Type: prep="):
        data(x * 1e100, y)
    assert np.isfinite(data(x * 1e100, y, prep=[standardize()]).train.inputs).all()


@pytest.mark.parametrize(
    ("name", "count", "shape", "kind", "classes"),
    [
        ("digits", 1797, (64,), "classification", 10),
        ("breast_cancer", 569, (30,), "classification", 2),
        ("diabetes", 442, (10,), "regression", 0),
    ],
)
def test_a_named_set_is_ready_to_train(name, count, shape, kind, classes):
    made = data(name)
    assert (made.name, sum(sizes(made)), made.input_shape) == (name, count, shape)
    assert (made.kind, len(made.labels)) == (kind, classes)
    assert made.train.inputs.std() == pytest.approx(1, abs=0.1)


def test_what_a_named_set_brings_can_be_replaced():
    made = data("digits", prep=[], split=(0.5, 0, 0.5), name="numerals")
    assert (made.name, made.recipe.steps, len(made.validation)) == ("numerals", (), 0)
    np.testing.assert_array_equal(made.train.inputs, made.train.x)


def test_a_named_set_brings_its_own_targets():
    with pytest.raises(OptionError, match=r"'digits' brings its own targets. Type: mb.data\('digi"):
        data("digits", [0, 1])


def test_an_unknown_set_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'digits'\?.*Arrays work too"):
        data("digit")
