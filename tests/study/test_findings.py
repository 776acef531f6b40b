"""Every illness is found in a run that was built to have it, and nothing in a healthy one."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from maasnb.building import build
from maasnb.datasets.loading import data
from maasnb.events import Measured, Stepped, Validated
from maasnb.layers import Dense, Dropout
from maasnb.study.evidence import Evidence
from maasnb.study.findings import ILLNESSES, findings
from maasnb.study.reports import FINDINGS
from maasnb.training import train
from tests.study.patients import PATIENTS, blobs, patient

EFFECTS = {  # what an illness brings with it
    "vanishing_gradient": {"chance_level"},
    "lr_too_high": {"dead_relu"},
}


def found(run):
    return {finding.kind: finding for finding in findings(run)}


def test_every_illness_has_a_patient():
    assert set(PATIENTS) - {""} == set(ILLNESSES) == set(FINDINGS)


@pytest.mark.parametrize("illness", sorted(ILLNESSES))
def test_an_illness_is_found_and_no_other(framework, illness):
    kinds = set(found(patient(framework, illness)))
    assert illness in kinds
    assert kinds - EFFECTS.get(illness, set()) == {illness}


def test_nothing_is_found_in_a_healthy_run(framework):
    assert findings(patient(framework)) == ()


@pytest.mark.parametrize(
    ("source", "layers", "options"),
    [
        ("digits", (Dense(32, "relu"), Dropout(0.1), Dense(10)), {"epochs": 4}),
        ("diabetes", (Dense(16, "tanh"), Dense(1)), {"epochs": 6, "lr": 0.01}),
        ("breast_cancer", (Dense(8, "sigmoid"), Dense(1)), {"epochs": 6, "lr": 0.01}),
        ("digits", (Dense(32, "silu"), Dense(10)), {"epochs": 1}),
        ("digits", (Dense(32, "relu"), Dense(10)), {"epochs": 2, "optimizer": "sgd", "lr": 0.1}),
    ],
    ids=["digits", "diabetes", "breast cancer", "one epoch", "digits by sgd"],
)
def test_ordinary_trainings_are_healthy(framework, source, layers, options):
    made = data(source)
    assert findings(train(build(layers, backend=framework, data=made), made, **options)) == ()


WHERE = {
    "dead_relu": ("dense1",),
    "diverged": ("dense1",),
    "exploding_gradient": ("dense1",),
    "no_gradient": ("lost",),
    "saturated": ("dense1",),
    "unbalanced_classes": ("2",),
}


@pytest.mark.parametrize("illness", sorted(WHERE))
def test_a_finding_says_where(framework, illness):
    assert found(patient(framework, illness))[illness].where == WHERE[illness]


def test_the_layers_with_a_vanished_gradient_are_the_first_ones(framework):
    where = found(patient(framework, "vanishing_gradient"))["vanishing_gradient"].where
    assert where[0] == "dense1"
    assert where == tuple(f"dense{number + 1}" for number in range(len(where)))
    assert 2 < len(where) < 9


EVIDENCE = {
    "dead_relu": r"\d\d% of the units of dense1.relu are 0 for a whole batch, steps? (\d+ to )?75",
    "saturated": r"\d\d% of the values of dense1.tanh are at the ends of its range, steps? \d",
    "no_gradient": r"gradient norm 0 at steps? (\d+ to )?75",
    "vanishing_gradient": r"gradient norm \S+e-0\d in dense1, 0.\d+ in dense9, steps? (\d+ to )?75",
    "exploding_gradient": r"gradient norm \d+ at step \d+, \d+ of it in dense1.(weight|kernel)",
    "lr_too_high": r"update / weight .*; loss .*; the largest update / weight was \d+",
    "lr_too_low": r"update / weight \S+e-06 \(healthy: 0.0001 to 0.01\), steps? \d+.*; loss 1",
    "unbalanced_classes": "7 training examples of 2, 200 of 0",
    "mislabelled": r"rows \d+, \d+.* of data.train; mean loss \d.*, where half of all examples",
    "chance_level": r"loss 1.1 after 75 steps; always the same answer gives 1.1 \(ln 3 = 1.1\)",
    "overfitting": r"validation loss 1.\d at step \d+, \d\S* at the end; training loss 0.\d+",
    "underfitting": r"training loss \S+, 0.\d+ of that of always giving the same answer",
    "diverged": r"after step \d+; the first gradient that was not finite is that of dense1",
}


@pytest.mark.parametrize("illness", sorted(ILLNESSES))
def test_the_evidence_is_in_numbers(framework, illness):
    finding = found(patient(framework, illness))[illness]
    assert re.search(EVIDENCE[illness], finding.evidence)
    assert finding.words.endswith(".")
    assert finding.severity in ("bad", "warn", "hint")
    assert re.search("Type: |Take |type: |First mend|Give the", finding.remedy)


# What a remedy says is what helps.


def typed(finding):
    """Return the learning rate that a remedy says to type."""
    return float(re.search(r"mb.train\(net, data, lr=([\d.e-]+)\)", finding.remedy)[1])


@pytest.mark.parametrize("illness", ["lr_too_high", "lr_too_low"])
def test_with_the_learning_rate_of_the_remedy_the_run_is_healthy(framework, illness):
    rate = typed(found(patient(framework, illness))[illness])
    made = data(*blobs(), split=(2 / 3, 1 / 6, 1 / 6))
    net = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made)
    assert not found(train(net, made, lr=rate, epochs=5, batch=16)).keys() & {
        "lr_too_high",
        "lr_too_low",
    }


def test_class_weights_end_the_complaint_about_unbalanced_classes(framework):
    made = data(*blobs((300, 50, 10)), split=(2 / 3, 1 / 6, 1 / 6))
    net = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made)
    run = train(net, made, lr=0.01, epochs=2, batch=16, class_weights="balanced")
    assert "unbalanced_classes" not in found(run)


def test_a_layer_that_is_frozen_is_not_missed_by_the_gradient(framework):
    made = data(*blobs(), split=(2 / 3, 1 / 6, 1 / 6))
    net = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made)
    run = train(net, made, lr=0.01, epochs=2, batch=16, freeze=["dense1"])
    assert "no_gradient" not in found(run)


@pytest.mark.coverage("C9", backends=["torch", "jax"])
def test_the_best_state_restored_ends_the_complaint_about_overfitting(framework):
    run = patient(framework, "overfitting")
    net = build((Dense(64, "relu"), Dense(3)), backend=framework, data=run.data)
    again = train(net, run.data, epochs=60, batch=16, lr=0.01, restore_best=True)
    assert "overfitting" not in found(again)


def test_inputs_that_are_far_from_one_are_to_be_scaled(framework):
    x, y = blobs()
    made = data(x * 1000, y, split=(2 / 3, 1 / 6, 1 / 6))
    net = build((Dense(16, "tanh"), Dense(3)), backend=framework, data=made)
    finding = found(train(net, made, epochs=3, batch=16))["saturated"]
    assert "Type: mb.data(x, y, prep=[mb.standardize()])" in finding.remedy


# While a run trains.


def test_a_running_run_is_diagnosed_without_its_model_at_work(framework, monkeypatch):
    made = data(*blobs(), split=(2 / 3, 1 / 6, 1 / 6))
    net, seen = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made), []

    def look(event, run):
        monkeypatch.setattr(run, "predict", None)
        if isinstance(event, Stepped | Validated):
            seen.append({finding.kind: finding.remedy for finding in findings(run)})

    run = train(net, made, epochs=4, batch=16, lr=1e-6, on_event=look)
    assert run.status == "finished"
    assert len(seen) > 4
    assert "Type: run.set(lr=0." in seen[-1]["lr_too_low"]


def test_a_rate_that_was_set_by_hand_is_the_one_that_the_remedy_starts_from(framework):
    made = data(*blobs(), split=(2 / 3, 1 / 6, 1 / 6))
    net = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made)

    def lower(event, run):
        if event.step == 1 and isinstance(event, Measured):
            run.set(lr=1e-7)

    run = train(net, made, epochs=4, batch=16, lr=1e-6, on_event=lower)
    assert Evidence.of(run).rate == 1e-7
    assert 1e-6 < typed(found(run)["lr_too_low"]) <= 1e-3


def test_an_optimizer_that_brings_its_own_rate_is_named_in_the_remedy(framework):
    if framework == "torch":
        import torch

        optimizer = lambda parameters: torch.optim.SGD(parameters, lr=1e-7)
    else:
        import optax

        optimizer = optax.sgd(1e-7)
    made = data(*blobs(), split=(2 / 3, 1 / 6, 1 / 6))
    net = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made)
    run = train(net, made, epochs=2, batch=16, optimizer=optimizer)
    assert found(run)["lr_too_low"].remedy == "Give the optimizer ten times its learning rate."


# The loss of always giving the same answer.


def test_chance_is_the_loss_of_scikit_learns_dummy_classifier(framework):
    run = patient(framework, "unbalanced_classes")
    train_split = run.data.train
    dummy = DummyClassifier(strategy="prior").fit(train_split.x, train_split.y)
    expected = log_loss(train_split.y, dummy.predict_proba(train_split.x))
    assert Evidence.of(run).chance == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "strategy", "score"),
    [("mse", "mean", mean_squared_error), ("mae", "median", mean_absolute_error)],
)
def test_chance_of_values_is_the_loss_of_scikit_learns_dummy_regressor(loss, strategy, score):
    made = data("diabetes")
    run = train(build([Dense(1)], data=made), made, epochs=1, loss=loss)
    y = made.train.targets
    dummy = DummyRegressor(strategy=strategy).fit(made.train.x, y[:, 0])
    assert Evidence.of(run).chance == pytest.approx(score(y[:, 0], dummy.predict(made.train.x)))


@pytest.mark.parametrize(
    "options",
    [
        {"loss": lambda out, to: (out**2).mean(-1) + 0 * to},
        {"class_weights": "balanced"},
    ],
    ids=["own loss", "class weights"],
)
def test_of_a_loss_that_is_not_known_there_is_no_level_of_chance(options):
    made = data(*blobs(), split=(2 / 3, 1 / 6, 1 / 6))
    run = train(build([Dense(3)], data=made), made, epochs=5, batch=16, **options)
    assert Evidence.of(run).chance is None
    assert not {"chance_level", "underfitting"} & found(run).keys()


# Other kinds of data.


def test_a_stream_is_diagnosed_by_what_is_known_of_it(framework):
    x, y = blobs()
    batches = [(x[at : at + 24], y[at : at + 24]) for at in range(0, 360, 24)]
    made = data(lambda: iter(batches), labels=["a", "b", "c"])
    net = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made)
    run = train(net, made, steps=60, lr=0.01)
    assert findings(run) == ()
    assert Evidence.of(run).chance == pytest.approx(np.log(3))


@pytest.mark.parametrize("kind", sorted(FINDINGS))
def test_the_page_on_inspect_tells_every_finding(kind):
    page = (Path(__file__).parents[2] / "docs" / "inspect.md").read_text()
    assert f"| `{kind}` | {FINDINGS[kind]} |" in page
