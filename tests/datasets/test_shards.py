"""Shards: what is written is what is read, in another order each epoch; torn ones are named."""

import json
import shutil

import numpy as np
import pytest

import maasnb as mb
from maasnb.datasets import sharding, shards
from maasnb.datasets.compression import pack, unpack
from maasnb.errors import DataError, MissingPackageError, OptionError, UnknownNameError
from maasnb.serve.embedded import stop_server

COMPRESSIONS = ["zstd", "gzip", "none"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Let a few examples fill a shard."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 1500)


def table(rows=200):
    """Return a table whose first column numbers the examples."""
    random = np.random.default_rng(0)
    x = np.column_stack([np.arange(rows), random.normal(size=(rows, 3))])
    return mb.data(x, np.arange(rows) % 3, prep=[mb.standardize()], labels=list("abc"), name="rows")


def epoch(data, number, rows=16):
    return list(data.stream.epoch(number, rows))


def written(tmp_path, data, compress="gzip"):
    return mb.data(data.to_shards(tmp_path / "shards", compress=compress))


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_every_example_comes_once_an_epoch_prepared_as_it_was(tmp_path, compress):
    data = table()
    read = written(tmp_path, data, compress)
    assert len(list((tmp_path / "shards").glob("train-*"))) > 3
    inputs, targets = (np.concatenate(side) for side in zip(*epoch(read, 0), strict=True))
    order = np.argsort(inputs[:, 0])
    np.testing.assert_array_equal(inputs[order], data.train.inputs[data.train.x[:, 0].argsort()])
    np.testing.assert_array_equal(targets[order], data.train.targets[data.train.x[:, 0].argsort()])


def test_what_is_said_of_the_data_travels_with_them(tmp_path):
    data = table()
    read = written(tmp_path, data)
    for name in ("name", "kind", "labels", "features", "seed", "recipe"):
        assert getattr(read, name) == getattr(data, name)
    for name in ("validation", "test"):
        np.testing.assert_array_equal(getattr(read, name).x, getattr(data, name).x)
        np.testing.assert_array_equal(getattr(read, name).inputs, getattr(data, name).inputs)


@pytest.mark.parametrize("rows", [1, 7, 16, 500])
def test_all_batches_have_as_many_rows_as_asked_for_but_the_last(tmp_path, rows):
    read = written(tmp_path, table())
    sizes = [len(x) for x, _ in epoch(read, 0, rows)]
    assert set(sizes[:-1]) <= {rows}
    assert sum(sizes) == len(table().train)
    assert len(sizes) == read.stream.length(rows)


def test_each_epoch_has_an_order_of_its_own_and_always_the_same(tmp_path):
    read = written(tmp_path, table())
    first, again, second = (
        np.concatenate([x[:, 0] for x, _ in epoch(read, number)]) for number in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    other = mb.data(tmp_path / "shards")
    np.testing.assert_array_equal(np.concatenate([x[:, 0] for x, _ in epoch(other, 0)]), first)


def test_a_sorted_table_is_mixed_before_it_is_cut(tmp_path):
    x = np.arange(200.0)[:, None]
    read = written(tmp_path, mb.data(x, (np.arange(200) > 100).astype(int), split=(1, 0, 0)))
    shard = shards.read_index(tmp_path / "shards").splits["train"][0]
    assert set(shards.read_shard(tmp_path / "shards", read.stream._index, shard)[1]) == {0, 1}


def test_texts_are_written_as_they_are(tmp_path):
    text = "猫坐在垫子上。 The cat sat on the mat.\n" * 60
    data = mb.data(text, prep=[mb.chars(12)])
    read = written(tmp_path, data)
    assert read.recipe == data.recipe
    found = np.concatenate([x for x, _ in epoch(read, 0)])
    assert sorted(map(bytes, found)) == sorted(map(bytes, data.train.inputs))


def test_a_stream_is_written_without_being_held(tmp_path):
    def batches():
        for number in range(30):
            yield np.full((8, 2), number, np.float32), np.full(8, number % 2)

    data = mb.data(batches, validation=(np.ones((5, 2)), np.zeros(5, int)), labels=["a", "b"])
    read = written(tmp_path, data)
    assert read.stream.length(8) == 30
    assert (len(read.validation), read.labels) == (5, ("a", "b"))


def test_the_text_tells_how_many_examples_and_shards_there_are(tmp_path):
    read = written(tmp_path, table())
    number = len(list((tmp_path / "shards").glob("train-*")))
    assert f"examples  160 train in {number} shards, 20 validation, 20 test" in str(read)


def test_a_large_validation_is_held_in_part_and_the_text_says_so(tmp_path, monkeypatch):
    data = table()
    folder = data.to_shards(tmp_path / "shards", compress="none")
    monkeypatch.setattr(shards, "SHARD_BYTES", 300)
    monkeypatch.setattr(sharding, "HELD_BYTES", 1)
    assert len(mb.data(folder).validation) == 20  # one shard, which is always held
    again = data.to_shards(tmp_path / "smaller", compress="none")
    held = mb.data(again)
    assert f"{len(held.validation)} of 20 validation" in str(held)
    assert 0 < len(held.validation) < 20


def test_a_set_that_fits_is_read_from_the_disk_once(tmp_path, monkeypatch):
    read = written(tmp_path, table())
    calls = []
    monkeypatch.setattr(
        sharding, "read_shard", lambda *given: calls.append(given) or shards.read_shard(*given)
    )
    epoch(read, 0), epoch(read, 1)
    assert len(calls) == len(read.stream._index.splits["train"])


def test_a_set_that_does_not_fit_is_never_held_whole(tmp_path, monkeypatch):
    read = written(tmp_path, table())
    monkeypatch.setattr(sharding, "CACHE_BYTES", 4000)
    for number in range(3):
        for _ in read.stream.epoch(number, 16):
            kept = read.stream._kept.values()
            assert sum(x.nbytes + y.nbytes for x, y in kept) <= 4000


def test_training_on_shards_reads_every_batch(backend, tmp_path):
    read = written(tmp_path, table())
    model = mb.build([mb.Dense(8, "relu"), mb.Dense(3)], backend=backend.name, data=read)
    run = mb.train(model, read, epochs=3, batch=16)
    assert (run.steps, run.steps_per_epoch) == (30, 10)
    assert len(run.history.validated) == 3


@pytest.mark.coverage("B7")
def test_a_run_on_shards_is_resumed_and_repeated_to_the_same_bits(backend, tmp_path):
    from maasnb.events import Stepped
    from maasnb.training import replay
    from tests.training.steered import same_weights

    def network(seed=0):
        layers = [mb.Dense(8, "relu"), mb.Dropout(0.2), mb.Dense(3)]
        return mb.build(layers, backend=backend.name, data=read, seed=seed)

    def stop(event, run):
        if isinstance(event, Stepped) and event.step >= 13:
            run.stop()

    read = written(tmp_path, table())
    whole = mb.train(network(), read, epochs=6, batch=16, name="whole")
    part = mb.train(network(), read, epochs=6, batch=16, name="part", on_event=stop)
    assert part.status == "stopped"
    run = mb.train(network(seed=3), mb.data(tmp_path / "shards"), resume="part")
    np.testing.assert_array_equal(run.history.losses, whole.history.losses)
    assert same_weights(backend, run.model, whole.model)
    assert same_weights(backend, replay(whole).model, whole.model)


def test_a_model_of_shards_is_served(tmp_path, workspace):
    read = written(tmp_path, table())
    run = mb.train(mb.build([mb.Dense(3)], data=read, backend="torch"), read, epochs=1)
    try:
        endpoint = mb.publish(run, "rows")
        np.testing.assert_allclose(endpoint.predict(read.test.x), run.predict(read.test.x), 1e-5)
    finally:
        stop_server(workspace)


def shard_of(folder):
    return sorted(folder.glob("train-*"))[1]


def cut(folder):
    path = shard_of(folder)
    path.write_bytes(path.read_bytes()[:-20])


def change(folder):
    path = shard_of(folder)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def exchange(folder):
    first, second = sorted(folder.glob("train-*"))[:2]
    shutil.copy(first, second)


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (cut, "its sha256 is not the one in the index"),
        (change, "its sha256 is not the one in the index"),
        (exchange, "its sha256 is not the one in the index"),
        (lambda folder: shard_of(folder).unlink(), "No such file"),
    ],
    ids=["cut", "changed", "another one", "gone"],
)
def test_a_harmed_shard_is_named_and_ends_the_training(tmp_path, compress, harm, words):
    folder = table().to_shards(tmp_path / "shards", compress=compress)
    harm(folder)
    with pytest.raises(DataError, match=f"train-00001.* cannot be used: {words}"):
        epoch(mb.data(folder), 0)


