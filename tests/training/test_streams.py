"""Training on batches that come one after the other."""

import threading

import numpy as np
import pytest
import torch

import maasnb as mb
from maasnb.errors import DataError, DivergedError, OptionError, UnknownNameError
from maasnb.training import fork, train
from tests.training.steered import logged_losses, same_weights

BATCHES, ROWS = 6, 10


def rows(seed=0, count=BATCHES * ROWS):
    """Return inputs [count, 4] and the largest of the first three as class."""
    x = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return x, np.argmax(x[:, :3], axis=1)


def batches(count=BATCHES, size=ROWS):
    """Return pairs (x, y) of successive rows."""
    x, y = rows(count=count * size)
    return [(x[i : i + size], y[i : i + size]) for i in range(0, count * size, size)]


class Loader:
    """Batches that can be begun anew, and that say how many they are, as a DataLoader does."""

    def __init__(self, given):
        self.given = given

    def __len__(self):
        return len(self.given)

    def __iter__(self):
        return iter(self.given)


def network(backend, outputs=3):
    layers = [mb.Input(4), mb.Dense(8, "tanh"), mb.Dropout(0.3), mb.Dense(outputs)]
    return mb.build(layers, backend=backend.name)


def test_a_stream_trains_to_the_bits_of_the_same_batches_by_hand(backend):
    given = Loader(batches())
    one, other = network(backend), network(backend)
    run = train(one, mb.data(given), epochs=3)
    again = train(other, mb.data(lambda: given.given), steps=3 * BATCHES)
    assert (run.steps, again.steps) == (18, 18)
    assert same_weights(backend, one, other)
    assert logged_losses(run) == logged_losses(again)


def test_what_a_stream_teaches_is_learnt(backend):
    x, y = rows(seed=1)
    data = mb.data(Loader(batches()), validation=(x, y))
    run = train(network(backend), data, epochs=60, lr=0.01)
    assert run.metrics["accuracy"] > 0.8
    assert len(run.history.validated) == 60


def test_a_data_loader_of_torch_is_a_stream():
    x, y = rows()
    dataset = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    loader = torch.utils.data.DataLoader(dataset, batch_size=16)
    model = torch.nn.Linear(4, 3)
    run = train(model, mb.data(loader, validation=loader), epochs=2)
    assert (run.steps, run.steps_per_epoch) == (8, 4)
    assert set(run.metrics) == {"loss", "accuracy"}


def test_a_smaller_last_batch_counts_by_its_own_rows(backend):
    x, y = rows(count=25)
    parts = [(x[:10], y[:10]), (x[10:20], y[10:20]), (x[20:], y[20:])]
    model = network(backend)
    run = train(model, mb.data(Loader(parts)), epochs=1, optimizer="sgd", lr=1e-9)
    for loss, (some, classes) in zip(run.history.losses, parts, strict=True):
        p = backend.predict(model, run.task, some)[np.arange(len(some)), classes]
        assert abs(-np.log(p).mean() - loss) < 1.0  # dropout is on while it is trained


@pytest.mark.coverage("A10")
def test_batches_may_be_dictionaries_with_their_targets(backend):
    given = [{"x": x, "label": y} for x, y in batches()]
    run = train(network(backend), mb.data(lambda: given), steps=4)
    assert run.data.train.x.shape == (ROWS, 4)
    assert run.steps == 4


def test_a_function_may_ask_for_the_epoch(backend):
    asked = []

    def source(epoch):
        asked.append(epoch)
        return batches(2)

    train(network(backend), mb.data(source), steps=5)
    assert asked[:4] == [0, 0, 1, 2]  # the first time to see what the batches are


@pytest.mark.parametrize("accumulate", [1, 2])
def test_batches_of_a_streams_own_sizes_are_normalised(backend, accumulate):
    sizes, (x, y) = (48, 64, 48, 17), rows(count=177)
    ends = np.cumsum(sizes)[:-1]
    given = Loader(list(zip(np.split(x, ends), np.split(y, ends), strict=True)))
    layers = [mb.Input(4), mb.Dense(8, "tanh"), mb.BatchNorm(), mb.Dense(3)]
    net = mb.build(layers, backend=backend.name)
    run = train(net, mb.data(given), epochs=30, lr=0.05, accumulate=accumulate)
    losses = logged_losses(run)
    assert len(losses) == 120 // accumulate
    assert np.mean(losses[-4:]) < 0.3 * losses[0]


def test_batches_are_accumulated_to_a_step(backend):
    run = train(network(backend), mb.data(Loader(batches())), epochs=2, accumulate=3)
    assert (run.steps, run.steps_per_epoch) == (4, 2)


def test_a_generator_that_ends_early_stops_the_run_with_what_was_learnt(backend):
    run = train(network(backend), mb.data(item for item in batches()), steps=100)
    assert (run.status, run.steps) == ("stopped", BATCHES)
    assert "the stream ended after 6 of 100 steps" in run.stop_reason
    assert len(logged_losses(run)) == BATCHES


def failing(at, make):
    """Yield batches, and at one of them what `make` returns or raises."""
    for number, item in enumerate(batches(20)):
        yield make() if number == at else item


