"""`mb.inspect`: the diagnosis and the gradients of a run, and what a model is made of."""

import importlib

import numpy as np
import pytest

from maasnb.building import build
from maasnb.datasets.batches import Batches
from maasnb.errors import DataError, ModelError, UnknownNameError
from maasnb.events import Measured
from maasnb.layers import Dense, Input
from maasnb.records.examples import ExampleLosses
from maasnb.records.history import History
from maasnb.study.inspection import inspect

# The first step of a run, again, by each framework's own means; only the rows are maasnb's.


def first_batch(run):
    batches = Batches(size=len(run.data.train), batch=16, seed=run.settings["seed"])
    rows = batches.rows(0, 1).indices[0]
    return run.data.train.inputs[rows], run.data.train.targets[rows]


def torch_norms(model, x, y, *, regression):
    torch = importlib.import_module("torch")
    functional = torch.nn.functional
    outputs = model(torch.tensor(x))
    if regression:
        loss = functional.mse_loss(outputs, torch.tensor(y))
    else:
        loss = functional.cross_entropy(outputs, torch.tensor(y).long())
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)
    return {name: float(g.norm()) for name, g in zip(names, gradients, strict=True)}


def jax_norms(model, x, y, *, regression):
    jax, jnp = importlib.import_module("jax"), importlib.import_module("jax.numpy")
    names = ("dense1", "dense2")
    weights = {
        name: (getattr(model, name).kernel[...], getattr(model, name).bias[...]) for name in names
    }

    def loss(weights):
        hidden = jnp.tanh(x @ weights["dense1"][0] + weights["dense1"][1])
        outputs = hidden @ weights["dense2"][0] + weights["dense2"][1]
        if regression:
            return jnp.mean((outputs - y) ** 2)
        return -jnp.mean(jax.nn.log_softmax(outputs)[jnp.arange(len(y)), y])

    gradients = jax.grad(loss)(weights)
    return {
        f"{name}.{part}": float(jnp.linalg.norm(gradient))
        for name in names
        for part, gradient in zip(("kernel", "bias"), gradients[name], strict=True)
    }


def expected_norms(run):
    """Return the gradient norms of step 1, from a model built anew with the same seed."""
    regression = run.data.kind == "regression"
    outputs = run.data.target_width if regression else len(run.data.labels)
    fresh = build([Dense(8, "tanh"), Dense(outputs)], backend=run.backend.name, data=run.data)
    by_hand = {"torch": torch_norms, "jax": jax_norms}[run.backend.name]
    return by_hand(fresh, *first_batch(run), regression=regression)


def first_norms(run):
    data = inspect(run, "gradients").data
    assert data["steps"][0] == 1
    return dict(zip(data["names"].tolist(), data["gradient_norm"][0].tolist(), strict=True))


def test_gradient_norms_of_a_classifiers_first_step_are_those_computed_by_hand(classifier):
    assert first_norms(classifier) == pytest.approx(expected_norms(classifier), rel=1e-4)


def test_gradient_norms_of_a_regressions_first_step_are_those_computed_by_hand(regressor):
    assert first_norms(regressor) == pytest.approx(expected_norms(regressor), rel=1e-4)


def test_an_update_of_plain_sgd_is_the_learning_rate_times_the_gradient(trained, classifier):
    run = trained(classifier.data, optimizer="sgd", lr=0.5)
    fresh = build([Dense(8, "tanh"), Dense(3)], backend=run.backend.name, data=run.data)
    weights = run.backend.weights(fresh)
    data = inspect(run, "gradients").data
    for column, name in enumerate(data["names"]):
        norm = np.linalg.norm(weights[name])
        expected = 0.5 * data["gradient_norm"][0, column] / norm if norm else np.inf
        assert data["update_ratio"][0, column] == pytest.approx(expected, rel=1e-4)


def test_the_report_has_a_row_a_parameter_in_the_models_order(classifier):
    report = inspect(classifier, "gradients")
    names = [info.name for info in classifier.backend.parameters(classifier.model)]
    assert [row[0] for row in report.rows] == report.data["names"].tolist() == names
    assert report.columns == ("parameter", "norm, step 1", "norm, step 10", "update / weight")


def test_the_first_and_the_last_step_are_measured(classifier):
    data = inspect(classifier, "gradients").data
    assert (data["steps"][0], data["steps"][-1]) == (1, classifier.total_steps)
    assert data["gradient_norm"].shape == data["update_ratio"].shape
    assert data["gradient_norm"].shape == (len(data["steps"]), 4)


def test_a_number_is_the_last_norm_of_a_parameter(classifier):
    report = inspect(classifier, "gradients")
    assert report[report.data["names"][2]] == report.data["gradient_norm"][-1, 2]


