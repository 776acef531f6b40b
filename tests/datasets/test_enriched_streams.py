"""Streams and shards, balanced and augmented: each epoch anew, the same for the same numbers."""

import json

import numpy as np
import pytest

import maasnb as mb
from maasnb.datasets import shards
from maasnb.datasets.augmentation import augmented
from maasnb.datasets.oversampling import how_many_more, repeated_rows
from maasnb.errors import DataError, OptionError
from maasnb.events import Stepped
from maasnb.training import replay
from tests.training.steered import same_weights

LABELS = ["often", "rare", "some"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Let a few examples fill a shard."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 1500)


def uneven(rows=310, **options):
    """Return examples, numbered by their first column; a tenth is `some`, a tenth `rare`."""
    random = np.random.default_rng(0)
    x = np.column_stack([np.arange(rows), random.normal(size=(rows, 3))]).astype(np.float32)
    y = np.full(rows, "often", dtype=object)
    y[::10], y[5::10] = "some", "rare"
    return mb.data(x, y.astype(str), labels=LABELS, name="rows", **options)


def read(tmp_path, data, **options):
    return mb.data(data.to_shards(tmp_path / "shards", compress="gzip"), **options)


def epoch(data, number, rows=16):
    x, y = zip(*data.stream.epoch(number, rows), strict=True)
    return np.concatenate(x), np.concatenate(y)


def stream(**options):
    """Return a stream of pictures: batches that a function makes."""
    random = np.random.default_rng(1)
    x, y = random.random((24, 4, 5)).astype(np.float32), np.arange(24) % 2
    batches = [(x[n : n + 8], y[n : n + 8]) for n in range(0, 24, 8)]
    return mb.data(lambda: batches, labels=["a", "b"], **options)


@pytest.mark.coverage("B6")
def test_oversampled_shards_have_as_many_of_each_class_in_every_epoch(tmp_path):
    plain = uneven()
    made = read(tmp_path, plain, balance="oversample")
    assert len(made.stream._index.splits["train"]) > 3
    most = np.bincount(plain.train.y).max()
    for number in (0, 1):
        x, y = epoch(made, number)
        assert np.bincount(y).tolist() == [most] * 3
        assert set(x[:, 0]) == set(plain.train.x[:, 0])  # nothing is left out
        assert len(y) == len(plain.train) + made.repeated
    assert made.stream.length(16) == -(-3 * most // 16)
    assert f"oversample, {made.repeated} training examples are repeated" in str(made)


def test_no_example_of_a_shard_is_repeated_twice_more_often_than_another_of_its_class(tmp_path):
    x, y = epoch(read(tmp_path, uneven(), balance="oversample"), 0)
    for number in range(3):
        times = np.unique(x[y == number, 0], return_counts=True)[1]
        assert times.max() - times.min() <= 1


def test_other_examples_are_repeated_in_another_epoch_and_the_same_in_the_same(tmp_path):
    made = read(tmp_path, uneven(), balance="oversample")
    first, again, second = (epoch(made, number)[0] for number in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    times = [np.unique(each[:, 0], return_counts=True)[1].tolist() for each in (first, second)]
    assert times[0] != times[1]


@pytest.mark.coverage("B6")
def test_the_weights_of_shards_are_those_of_the_whole_training_split(backend, tmp_path):
    plain = uneven()
    made = read(tmp_path, plain, balance="weights")
    np.testing.assert_array_equal(made.class_counts, np.bincount(plain.train.y))
    weights = [
        mb.train(mb.build([mb.Dense(3)], data=data, backend=backend.name), data, steps=1, **options)
        for data, options in ((made, {}), (plain, {"class_weights": "balanced"}))
    ]
    assert weights[0].settings["class_weights"] == weights[1].settings["class_weights"]


def test_the_classes_of_a_stream_are_counted_when_it_is_written(tmp_path):
    made = read(tmp_path, stream())
    assert made.class_counts.tolist() == [12, 12]
    without = mb.data(lambda: iter([(np.ones((4, 2)), np.arange(4) % 3)] * 2))
    assert without.class_counts is None
    again = mb.data(without.to_shards(tmp_path / "more", compress="none"))
    assert again.class_counts.tolist() == [4, 2, 2]


def test_the_text_of_shards_counts_all_examples(tmp_path, monkeypatch):
    monkeypatch.setattr("maasnb.datasets.sharding.FIRST_ROWS", 5)
    plain = uneven()
    counts = np.bincount(plain.train.y)
    assert f"often ({counts[0]}), rare ({counts[1]})" in str(read(tmp_path, plain))


def test_a_class_with_fewer_examples_than_shards_is_not_oversampled(tmp_path):
    x = np.zeros((400, 4), np.float32)
    data = mb.data(x, ["rare"] * 2 + ["often"] * 398, split=(1, 0, 0))
    with pytest.raises(OptionError, match=r"a class has 2 examples in \d+ shards.*\"weights\""):
        read(tmp_path, data, balance="oversample")


@pytest.mark.parametrize("counts", [[1, 2, 3], [-1, 1, 240], ["a"], [80.0, 80, 80], [240], 7])
def test_counts_that_cannot_be_those_of_the_shards_are_refused(tmp_path, counts):
    folder = uneven().to_shards(tmp_path / "shards", compress="gzip")
    index = json.loads((folder / "shards.json").read_text())
    index["about"]["counts"] = counts
    (folder / "shards.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="counts are not those of the training examples"):
        mb.data(folder)


def test_counts_that_are_wrong_are_found_before_anything_is_repeated(tmp_path):
    folder = uneven().to_shards(tmp_path / "shards", compress="gzip")
    index = json.loads((folder / "shards.json").read_text())
    index["about"]["counts"] = [20, 20, 208]
    (folder / "shards.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="more examples of a class than their index tells"):
        epoch(mb.data(folder, balance="oversample"), 0)


def test_parts_have_together_as_many_repetitions_as_all_at_once():
    random = np.random.default_rng(0)
    classes = random.choice(4, 500, p=[0.6, 0.3, 0.09, 0.01])
    counts = np.bincount(classes)
    seen, more = np.zeros(4, int), []
    for part in np.array_split(classes, 7):
        more.append(part[repeated_rows(part, random, counts, seen)])
        seen += np.bincount(part, minlength=4)
    together = np.bincount(np.concatenate(more), minlength=4)
    assert (counts + together).tolist() == [counts.max()] * 4
    assert together.sum() == how_many_more(counts)


@pytest.mark.parametrize("balance", ["oversample", "weights"])
def test_a_stream_is_not_balanced_and_the_message_says_what_to_do(balance):
    with pytest.raises(
        OptionError, match=r"a stream does not tell. Write it as shards.*class_weights="
    ):
        stream(balance=balance)


def test_balanced_weights_of_a_stream_are_refused(backend):
    data = stream()
    model = mb.build([mb.Flatten(), mb.Dense(2)], data=data, backend=backend.name)
    with pytest.raises(OptionError, match=r'"balanced" cannot be used with a stream.*to_shards'):
        mb.train(model, data, steps=1, class_weights="balanced")


@pytest.mark.coverage("B5")
def test_the_batches_of_a_stream_are_changed_by_seed_epoch_and_batch():
    plain, made = stream(), stream(augment=[mb.shift(1), mb.noise(0.1)], seed=4)
    for number in (0, 2):
        batches = zip(plain.stream.epoch(number, 8), made.stream.epoch(number, 8), strict=True)
        for place, ((x, y), (changed, same)) in enumerate(batches):
            key = (4, number, place)
            expected = augmented(made.augment, x, made.recipe, made.features, key)
            np.testing.assert_array_equal(changed, expected)
            np.testing.assert_array_equal(y, same)
            assert not np.array_equal(changed, x)


@pytest.mark.coverage("B5")
def test_the_raw_examples_of_shards_are_changed_before_the_recipe(tmp_path):
    random = np.random.default_rng(2)
    images = random.integers(0, 256, size=(60, 6, 6), dtype=np.uint8)
    plain = mb.data(images, np.arange(60) % 2, split=(1, 0, 0))
    made = read(tmp_path, plain, augment=[mb.flip()])
    whole = {bytes(each) for each in plain.train.inputs}
    mirrored = {bytes(np.ascontiguousarray(each[:, ::-1])) for each in plain.train.inputs}
    found = [bytes(each) for each in epoch(made, 0)[0]]
    assert set(found) <= whole | mirrored
    assert 10 < sum(each in mirrored for each in found) < 50
    assert bytes(made.train.inputs[0]) in whole  # what stands for the split stays as it is


def test_a_generator_that_can_be_gone_through_once_is_augmented_too(backend):
    x, y = np.ones((8, 3), np.float32), np.arange(8) % 2
    data = mb.data(((x, y) for _ in range(5)), augment=[mb.noise(0.1)], labels=["a", "b"])
    model = mb.build([mb.Dense(2)], data=data, backend=backend.name)
    assert mb.train(model, data, steps=5).steps == 5


def test_a_step_that_does_not_fit_a_stream_is_refused():
    with pytest.raises(OptionError, match=r"drop_words\(\) is for texts"):
        stream(augment=[mb.drop_words()])


def test_a_run_on_enriched_shards_is_resumed_and_repeated_to_the_same_bits(backend, tmp_path):
    options = {"balance": "oversample", "augment": [mb.noise(0.2)]}
    data = read(tmp_path, uneven(), **options)

    def network(seed=0):
        return mb.build(
            [mb.Dense(8, "relu"), mb.Dense(3)], backend=backend.name, data=data, seed=seed
        )

    def stop(event, run):
        if isinstance(event, Stepped) and event.step >= 50:
            run.stop()

    whole = mb.train(network(), data, epochs=3, batch=16, name="whole")
    assert whole.steps_per_epoch == data.stream.length(16)
    part = mb.train(network(), data, epochs=3, batch=16, name="part", on_event=stop)
    assert part.status == "stopped"
    run = mb.train(network(seed=9), mb.data(tmp_path / "shards", **options), resume="part")
    np.testing.assert_array_equal(run.history.losses, whole.history.losses)
    assert same_weights(backend, run.model, whole.model)
    assert same_weights(backend, replay(whole).model, whole.model)
