"""The data sets by name."""

import sys
from pydoc_data.topics import topics

import numpy as np
import pytest
from sklearn import datasets

from maasnb.datasets.sources import DATASETS, load_source
from maasnb.errors import MissingPackageError, UnknownNameError

LOADERS = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "digits": datasets.load_digits,
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_set_is_that_of_scikit_learn(name):
    source, bunch = load_source(name), LOADERS[name]()
    np.testing.assert_array_equal(source.x, bunch.data)
    np.testing.assert_array_equal(source.y, bunch.target)
    assert source.features == tuple(bunch.feature_names)


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_class_numbers_count_through_the_labels(name):
    source, bunch = load_source(name), LOADERS[name]()
    assert source.labels == tuple(map(str, bunch.target_names))
    assert set(source.y.tolist()) == set(range(len(source.labels)))


def test_every_set_has_a_line_that_gives_its_size():
    without_rows = {"manual", "sentiment_en", "sentiment_zh", "topics"}
    public = {"fashion_mnist", "mnist"}  # They have tests of their own.
    assert set(DATASETS) == {*LOADERS, *without_rows, *public}
    for name in LOADERS:
        assert int(DATASETS[name].split()[0].replace(",", "")) == len(load_source(name).x)


def test_the_topics_are_pythons_own_help_as_one_text():
    text = load_source("topics").x
    assert 'The "with" statement' in text
    # The figure of the line is that of Python 3.11; other versions differ a little.
    assert 400_000 < len(text) < 600_000
    assert all(each in text for each in topics.values())


def test_an_unknown_set_gets_the_nearest_name_and_the_other_way():
    with pytest.raises(
        UnknownNameError, match=r"no dataset 'diabets'. Did you mean 'diabetes'\?.*"
    ):
        load_source("diabets")


def test_without_scikit_learn_the_pip_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingPackageError, match=r"'digits'.*%pip install 'maasnb\[notebook\]'"):
        load_source("digits")