def broken():
    message = "the disk is gone"
    raise OSError(message)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (broken, "failed at batch 10 of its epoch: OSError.'the disk is gone'.. What was learnt"),
        (lambda: (np.full((ROWS, 4), np.nan), np.zeros(ROWS, int)), "Batch 10: x holds NaN or inf"),
        (
            lambda: (np.zeros((ROWS, 5)), np.zeros(ROWS, int)),
            r"x of shape \[10, 5\]; expected .n, 4",
        ),
        (lambda: (np.zeros((0, 4)), np.zeros(0, int)), "Batch 10 is empty"),
        (lambda: (np.zeros((ROWS, 4)), np.zeros(3, int)), "as many rows in each"),
        (lambda: np.zeros((ROWS, 4)), "Batch 10 is a ndarray; expected a pair"),
        (lambda: {"x": np.zeros((ROWS, 4))}, "is a dictionary of x; expected inputs, and targets"),
        (
            lambda: (np.array([["a"] * 4] * ROWS), np.zeros(ROWS, int)),
            "dtype <U1; expected numbers",
        ),
        (lambda: (np.zeros((ROWS, 4)), np.full(ROWS, -1)), "has the class -1; expected whole"),
    ],
)
def test_a_bad_batch_ends_the_run_and_loses_nothing(backend, make, words):
    model = network(backend)
    before = backend.weights(model)
    data = mb.data(failing(9, make))
    with pytest.raises(DataError, match=words):
        train(model, data, steps=20)
    (run,) = [each for each in mb.runs().rows if each.status == "failed"]
    assert run.steps == 9
    after = backend.weights(model)
    assert any(not np.array_equal(before[name], after[name]) for name in before)


def test_a_stream_that_goes_on_from_a_checkpoint_ends_with_the_same_bits(backend):
    given = Loader(batches())
    whole, parted = network(backend), network(backend)
    train(whole, mb.data(given), epochs=4, name="whole")

    def stop(event, run):
        if event.step >= 10:
            run.stop()

    first = train(parted, mb.data(given), epochs=4, name="parted", on_event=stop)
    assert 10 <= first.steps < 24
    again = train(network(backend), mb.data(given), resume="parted")
    assert again.steps == 24
    assert same_weights(backend, whole, again.model)


def test_a_fork_of_a_streamed_run_reads_the_stream_from_its_step_on(backend):
    given = Loader(batches())
    run = train(network(backend), mb.data(given), epochs=2)
    longer = train(network(backend), mb.data(given), epochs=4)
    forked = fork(run, epochs=4)
    assert forked.steps == 24
    assert same_weights(backend, longer.model, forked.model)


def test_a_rollback_reads_a_stream_again_where_that_can_be(backend):
    reached, go_on = threading.Event(), threading.Event()

    def endless():
        while True:
            yield from batches()

    def watch(event, run):
        if event.step >= 40:
            reached.set()
            go_on.wait(60)

    run = train(network(backend), mb.data(endless), steps=100_000, wait=False, on_event=watch)
    assert reached.wait(60)
    go_on.set()
    run.pause()
    assert run.rollback(0) == 0
    run.stop()
    assert run.wait(60).steps == 0


def values(count):
    """Return pairs (x, y) of a regression, which a large learning rate drives to infinity."""
    return [(x, x[:, :1] * 2.0) for x, _ in batches(count)]


def test_a_loss_that_is_not_finite_goes_back_as_with_arrays(backend):
    model = network(backend, 1)
    with pytest.raises(DivergedError, match="The model holds its last good state, after step"):
        train(model, mb.data(Loader(values(6))), epochs=50, optimizer="sgd", lr=1e8)
    assert all(np.isfinite(weight).all() for weight in backend.weights(model).values())


def test_a_stream_that_cannot_be_read_again_goes_back_to_a_copy(backend):
    model = network(backend, 1)
    data = mb.data(item for item in values(200))
    with pytest.raises(DivergedError, match="The model holds its last good state, after step"):
        train(model, data, steps=200, optimizer="sgd", lr=1e8)
    assert all(np.isfinite(weight).all() for weight in backend.weights(model).values())


def test_a_stream_without_a_length_asks_for_steps(backend):
    with pytest.raises(OptionError, match="does not say how many batches .*steps=1000"):
        train(network(backend), mb.data(lambda: iter(batches())))


@pytest.mark.parametrize("source", [lambda: iter(()), iter(())])
def test_an_empty_stream_is_refused(source):
    with pytest.raises(DataError, match="The stream has no batch"):
        mb.data(source)


def test_options_of_arrays_are_refused_for_streams():
    with pytest.raises(OptionError, match="prep= is for arrays; a stream gives prepared pairs"):
        mb.data(Loader(batches()), prep=[mb.standardize()])
    with pytest.raises(OptionError, match="validation= is for streams; arrays are split"):
        mb.data(*rows(), validation=rows())
    with pytest.raises(OptionError, match=r"validation= is a int; expected \(x, y\) or a stream"):
        mb.data(Loader(batches()), validation=3)
    with pytest.raises(UnknownNameError, match="Did you mean 'classification'"):
        mb.data(Loader(batches()), kind="clasification")


def test_values_are_learnt_from_a_stream(backend):
    pairs = [(x, x[:, :1] * 2.0) for x, _ in batches()]
    run = train(network(backend, 1), mb.data(Loader(pairs)), epochs=2)
    assert run.task.loss == "mse"


def test_a_stream_says_what_it_is():
    data = mb.data(Loader(batches()), labels=["a", "b", "c"])
    assert "a stream; 10 in its first batch" in str(data)
    assert data.labels == ("a", "b", "c")
