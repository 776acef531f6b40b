"""Balancing: each class counts alike in training, and the other splits stay as they are."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.errors import DataError, OptionError, UnknownNameError


def uneven(rows=200):
    """Return examples of which a twentieth is of class `rare`, a fifth of `some`."""
    x = np.arange(rows, dtype=float)[:, None] * np.ones((1, 2))
    y = np.array(["often"] * rows, dtype=object)
    y[::5], y[::20] = "some", "rare"
    return x, y.astype(str)


def counts(split):
    return np.bincount(split.y).tolist()


@pytest.mark.coverage("B6")
def test_oversampling_gives_each_class_as_many_training_examples_as_the_largest():
    plain, made = mb.data(*uneven()), mb.data(*uneven(), balance="oversample")
    assert len(set(counts(plain.train))) == 3
    assert counts(made.train) == [max(counts(plain.train))] * 3


def test_the_examples_stand_in_front_and_their_repetitions_behind():
    plain, made = mb.data(*uneven()), mb.data(*uneven(), balance="oversample")
    first = len(plain.train)
    np.testing.assert_array_equal(made.train.x[:first], plain.train.x)
    assert made.repeated == len(made.train) - first
    known = {(float(x[0]), int(y)) for x, y in zip(plain.train.x, plain.train.y, strict=True)}
    again = zip(made.train.x[first:], made.train.y[first:], strict=True)
    assert {(float(x[0]), int(y)) for x, y in again} <= known


def test_no_example_is_repeated_twice_more_often_than_another_of_its_class():
    made = mb.data(*uneven(), balance="oversample")
    for number in range(3):
        rows = made.train.x[made.train.y == number, 0]
        times = np.unique(rows, return_counts=True)[1]
        assert times.max() - times.min() <= 1


@pytest.mark.parametrize("balance", ["oversample", "weights"])
def test_validation_and_test_stay_as_they_are_and_so_does_the_recipe(balance):
    steps = [mb.standardize()]
    plain = mb.data(*uneven(), prep=steps)
    made = mb.data(*uneven(), prep=steps, balance=balance)
    for name in ("validation", "test"):
        np.testing.assert_array_equal(getattr(made, name).x, getattr(plain, name).x)
    assert made.recipe == plain.recipe


def test_the_same_seed_repeats_the_same_examples():
    one, same, other = (mb.data(*uneven(), balance="oversample", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.train.x, same.train.x)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.fingerprint != mb.data(*uneven(), seed=1).fingerprint


def test_data_say_how_they_are_balanced():
    made = mb.data(*uneven(), balance="oversample")
    assert f"balance   oversample, {made.repeated} training examples are repeated" in str(made)
    made = mb.data(*uneven(), balance="weights")
    assert "balance   weights, each class counts alike in training" in str(made)


@pytest.mark.coverage("B6")
def test_weights_train_as_class_weights_do(backend):
    x, y = uneven()
    plain, made = mb.data(x, y), mb.data(x, y, balance="weights")
    layers = [mb.Dense(4, "relu"), mb.Dense(3)]
    one, other = (mb.build(layers, backend=backend.name, data=plain) for _ in range(2))
    weighted = mb.train(one, plain, epochs=1, class_weights="balanced")
    balanced = mb.train(other, made, epochs=1)
    assert balanced.settings["class_weights"] == weighted.settings["class_weights"]
    np.testing.assert_array_equal(balanced.history.losses, weighted.history.losses)


def test_a_class_with_one_example_is_repeated():
    x = np.arange(40.0)[:, None]
    y = ["rare"] + ["common"] * 39
    made = mb.data(x, y, balance="oversample", split=(1, 0, 0))
    assert counts(made.train) == [39, 39]


def test_a_class_without_a_training_example_stays_without():
    x = np.arange(40.0)[:, None]
    made = mb.data(x, np.arange(40) % 2, labels=["a", "b", "c"], balance="oversample")
    assert counts(made.train) == [16, 16]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.linspace(0, 1, 40), "the data is regression"),
        (np.arange(80).reshape(40, 2) % 3, "the data is classes at each position"),
    ],
)
def test_what_has_no_one_class_is_not_balanced(y, words):
    with pytest.raises(OptionError, match=f"is for one class an example, but {words}"):
        mb.data(np.arange(40.0)[:, None], y, balance="oversample")


def test_an_unknown_balance_gets_the_nearest_one():
    with pytest.raises(UnknownNameError, match="balance 'oversampel'.*'oversample'"):
        mb.data(*uneven(), balance="oversampel")


def test_repeating_beyond_memory_is_refused_before_it_is_done(monkeypatch):
    monkeypatch.setattr("maasnb.datasets.enriching.MOST_BYTES", 100)
    with pytest.raises(DataError, match='expected at most 4 GiB. Type: balance="weights"'):
        mb.data(*uneven(), balance="oversample")
