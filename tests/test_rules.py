"""What patterns freeze, and what balanced class weights are."""

import numpy as np
import pytest

from maasnb.errors import OptionError, UnknownNameError
from maasnb.rules import Rule, balanced, matching

NAMES = ["dense1.weight", "dense1.bias", "block.dense2.weight"]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["dense1"], NAMES[:2]),
        (["dense1*"], NAMES[:2]),
        (["*.weight"], [NAMES[0], NAMES[2]]),
        (["block"], NAMES[2:]),
        (["block.dense?"], NAMES[2:]),
        (["dense1.bias", "block"], NAMES[1:]),
    ],
)
def test_a_pattern_names_parameters_or_layers(patterns, found):
    assert list(matching(patterns, NAMES)) == found


def test_a_pattern_that_names_nothing_is_refused_with_the_known_names():
    with pytest.raises(UnknownNameError, match="no parameter to freeze 'dens1'.*dense1.bias"):
        matching(["dens1"], NAMES)


def test_freezing_everything_is_refused():
    with pytest.raises(OptionError, match="leaves no parameter to train"):
        matching(["*"], NAMES)


@pytest.mark.coverage("B6")
def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    classes = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=classes)
    assert balanced(np.bincount(classes)) == pytest.approx(expected)
    assert balanced(np.bincount(classes, minlength=4))[3] == 1


def test_equal_rules_are_one_key():
    assert {Rule(l1=0.1): 1}[Rule(l1=0.1)] == 1