def test_long_texts_come_in_many_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 100_000)
    texts = ["word " * 2000 + str(n) for n in range(100)]
    data = mb.data(texts, [0, 1] * 50, split=(1, 0, 0))
    folder = data.to_shards(tmp_path / "shards")
    sizes = [shard.size_bytes for shard in shards.read_index(folder).splits["train"]]
    assert max(sizes) < 150_000
    assert len(sizes) >= 8


@pytest.mark.parametrize("ends", [np.array([3.0]), np.array([[3]]), np.array(3)])
def test_places_that_are_none_end_no_texts(ends):
    tensors = {"x bytes": np.frombuffer(b"abc", np.uint8), "x ends": ends}
    with pytest.raises(ValueError, match="the ends of its texts are no places"):
        shards._array("x", tensors)


def rewritten(folder, **changes):
    index = json.loads((folder / "shards.json").read_text())
    index.update(changes)
    (folder / "shards.json").write_text(json.dumps(index))


def with_shard(folder, **changes):
    index = json.loads((folder / "shards.json").read_text())
    index["splits"]["train"][0].update(changes)
    (folder / "shards.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "shards.json").unlink(), "wrote to its end"),
        (lambda folder: (folder / "shards.json").write_text("{"), "is no index of shards"),
        (lambda folder: (folder / "shards.json").write_text("[" * 10**5), "is no index of shards"),
        (lambda folder: rewritten(folder, format="mine"), "its format is 'mine'"),
        (lambda folder: rewritten(folder, version=9), "its version is 9, this maasnb reads 1"),
        (lambda folder: rewritten(folder, compression="rar"), "no compression 'rar'"),
        (lambda folder: rewritten(folder, splits={}), "is no index of shards"),
        (lambda folder: with_shard(folder, file="../secret"), "the shard '../secret' cannot be"),
        (lambda folder: with_shard(folder, rows=-1), "cannot be one"),
        (lambda folder: with_shard(folder, size_bytes=1 << 40), "cannot be one"),
        (lambda folder: with_shard(folder, more=1), "is no index of shards"),
    ],
)
def test_an_index_that_cannot_be_used_is_refused(tmp_path, harm, words):
    folder = table().to_shards(tmp_path / "shards", compress="gzip")
    harm(folder)
    with pytest.raises(DataError, match=words):
        mb.data(folder)


