"""Windows of a series: what stands in them, and that no split forecasts what another learnt."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.errors import DataError, OptionError, UnknownNameError


def splits(made):
    return made.train, made.validation, made.test


@pytest.mark.parametrize(("length", "horizon"), [(4, 1), (7, 3), (1, 1)])
def test_the_targets_are_the_values_behind_each_window(length, horizon):
    made = mb.windows(np.arange(100.0), length=length, horizon=horizon)
    assert made.kind == "regression"
    for split in splits(made):
        assert split.x.shape[1:] == (length, 1)
        first = split.x[:, 0, 0]
        np.testing.assert_array_equal(split.x[:, :, 0], first[:, None] + np.arange(length))
        np.testing.assert_array_equal(split.y, first[:, None] + length + np.arange(horizon))


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_the_splits_follow_each_other_and_share_no_forecast_value(horizon):
    train, validation, test = splits(mb.windows(np.arange(300.0), length=10, horizon=horizon))
    assert train.y.max() < validation.y.min()
    assert validation.y.max() < test.y.min()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_columns_of_a_table_keep_their_names(library):
    values = {"load": np.arange(60.0), "wind": np.arange(60.0) % 7}
    table = pytest.importorskip(library).DataFrame(values)
    made = mb.windows(table, length=np.int64(3), target="wind")
    assert made.features[:2] == ("load -3", "wind -3")
    np.testing.assert_array_equal(made.train.y[:, 0], (made.train.x[:, -1, 0] + 1) % 7)


def test_a_column_of_texts_is_no_series():
    table = {"when": ["Mon", "Tue"] * 30, "load": np.arange(60.0)}
    frame = pytest.importorskip("pandas").DataFrame(table)
    with pytest.raises(DataError, match=r"'when': texts;.*table.drop\(columns=\['when'\]\)"):
        mb.windows(frame, length=3)


def test_every_value_behind_the_first_window_is_forecast_where_one_value_is():
    made = mb.windows(np.arange(100.0), length=10)
    assert sorted(np.concatenate([split.y for split in splits(made)])[:, 0]) == list(range(10, 100))


def test_the_recipe_knows_the_training_split_alone():
    series = np.arange(200.0)
    made = mb.windows(series, length=5)
    mean, deviation = made.train.y.mean(), made.train.y.std()
    np.testing.assert_allclose(made.test.targets, (made.test.y - mean) / deviation, rtol=1e-5)


def test_one_column_of_several_is_forecast():
    series = np.stack([np.arange(60.0), np.arange(60.0) * 10], axis=1)
    by_name = mb.windows(series, length=3, target="load", features=["hour", "load"])
    np.testing.assert_array_equal(by_name.train.y[:2], [[30.0], [40.0]])
    assert by_name.train.x.shape[1:] == (3, 2)
    by_number = mb.windows(series, length=3, target=1)
    np.testing.assert_array_equal(by_number.train.y, by_name.train.y)


def test_all_columns_are_forecast_by_default_a_time_after_the_other():
    series = np.stack([np.arange(60.0), -np.arange(60.0)], axis=1)
    made = mb.windows(series, length=3, horizon=2)
    np.testing.assert_array_equal(made.train.y[0], [3, -3, 4, -4])


def test_a_network_learns_a_wave(backend):
    made = mb.windows(np.sin(np.arange(400) / 5), length=16, horizon=3)
    layers = [mb.Flatten(), mb.Dense(16, "tanh"), mb.Dense(3)]
    run = mb.train(mb.build(layers, backend=backend.name, data=made), made, epochs=20, lr=0.01)
    assert mb.evaluate(run)["r2"] > 0.95


@pytest.mark.coverage("F2")
def test_each_token_of_a_window_has_the_one_that_comes_next_as_its_target():
    made = mb.windows(np.arange(101) % 30, length=10, kind="classification")
    assert (made.kind, made.positions, len(made.labels)) == ("classification", (10,), 30)
    x = np.concatenate([split.x for split in splits(made)])
    y = np.concatenate([split.targets for split in splits(made)])
    np.testing.assert_array_equal(x.reshape(-1), np.arange(100) % 30)  # no token twice
    np.testing.assert_array_equal(y.reshape(-1), np.arange(1, 101) % 30)
    assert [len(split) for split in splits(made)] == [8, 1, 1]


def test_windows_of_tokens_are_those_that_the_text_itself_would_give():
    text = "the cat sat on the mat. " * 40
    of_text = mb.data(text, prep=[mb.chars(12)])
    step = of_text.recipe.text
    made = mb.windows(step.encode(text), length=12, kind="classification", labels=of_text.labels)
    for one, other in zip(splits(made), splits(of_text), strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.targets, other.targets)
    assert made.labels == of_text.labels


def test_a_network_learns_which_token_comes_next(backend):
    made = mb.windows(np.arange(400) % 7, length=16, kind="classification")
    layers = [mb.Embed(7, 8), mb.LSTM(16, sequences=True), mb.Dense(7)]
    model = mb.build(layers, backend=backend.name, data=made)
    found = mb.evaluate(mb.train(model, made, epochs=30, lr=0.03))
    assert found["accuracy"] > 0.95
    assert found["perplexity"] < 1.2


@pytest.mark.parametrize(
    ("tokens", "options", "error", "words"),
    [
        (np.arange(60.0), {}, DataError, "dtype float64; expected whole numbers"),
        (np.zeros((9, 9), int), {}, DataError, r"shape \(9, 9\)"),
        ([3, -1] * 30, {}, DataError, "the token -1; expected whole numbers from 0 to 262,143"),
        ([1 << 40] * 60, {}, DataError, "the token 1099511627776"),
        ([0, 2] * 30, {"labels": ["a", "b"]}, DataError, "the token 2; .* from 0 to 1"),
        (np.arange(5), {"length": 24}, DataError, "has 5 values; expected more than length=24"),
        (np.arange(60), {"horizon": 2}, OptionError, "horizon= is for windows of values"),
        (np.arange(60), {"target": 0}, OptionError, "target= is for windows of values"),
        (np.arange(60), {"prep": [mb.standardize()]}, OptionError, "prep= is for windows of val"),
        (np.arange(60), {"features": ["a"]}, OptionError, "features= is for windows of values"),
        (np.arange(60), {"kind": "tokens"}, UnknownNameError, "no kind of windows 'tokens'"),
    ],
)
def test_tokens_that_cannot_be_cut_are_refused(tokens, options, error, words):
    with pytest.raises(error, match=words):
        mb.windows(tokens, **{"length": 5, "kind": "classification", **options})


def test_labels_of_values_are_refused():
    with pytest.raises(OptionError, match=r'is for windows of tokens. Type: kind="classification"'):
        mb.windows(np.arange(60.0), labels=["a", "b"])


@pytest.mark.parametrize(
    ("series", "options", "error", "words"),
    [
        (np.arange(10.0), {"length": 24}, DataError, "has 10 values; expected more than length=24"),
        (np.arange(30.0), {"length": 5, "horizon": 9}, DataError, "has 30 values; expected more"),
        (np.zeros((30, 2, 2)), {"length": 3}, DataError, r"expected \[n\] or \[n, columns\]"),
        ([1.0, np.nan] * 30, {"length": 3}, DataError, r"mb.windows\(series\[keep\]\)"),
        (np.arange(60.0), {"length": 0}, OptionError, "length=0 cannot be used"),
        (np.arange(60.0), {"horizon": 1.5}, OptionError, "horizon=1.5 cannot be used"),
        (np.arange(60.0), {"target": "b"}, UnknownNameError, "column of the series 'b'"),
        (np.arange(60.0), {"length": 3, "split": (1, 1, 1)}, OptionError, "add up to 1"),
    ],
)
def test_what_cannot_be_cut_is_refused(series, options, error, words):
    with pytest.raises(error, match=words):
        mb.windows(series, **options)


def test_windows_beyond_memory_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr("maasnb.datasets.windows.MOST_NUMBERS", 100)
    with pytest.raises(DataError, match=r"Take every n-th value: mb.windows\(series\[::10\]"):
        mb.windows(np.arange(100.0), length=10)
