"""Recipes: fitted on the training split, written as JSON, the same numbers everywhere."""

import json

import numpy as np
import pytest

from maasnb.datasets.recipes import Recipe, fit_recipe, standardize, standardize_target
from maasnb.errors import OptionError, ShapeError, UnknownNameError


def examples(*, rows=20, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(3, 2, size=(rows, 4))
    x[:, 2] = 7.0
    return x, random.normal(100, 50, size=(rows, 1))


@pytest.mark.coverage("B2")
def test_prepared_columns_have_mean_0_and_deviation_1():
    x, y = examples()
    prepared = fit_recipe([standardize()], x, y).inputs(x).astype(np.float64)
    assert prepared.mean(axis=0) == pytest.approx([0, 0, 0, 0], abs=1e-6)
    assert prepared.std(axis=0) == pytest.approx([1, 1, 0, 1], abs=1e-6)


@pytest.mark.coverage("B2")
def test_other_data_is_prepared_with_the_numbers_of_the_training_split():
    x, y = examples()
    other, _ = examples(seed=1)
    expected = (other - x.mean(axis=0)) / np.where(x.std(axis=0) > 1e-9, x.std(axis=0), 1)
    prepared = fit_recipe([standardize()], x, y).inputs(other)
    np.testing.assert_allclose(prepared, expected, rtol=1e-5, atol=1e-6)


def test_examples_of_several_axes_keep_their_shape():
    x = np.arange(48.0).reshape(3, 4, 4)
    prepared = fit_recipe([standardize()], x, np.zeros(3)).inputs(x)
    assert prepared.shape == (3, 4, 4)
    np.testing.assert_allclose(prepared.mean(axis=0), np.zeros((4, 4)), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_a_model_gets_contiguous_32_bit_numbers(dtype):
    x = np.eye(4).astype(dtype)[:, ::-1]
    for recipe in (Recipe(), fit_recipe([standardize()], x, np.zeros(4))):
        prepared = recipe.inputs(x)
        stays_whole = not recipe.steps and "int" in dtype  # as tokens must
        assert prepared.dtype == (np.int32 if stays_whole else np.float32)
        assert prepared.flags.c_contiguous


def test_no_examples_are_prepared_as_no_examples():
    x, y = examples()
    assert fit_recipe([standardize()], x, y).inputs(x[:0]).shape == (0, 4)


def test_the_given_arrays_stay_as_they_are():
    x, y = examples()
    before = x.copy(), y.copy()
    recipe = fit_recipe([standardize(), standardize_target()], x, y)
    recipe.inputs(x), recipe.targets(y), recipe.outputs(y)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_predictions_come_back_in_the_targets_own_unit():
    x, y = examples()
    recipe = fit_recipe([standardize(), standardize_target()], x, y)
    targets = recipe.targets(y)
    assert (targets.mean(), targets.std()) == (pytest.approx(0), pytest.approx(1))
    np.testing.assert_allclose(recipe.outputs(targets), y, rtol=1e-6)
    assert recipe.outputs(targets).dtype == np.float32


def test_a_constant_target_survives_the_way_there_and_back():
    y = np.full((5, 1), 42.0)
    recipe = fit_recipe([standardize_target()], np.zeros((5, 2)), y)
    np.testing.assert_array_equal(recipe.outputs(recipe.targets(y)), y)


def test_classes_pass_unchanged():
    x, _ = examples(rows=3)
    classes = np.array([0, 2, 1])
    assert fit_recipe([standardize()], x, classes).targets(classes) is classes


def test_a_recipe_read_from_json_gives_the_same_bits():
    x, y = examples()
    recipe = fit_recipe([standardize(), standardize_target()], x, y)
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    np.testing.assert_array_equal(again.inputs(x), recipe.inputs(x))


def test_examples_of_another_width_are_refused():
    x, y = examples()
    message = "Each example has 3 values, but the recipe was fitted on 4"
    with pytest.raises(ShapeError, match=message):
        fit_recipe([standardize()], x, y).inputs(x[:, :3])


def test_classes_cannot_be_standardised():
    with pytest.raises(OptionError, match=r"standardize_target\(\) is for regression"):
        fit_recipe([standardize_target()], np.zeros((3, 2)), np.array([0, 1, 2]))


def test_something_that_is_no_step_is_refused():
    with pytest.raises(OptionError, match=r"Expected steps of a recipe, got 'scale'\. Type: prep="):
        fit_recipe(["scale"], np.zeros((3, 2)), np.zeros(3))


def test_a_step_of_a_later_version_is_named():
    with pytest.raises(UnknownNameError, match="no recipe step 'standardise'. Did you mean"):
        Recipe.from_json([{"step": "standardise"}])


@pytest.mark.parametrize("value", [-(2**63), 2**31, -(2**31) - 1])
def test_whole_numbers_that_32_bits_do_not_hold_are_floats(value):
    inputs = Recipe().inputs(np.array([[value], [1]]))
    assert inputs.dtype == np.float32
    assert inputs.tolist() == [[np.float32(value)], [1]]
    assert Recipe().inputs(np.array([[-(2**31)], [2**31 - 1]])).dtype == np.int32
