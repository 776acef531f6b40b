"""The options of `train`: what they do to a run, what is recorded, and what is refused."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine

import maasnb as mb
from maasnb.errors import OptionError, UnknownNameError
from maasnb.events import Restored, Stepped, Validated
from maasnb.records.record import read_events, read_summary
from maasnb.schedules import make_schedule
from maasnb.tasks import Task
from maasnb.training import train
from maasnb.training.stopping import EarlyStop, Watch, make_target


@pytest.fixture(scope="module")
def wine():
    return wine_data((0.7, 0.3, 0))


def wine_data(split):
    found = load_wine()
    x = (found.data - found.data.mean(0)) / found.data.std(0)
    return mb.data(x, found.target, split=split, labels=["one", "two", "three"])


def network(backend, data, seed=0):
    outputs = len(data.labels) or data.target_width
    layers = [mb.Dense(16, "relu"), mb.Dense(outputs)]
    return mb.build(layers, backend=backend.name, data=data, seed=seed)


def events_of(run, kind):
    return [event for event in read_events(run.folder) if isinstance(event, kind)]


def test_a_chunk_carries_the_learning_rate_of_its_last_step(backend, wine):
    run = train(network(backend, wine), wine, epochs=3, lr=0.1, schedule="cosine", warmup=4)
    factors = make_schedule("cosine", 4, run.total_steps).factors(0, run.total_steps)
    for event in events_of(run, Stepped):
        assert event.lr == pytest.approx(0.1 * factors[event.step - 1])


def test_every_option_is_recorded_as_json(backend, wine):
    own = lambda step: 0.9**step
    run = train(
        network(backend, wine), wine, epochs=2, batch=8, optimizer="adamw", weight_decay=0.1,
        schedule=own, warmup=0.1, class_weights="balanced", l1=1e-4, l2=1e-4, clip=1.0,
        clip_value=0.5, accumulate=2, precision="bfloat16", freeze=["dense1"],
        stop=mb.EarlyStop("accuracy", 5), target=0.999999, validate_every=3, seed=2,
    )  # fmt: skip
    settings = read_summary(run.folder)["settings"]
    assert settings == json.loads(json.dumps(run.settings))
    assert settings["optimizer"]["weight_decay"] == 0.1
    assert settings["schedule"] == {"kind": "<lambda>", "own": True, "warmup": 2}
    assert settings["stop"] == {"metric": "accuracy", "patience": 5, "min_change": 0.0}
    assert settings["target"] == {"accuracy": 0.999999}
    assert settings["validate_every"] == 3
    assert settings["restore_best"] is True
    assert len(settings["class_weights"]) == 3
    assert all("dense1" in name for name in settings["frozen"])
    assert (settings["l1"], settings["clip"], settings["clip_value"]) == (1e-4, 1.0, 0.5)
    assert (settings["accumulate"], settings["precision"]) == (2, "bfloat16")


@pytest.mark.coverage("C7")
def test_accumulation_makes_a_step_of_several_batches(backend, wine):
    options = {"epochs": 3, "optimizer": "sgd", "lr": 0.1}
    parts = train(network(backend, wine), wine, batch=8, accumulate=4, **options)
    whole = train(network(backend, wine), wine, batch=32, **options)
    assert parts.total_steps == whole.total_steps
    assert_allclose(parts.history.losses, whole.history.losses, atol=1e-5)


@pytest.mark.parametrize(
    ("every", "steps"),
    [("2 epochs", [8, 16, 20]), (3, [3, 6, 9, 12, 15, 18, 20]), ("10 steps", [10, 20])],
)
def test_a_run_validates_as_often_as_it_is_told_and_at_the_end(backend, wine, every, steps):
    run = train(network(backend, wine), wine, epochs=5, validate_every=every)
    assert run.steps_per_epoch == 4
    found = events_of(run, Validated)
    assert [event.step for event in found] == steps
    assert [event.epoch for event in found] == [step // 4 for step in steps]


def test_how_often_a_run_validates_changes_no_bit(backend, wine):
    runs = [train(network(backend, wine), wine, epochs=3, validate_every=every) for every in (1, 5)]
    assert_array_equal(runs[0].history.losses, runs[1].history.losses)


@pytest.mark.coverage("C4")
def test_an_early_stop_ends_the_run_with_its_best_state(backend, wine):
    model = network(backend, wine)
    run = train(model, wine, epochs=500, lr=0.1, stop=mb.EarlyStop(patience=4))
    seen = events_of(run, Validated)
    losses = [event.metrics["loss"] for event in seen]
    best = int(np.argmin(losses))
    assert run.status == "stopped"
    assert run.stop_reason.startswith("early stop: validation loss has not improved on")
    assert len(losses) == best + 5
    (restored,) = events_of(run, Restored)
    assert restored.of_step == seen[best].step
    assert run.metrics == seen[best].metrics
    found = mb.evaluate(run, wine.validation)
    assert found["accuracy"] == pytest.approx(run.metrics["accuracy"])
    p = backend.predict(model, run.task, wine.validation.inputs).astype(np.float64)
    loss = -np.log(p[np.arange(len(p)), wine.validation.targets]).mean()
    assert loss == pytest.approx(losses[best], rel=1e-4)


def test_without_restoring_a_stopped_run_keeps_its_last_state(backend, wine):
    run = train(network(backend, wine), wine, epochs=500, lr=0.1, stop=4, restore_best=False)
    assert run.status == "stopped"
    assert events_of(run, Restored) == []
    assert run.metrics == events_of(run, Validated)[-1].metrics


@pytest.mark.coverage("C4")
def test_a_target_stops_the_run_as_soon_as_it_is_reached(backend, wine):
    run = train(network(backend, wine), wine, epochs=500, lr=0.01, target=0.9, validate_every=1)
    values = [event.metrics["accuracy"] for event in events_of(run, Validated)]
    assert values[-1] >= 0.9 > max(values[:-1])
    assert "target reached: validation accuracy" in run.stop_reason


@pytest.mark.coverage("C10")
def test_a_frozen_layer_stays_as_it_is(backend, wine):
    model = network(backend, wine)
    before = backend.weights(model)
    run = train(model, wine, epochs=2, freeze=["dense1"])
    for name, weight in backend.weights(model).items():
        assert np.array_equal(weight, before[name]) == name.startswith("dense1")
    assert {name.split(".")[0] for name in run.history.measured[0].gradient_norm} == {"dense2"}


@pytest.mark.coverage("B6")
def test_a_class_that_counts_more_is_found_more_often(backend, wine):
    label = wine.labels[1]
    found = []
    for weights in ({label: 0.01}, {label: 50}):
        run = train(network(backend, wine), wine, epochs=5, lr=0.01, class_weights=weights)
        found.append((run.predict(wine.train.x).argmax(1) == 1).mean())
    assert found[0] + 0.2 < found[1]


def test_an_own_optimizer_and_an_own_loss_train(backend, wine):
    import jax
    import optax
    import torch

    if backend.name == "torch":
        optimizer = torch.optim.RAdam
        loss = lambda out, to: torch.nn.functional.cross_entropy(out, to, label_smoothing=0.1)
    else:
        optimizer = optax.radam(1e-2)
        loss = lambda out, to: optax.softmax_cross_entropy(
            out, optax.smooth_labels(jax.nn.one_hot(to, 3), 0.1)
        )
    run = train(network(backend, wine), wine, epochs=30, optimizer=optimizer, loss=loss,
                **({"lr": 1e-2} if backend.name == "torch" else {}))  # fmt: skip
    assert run.metrics["accuracy"] > 0.9
    settings = read_summary(run.folder)["settings"]
    assert settings["optimizer"]["own"] is True
    assert settings["loss"] == "<lambda>"
    assert settings["lr"] == (0.01 if backend.name == "torch" else 1.0)


def test_a_learning_rate_beside_an_object_with_its_own_is_refused(wine):
    import optax

    with pytest.raises(OptionError, match="brings a learning rate of its own.*leave lr= out"):
        train(mb.build([mb.Dense(3)], backend="jax", data=wine), wine,
              optimizer=optax.adam(1e-3), lr=0.1)  # fmt: skip


BAD_OPTIONS = [
    ({"schedule": "cosin"}, UnknownNameError, "no schedule 'cosin'. Did you mean 'cosine'"),
    ({"warmup": -1}, OptionError, "warmup=-1 cannot be used"),
    ({"l1": -0.1}, OptionError, "l1=-0.1 cannot be used; expected 0 or a positive number"),
    ({"l2": float("inf")}, OptionError, "l2=inf cannot be used"),
    ({"weight_decay": "a"}, OptionError, "weight_decay='a' cannot be used"),
    ({"clip": 0}, OptionError, "clip=0 cannot be used; expected a positive number"),
    ({"clip_value": -1}, OptionError, "clip_value=-1 cannot be used"),
    ({"accumulate": 0}, OptionError, "accumulate=0 cannot be used; expected a whole number"),
    ({"precision": "float16"}, UnknownNameError, "no precision 'float16'. Did you mean"),
    ({"freeze": ["dens1"]}, UnknownNameError, "no parameter to freeze 'dens1'.*dense1"),
    ({"freeze": "*"}, OptionError, "leaves no parameter to train"),
    ({"stop": "loss"}, OptionError, "stop='loss' cannot be used; expected mb.EarlyStop"),
    ({"stop": 0}, OptionError, "patience=0 cannot be used"),
    ({"stop": mb.EarlyStop("acuracy")}, UnknownNameError, "no metric 'acuracy'. Did you mean 'acc"),
    ({"target": {"r2": 1}}, UnknownNameError, "no metric 'r2'"),
    ({"target": {"loss": 1, "accuracy": 1}}, OptionError, "expected one metric and its value"),
    ({"validate_every": "often"}, OptionError, "validate_every='often' cannot be used"),
    ({"validate_every": 0}, OptionError, "validate_every=0 cannot be used"),
    ({"class_weights": "equal"}, OptionError, "class_weights='equal' cannot be used"),
    ({"class_weights": {"red": 1}}, UnknownNameError, "no class 'red'"),
    ({"optimizer": 3}, OptionError, "The optimizer is"),
]


@pytest.mark.parametrize(("options", "error", "words"), BAD_OPTIONS)
def test_a_bad_option_is_refused_before_anything_is_written(
    backend, wine, workspace, options, error, words
):
    with pytest.raises(error, match=words):
        train(network(backend, wine), wine, **options)
    assert not list(workspace.glob("runs/*"))


def test_stopping_needs_a_validation_split(backend):
    data = wine_data((0.8, 0, 0.2))
    with pytest.raises(OptionError, match=r"need a validation split.*split=\(0.8, 0.1, 0.1\)"):
        train(network(backend, data), data, stop=3)


def test_class_weights_are_for_classes(backend):
    data = mb.data("diabetes")
    with pytest.raises(OptionError, match="is for classification, but the data is regression"):
        train(network(backend, data), data, class_weights="balanced")


# What ends a run, on made-up validations.


def watch(stop, values, metric="loss", target=None):
    """Return the number of the validation that stops, and of the best one."""
    found, best = Watch(stop, target, restores=True), None
    for number, value in enumerate(values, 1):
        metrics = {"loss": 1.0, metric: value}
        found.saw(Validated(step=number, time=0.0, epoch=number, metrics=metrics))
        best = number if found.is_newest_best else best
        if found.reason:
            return number, best
    return None, best


@pytest.mark.parametrize(
    ("stop", "metric", "values", "found"),
    [
        (EarlyStop(patience=2), "loss", [3, 2, 2.5, 2.1, 1], (4, 2)),
        (EarlyStop(patience=2), "loss", [3, 2, 2, 2], (4, 2)),
        (EarlyStop(patience=3), "loss", [3, 2, 2.5, 1, 2, 2], (None, 4)),
        (EarlyStop(patience=2, min_change=0.5), "loss", [3, 2.8, 2.6, 2], (3, 1)),
        (EarlyStop("accuracy", patience=2), "accuracy", [0.5, 0.6, 0.6, 0.5], (4, 2)),
        (EarlyStop("mae", patience=1), "mae", [2, 1, 1.5], (3, 2)),
        (None, "loss", [3, 2, 2.5], (None, 2)),
    ],
)
def test_an_early_stop_counts_validations_without_an_improvement(stop, metric, values, found):
    assert watch(stop, values, metric) == found


def test_a_target_is_met_from_the_right_side():
    assert watch(None, [3, 2, 1], target=("loss", 2)) == (2, 2)
    assert watch(None, [0.1, 0.5, 0.9], "r2", target=("r2", 0.6))[0] == 3
    task = Task(kind="regression", loss="mse", outputs=1, given="values")
    assert make_target(3, task) == ("mae", 3.0)
    assert make_target({"loss": 0.1}, task) == ("loss", 0.1)
    assert make_target(None, task) is None
