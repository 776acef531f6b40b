"""Training on augmented examples: resumed, repeated and rolled back to the same bits."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.datasets.augmentation import augmented
from maasnb.datasets.batches import Batches
from maasnb.errors import OptionError
from maasnb.events import Measured, Stepped
from maasnb.records.record import read_summary
from maasnb.training import replay, train
from tests.training.steered import same_weights

STEPS = (mb.shift(1), mb.flip(), mb.noise(0.1))


def pictures(augment=STEPS, rows=60):
    """Return small images of two classes: ink in the upper or in the lower half."""
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, size=(rows, 6, 6), dtype=np.uint8), np.arange(rows) % 2
    x[y == 1, :3] //= 4
    return mb.data(x, y, augment=list(augment), name="pictures")


def network(backend, seed=0):
    layers = [mb.Input((6, 6)), mb.Flatten(), mb.Dense(8, "relu"), mb.Dropout(0.2), mb.Dense(2)]
    return mb.build(layers, backend=backend.name, seed=seed)


def stopped(backend, after):
    def stop_after(event, run):
        if isinstance(event, Stepped | Measured) and event.step >= after:
            run.stop()

    options = {"epochs": 30, "batch": 7, "name": "long", "seed": 3}
    return train(network(backend), pictures(), on_event=stop_after, **options)


@pytest.mark.coverage("B5")
def test_a_resumed_run_ends_with_the_bits_of_one_that_was_not_stopped(backend):
    whole = train(network(backend), pictures(), epochs=30, batch=7, seed=3, name="whole")
    part = stopped(backend, after=25)
    assert part.status == "stopped"
    run = train(network(backend, seed=9), pictures(), resume="long")
    assert run.status == "finished"
    np.testing.assert_array_equal(run.history.losses, whole.history.losses)
    assert same_weights(backend, run.model, whole.model)


def test_a_repeated_run_has_the_same_bits(backend):
    run = train(network(backend), pictures(), epochs=4, batch=7)
    again = replay(run)
    np.testing.assert_array_equal(again.history.losses, run.history.losses)
    assert same_weights(backend, again.model, run.model)


def test_how_often_something_is_measured_changes_no_example(backend):
    one, other = (
        train(network(backend), pictures(), epochs=4, batch=7, record=record)
        for record in ("full", "off")
    )
    assert same_weights(backend, one.model, other.model)


def test_a_step_sees_the_examples_that_its_number_and_the_seed_say(backend):
    data = pictures()
    run = train(network(backend), data, epochs=1, batch=7, steps=1, seed=5)
    rows = Batches(size=len(data.train), batch=7, seed=5).rows(0, 1).indices[0]
    inputs = augmented(data.augment, data.train.x[rows], data.recipe, data.features, (5, 0))
    # The same step on arrays that are these very examples, in an order that changes no mean.
    fixed = mb.data(inputs, data.train.y[rows], split=(1, 0, 0), labels=["0", "1"])
    plain = [mb.Input((6, 6)), mb.Flatten(), mb.Dense(2)]
    model, other = (mb.build(plain, backend=backend.name) for _ in range(2))
    first = train(model, data, epochs=1, batch=7, steps=1, seed=5)
    second = train(other, fixed, epochs=1, batch=7, steps=1)
    np.testing.assert_allclose(first.history.losses, second.history.losses, rtol=1e-5)
    assert run.steps == 1


def test_the_loss_of_each_example_is_noted_under_its_own_row(backend):
    data = pictures()
    run = train(network(backend), data, epochs=3, batch=7)
    assert run.history.examples.count.tolist() == [3] * len(data.train)


def test_the_record_tells_the_steps_and_a_run_does_not_go_on_with_others(backend):
    run = stopped(backend, after=10)
    settings = read_summary(run.folder)["settings"]
    assert settings["augment"][0] == {"augment": "shift", "pixels": 1}
    with pytest.raises(OptionError, match="cannot go on, because this differs: augment is "):
        train(network(backend), pictures(augment=[mb.shift(2)]), resume="long")
    with pytest.raises(OptionError, match="augment is None, was"):
        train(network(backend), pictures(augment=[]), resume="long")


def test_the_published_recipe_has_no_augmentation(backend):
    from maasnb.artifacts.freezing import freeze

    run = train(network(backend), pictures(), epochs=1, batch=7)
    assert [step["step"] for step in freeze(run, "pictures").manifest.recipe.to_json()] == [
        "scale_pixels"
    ]


def bars(moved_by):
    """Return images of bars that lie or stand, all at one place, with a little noise."""
    random = np.random.default_rng(0)
    x, y = random.normal(0, 0.05, size=(400, 9, 9)).astype(np.float32), np.arange(400) % 2
    x[y == 0, 4 + moved_by, 3:6] += 1
    x[y == 1, 3 + moved_by : 6 + moved_by, 4] += 1
    return x, y


def test_what_was_learnt_at_any_place_is_known_where_no_example_was(backend):
    layers = [mb.Input((9, 9)), mb.Flatten(), mb.Dense(32, "relu"), mb.Dense(2)]
    x, y = bars(moved_by=2)
    scores = []
    for augment in (None, [mb.shift(2)]):
        data = mb.data(*bars(moved_by=0), augment=augment)
        run = train(mb.build(layers, backend=backend.name), data, epochs=30, lr=0.01)
        scores.append((run.predict(x).argmax(axis=1) == y).mean())
    assert scores[0] < 0.95 < scores[1]


@pytest.mark.coverage("B5")
def test_a_model_of_texts_is_trained_on_texts_without_some_of_their_words(backend):
    texts = [f"{word} number {n} of the red cars" for n in range(40) for word in ("good", "bad")]
    data = mb.data(
        texts, ["yes", "no"] * 40, prep=[mb.tokens(30, length=8)], augment=[mb.drop_words(0.4)]
    )
    rows = Batches(size=len(data.train), batch=16, seed=5).rows(0, 1).indices[0]
    seen = augmented(data.augment, data.train.x[rows], data.recipe, data.features, (5, 0))
    assert (seen != data.train.inputs[rows]).any(axis=1).sum() > 8
    fixed = mb.data(seen, data.train.y[rows], split=(1, 0, 0), labels=data.labels)

    def network():
        layers = [mb.Embed(30, 8, padding=True), mb.LSTM(8), mb.Dense(2)]
        return mb.build(layers, backend=backend.name, data=data)

    run = train(network(), data, epochs=2, batch=16, seed=5)
    plain = train(network(), fixed, steps=1, batch=16)
    np.testing.assert_allclose(run.history.losses[0], plain.history.losses[0], rtol=1e-5)
    assert same_weights(backend, replay(run).model, run.model)