def test_a_recipe_that_is_none_is_refused(tmp_path):
    folder = table().to_shards(tmp_path / "shards", compress="gzip")
    index = json.loads((folder / "shards.json").read_text())
    rewritten(folder, about={**index["about"], "recipe": [{"step": "run_this"}]})
    with pytest.raises(DataError, match="do not say how they are prepared"):
        mb.data(folder)


def test_more_than_the_index_tells_is_never_unpacked(tmp_path):
    folder = table().to_shards(tmp_path / "shards", compress="gzip")
    with_shard(folder, size_bytes=700)
    with pytest.raises(DataError, match="it holds more than 700 bytes"):
        mb.data(folder)


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_bytes_are_unpacked_as_they_were_packed(compress):
    content = bytes(range(256)) * 5000
    packed = pack(content, compress)
    assert unpack(packed, compress, len(content)) == content
    assert pack(content, compress) == packed
    for size in (len(content) - 1, len(content) + 1):
        with pytest.raises(DataError, match=f"than {size} bytes"):
            unpack(packed, compress, size)


@pytest.mark.parametrize("compress", ["zstd", "gzip"])
def test_broken_bytes_are_told(compress):
    packed = pack(bytes(range(256)) * 50, compress)
    for content in (b"junk", packed[:-9], packed[:8] + b"\0" * 40):
        with pytest.raises(DataError, match="cannot be unpacked|holds fewer"):
            unpack(content, compress, 12800)


def test_without_zstandard_gzip_is_taken_and_asking_for_it_says_how_to_get_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("maasnb.datasets.compression._zstd", lambda: None)
    data = table()
    assert shards.read_index(data.to_shards(tmp_path / "a")).compression == "gzip"
    with pytest.raises(MissingPackageError, match=r"%pip install 'maasnb\[shards\]'"):
        data.to_shards(tmp_path / "b", compress="zstd")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: mb.data("digits", augment=[mb.noise()]), OptionError, "without augment= and bal"),
        (
            lambda: mb.data({"a": np.ones((20, 1))}, np.arange(20) % 2),
            OptionError,
            "hold inputs and targets of one part",
        ),
    ],
    ids=["augmented", "parts"],
)
def test_what_shards_cannot_hold_is_refused(tmp_path, make, error, words):
    with pytest.raises(error, match=words):
        make().to_shards(tmp_path / "shards")


def test_nothing_is_written_over(tmp_path):
    folder = table().to_shards(tmp_path / "shards")
    with pytest.raises(OptionError, match="is there already; shards need a folder of their own"):
        table().to_shards(folder)
    with pytest.raises(OptionError, match="are shards already; copy their folder"):
        mb.data(folder).to_shards(tmp_path / "again")


def test_an_unknown_compression_gets_the_nearest_one(tmp_path):
    with pytest.raises(UnknownNameError, match="compression 'zst'.*'zstd'"):
        table().to_shards(tmp_path / "shards", compress="zst")


@pytest.mark.parametrize(
    "options", [{"prep": []}, {"split": (1, 0, 0)}, {"seed": 3}, {"labels": ["a", "b"]}]
)
def test_options_that_the_shards_have_decided_are_refused(tmp_path, options):
    folder = table().to_shards(tmp_path / "shards")
    with pytest.raises(OptionError, match=f"{next(iter(options))}= is not for shards"):
        mb.data(folder, **options)