# What the numbers mean, in words.


def notes_on(run, monkeypatch, gradient_norm, update_ratio):
    event = Measured(step=1, time=0.0, gradient_norm=gradient_norm, update_ratio=update_ratio)
    monkeypatch.setattr(run.history, "measured", [event])
    return list(inspect(run, "gradients").notes)


@pytest.mark.parametrize(
    ("norms", "ratios", "words"),
    [
        (
            {"a": 1.0, "b": 1.0},
            {"a": 1e-3, "b": 5e-4},
            ["All updates are between 0.0001 and 0.01 "],
        ),
        ({"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 1e-3}, ["No gradient reaches a: look for a dead"]),
        ({"a": 1.0, "b": 1.0}, {"a": 1e-6, "b": 1e-3}, ["Updates of a are below 0.0001 of the"]),
        ({"a": 1.0, "b": 1.0}, {"a": 1e-3, "b": 0.5}, ["Updates of b are above 0.01 of the wei"]),
        ({"a": 1.0, "b": 1.0}, {"a": 1e-3, "b": np.inf}, ["All updates are between"]),
        (
            {"a": np.nan, "b": 1.0},
            {"a": np.nan, "b": 1e-3},
            ["The gradient of a is not finite: try"],
        ),
        ({"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 0.5}, ["No gradient reaches a", "Updates of b are"]),
    ],
    ids=["healthy", "dead", "slow", "fast", "from zero", "not finite", "two at once"],
)
def test_words_say_what_the_last_step_shows(classifier, monkeypatch, norms, ratios, words):
    notes = notes_on(classifier, monkeypatch, norms, ratios)
    assert len(notes) == len(words)
    for note, beginning in zip(notes, words, strict=True):
        assert note.startswith(beginning)


@pytest.mark.parametrize("what", [None, "gradients", "examples"])
def test_a_run_that_has_taken_no_step_asks_for_patience(classifier, monkeypatch, what):
    empty = History()
    empty.examples = ExampleLosses(len(classifier.data.train))
    monkeypatch.setattr(classifier, "history", empty)
    with pytest.raises(DataError, match="no (step|example) yet; wait a moment"):
        inspect(classifier, what)


# The diagnosis as a report.


def test_a_healthy_run_is_told_part_by_part(classifier):
    report = inspect(classifier)
    assert report.title == f"The run {classifier.name!r}: healthy"
    assert [row[:2] for row in report.rows] == [
        ("ok", part) for part in ("loss", "gradients", "updates", "activations", "data")
    ]
    assert list(report.notes) == ["Nothing was found that holds the run back."]
    assert (report.findings, report.values) == ((), {})


def test_a_finding_stands_in_the_table_with_its_remedy_below(classifier, monkeypatch):
    norms = dict.fromkeys(inspect(classifier, "gradients").values, 1e6)
    event = Measured(step=10, time=0.0, gradient_norm=norms, update_ratio=dict(norms))
    monkeypatch.setattr(classifier.history, "measured", [event])
    report = inspect(classifier, "diagnosis")
    first = report.findings[0]
    assert report.title == f"The run {classifier.name!r}: {len(report.findings)} findings"
    assert report.rows[0] == ("bad", "exploding gradient", ", ".join(first.where), first.evidence)
    assert report.notes[0] == f"{first.words} {first.remedy}"
    assert report["exploding_gradient"] == 1
    assert str(report).splitlines()[1].split() == ["what", "where", "evidence"]


def test_what_the_picture_shows_is_in_the_report(classifier):
    data, history = inspect(classifier).data, classifier.history
    np.testing.assert_array_equal(data["loss"], history.losses)
    assert data["validated_loss"].tolist() == [e.metrics["loss"] for e in history.validated]
    assert data["activations"].tolist() == ["dense1.tanh"]
    assert data["gradient_norm"].shape == (len(data["steps"]), 2)  # the two matrices


def test_an_unknown_report_gets_the_nearest_name(classifier):
    with pytest.raises(UnknownNameError, match="no report 'gradient'. Did you mean 'gradients'"):
        inspect(classifier, "gradient")


def test_gradients_of_a_model_alone_are_refused(backend):
    model = build([Input(4), Dense(1)], backend=backend.name)
    with pytest.raises(DataError, match=r"by itself has no gradients.* Type: mb.inspect\(run\)"):
        inspect(model, "gradients")


@pytest.mark.parametrize("what", [None, "summary", "gradients"])
def test_what_is_neither_a_run_nor_a_model_is_refused(what):
    with pytest.raises(ModelError, match="list object .* is not a model; expected a torch.nn"):
        inspect([1, 2, 3], what)
