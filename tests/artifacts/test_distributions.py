import json

import numpy as np
import pytest

from maasnb.artifacts.distributions import Summary, kind_of, measured, summarise
from maasnb.errors import ArtifactError


def summary(x, *, of="features", features=()):
    outputs = np.zeros((len(x), 1), np.float32)
    return summarise(x, outputs, of=of, features=features, classes=None)


def table(rows=500):
    chance = np.random.default_rng(0)
    return np.stack(
        [chance.normal(size=rows), chance.integers(0, 4, rows), np.full(rows, 7.0)], axis=1
    )


def test_each_bin_of_a_continuous_feature_holds_about_the_same_share():
    x = table()
    ages = summary(x, features=("age", "grade", "constant")).inputs[0]
    assert ages.name == "age"
    assert len(ages.edges) == 100
    assert set(ages.counts[:-1]) == {5}
    assert ages.counts[-1] == 0  # nothing was above the largest
    assert (ages.low, ages.high) == (x[:, 0].min(), x[:, 0].max())
    assert ages.mean == pytest.approx(x[:, 0].mean())


def test_whole_numbers_have_a_bin_each():
    x = table()
    grades = summary(x).inputs[1]
    assert grades.edges == (0.0, 1.0, 2.0, 3.0)
    assert grades.counts == (*np.bincount(x[:, 1].astype(int)), 0)


def test_a_constant_has_one_bin():
    constant = summary(table()).inputs[2]
    assert (constant.edges, constant.counts) == ((7.0,), (500, 0))


def test_counts_are_those_of_numpys_histogram():
    first = summary(table()).inputs[0]
    values = np.random.default_rng(1).normal(size=1000)
    # Bins of histogram are closed on the left, ours on the right: mirrored, they are the same.
    edges = [-np.inf, *(-edge for edge in reversed(first.edges)), np.inf]
    np.testing.assert_array_equal(first.count(values), np.histogram(-values, edges)[0][::-1])


@pytest.mark.parametrize(
    ("x", "tokens", "kind"),
    [
        (np.zeros((3, 10)), False, "features"),
        (np.zeros((3, 784)), False, "statistics"),
        (np.zeros((3, 8, 8)), False, "statistics"),
        (np.zeros((3, 12), np.int64), True, "tokens"),
        (np.array(["a", "b"], dtype=object), False, "text"),
        (np.array(["a", "b"], dtype=object)[:, None], False, "rows"),
    ],
    ids=["table", "wide table", "image", "tokens", "text", "rows"],
)
def test_what_is_told_apart_depends_on_the_kind_of_data(x, tokens, kind):
    assert kind_of(x, tokens=tokens) == kind


def test_an_image_is_told_by_its_statistics():
    images = np.random.default_rng(0).random((40, 28, 28))
    found = summary(images, of="statistics")
    assert [each.name for each in found.inputs] == [
        "mean", "standard deviation", "smallest", "largest", "share of zeros",
    ]  # fmt: skip
    np.testing.assert_allclose(list(measured(images, "statistics"))[1], images.std(axis=(1, 2)))
    assert len(found.to_bytes()) < 8000


def test_tokens_are_counted_whatever_their_place():
    tokens = np.array([[1, 2, 2, 0], [3, 3, 3, 3]])
    values, zeros, distinct = measured(tokens, "tokens")
    assert sorted(values) == [0, 1, 2, 2, 3, 3, 3, 3]
    np.testing.assert_allclose(zeros, [0.25, 0.0])
    np.testing.assert_allclose(distinct, [0.75, 0.25])


def test_texts_are_told_by_their_lengths_and_letters():
    texts = np.array(["Hello you", "42", ""], dtype=object)
    characters, words, letters, digits, capitals = measured(texts, "text")
    np.testing.assert_allclose(characters, [9, 2, 0])
    np.testing.assert_allclose(words, [2, 1, 0])
    np.testing.assert_allclose(letters, [8 / 9, 0, 0])
    np.testing.assert_allclose(digits, [0, 1, 0])
    np.testing.assert_allclose(capitals, [1 / 9, 0, 0])


def test_a_summary_comes_back_as_it_was_and_is_the_same_bytes():
    first = summary(table())
    assert Summary.from_bytes(first.to_bytes()) == first
    assert summary(table()).to_bytes() == first.to_bytes()


def test_the_size_is_bounded_whatever_the_data():
    wide = np.random.default_rng(0).normal(size=(2000, 100))
    assert len(summary(wide).to_bytes()) < 200_000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.update(schema=2),
        lambda data: data.update(of="pixels"),
        lambda data: data.update(rows=-1),
        lambda data: data["inputs"][0].update(edges=[1.0, 1.0]),
        lambda data: data["inputs"][0].update(edges=[]),
        lambda data: data["inputs"][0].update(edges=[1e400]),
        lambda data: data["inputs"][0].update(counts=[1]),
        lambda data: data["inputs"][0].update(counts=[0] * 101),
        lambda data: data["inputs"][0].update(low="a"),
        lambda data: data.update(inputs=data["inputs"] * 100),
        lambda data: data.update(labels=[0.5]),
        lambda data: data.update(labels=[1] * 2000),
        lambda data: data.pop("outputs"),
    ],
)
def test_a_summary_that_does_not_fit_together_is_refused(spoil):
    data = json.loads(summary(table()).to_bytes())
    spoil(data)
    with pytest.raises(ArtifactError, match="summary of the training data cannot be read"):
        Summary.from_bytes(json.dumps(data).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_bytes_that_are_no_summary_are_refused(content):
    with pytest.raises(ArtifactError, match="cannot be read"):
        Summary.from_bytes(content)


def test_a_gap_is_counted_nowhere():
    x = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan]])
    first, empty = summary(x).inputs
    assert (first.low, first.high, sum(first.counts)) == (1.0, 2.0, 2)
    assert first.count(np.array([np.nan, 1.0])).tolist() == [1, 0, 0]
    assert sum(empty.counts) == 1  # a column of gaps alone counts as one zero


def test_each_column_of_a_table_with_texts_is_told_apart():
    ages = [str(age) for age in range(20, 70)]
    cities = ["Wien"] * 30 + ["Bern"] * 15 + [""] * 5
    x = np.array([ages, cities], dtype=object).T
    found = summary(x, of="rows", features=("age", "city"))
    age, city = found.inputs
    assert (age.name, age.low, age.high) == ("age", 20, 69)
    assert sorted(city.counts) == [0, 15, 30]
    unseen = np.array([["20", "Rom"], ["", "Wien"]], dtype=object)
    ages_then, cities_then = measured(unseen, "rows")
    assert age.count(ages_then).sum() == 1
    assert not set(city.edges) >= set(cities_then)  # Rom is in no bin of the training cities
    assert Summary.from_bytes(found.to_bytes()) == found
