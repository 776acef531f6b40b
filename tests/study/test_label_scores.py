"""Models that give any number of labels: trained, judged as scikit-learn does, and served."""

import numpy as np
import pytest
from sklearn import metrics

import maasnb as mb
from maasnb.errors import OptionError, ShapeError
from maasnb.metrics import f1, f1_micro
from maasnb.panels.evaluations import evaluation_figure
from maasnb.serve.embedded import stop_server

NAMES = ("up", "right", "far", "odd")


def places(rows=400):
    """Return points with the labels that are true of them; `odd` cannot be learnt."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 2))
    y = np.stack([x[:, 1] > 0, x[:, 0] > 0, (x**2).sum(axis=1) > 2, np.arange(rows) % 9 == 0])
    return mb.data(x, y.T, kind="multilabel", labels=list(NAMES), name="places")


def network(backend, data, last=None):
    layers = [mb.Dense(16, "relu"), mb.Dense(4, last) if last else mb.Dense(4)]
    return mb.build(layers, backend=backend.name, data=data)


@pytest.fixture
def run(backend):
    data = places()
    return mb.train(network(backend, data), data, epochs=20, lr=0.01, name="places")


def test_the_loss_is_the_mean_cross_entropy_of_the_labels(backend):
    data = places()
    model = network(backend, data)
    run = mb.train(model, data, epochs=1, steps=1, batch=len(data.train), lr=1e-12)
    said = run.predict(data.train.x).astype(np.float64)
    y = data.train.y
    by_hand = -(y * np.log(said) + (1 - y) * np.log1p(-said)).mean()
    assert run.history.losses[0] == pytest.approx(by_hand, rel=1e-4)


def test_a_model_that_ends_with_a_sigmoid_learns_the_same(backend):
    data = places()
    one, other = network(backend, data), network(backend, data, "sigmoid")
    logits, ended = (mb.train(each, data, epochs=3) for each in (one, other))
    assert ended.task.given == "probabilities"
    np.testing.assert_allclose(ended.history.losses, logits.history.losses, rtol=1e-4)


@pytest.mark.coverage("D1")
def test_the_numbers_are_those_of_scikit_learn(run):
    report = mb.evaluate(run)
    test = run.data.test
    outputs = run.predict(test.x)
    found = outputs > 0.5
    options = {"zero_division": 0}
    expected = {
        "f1": metrics.f1_score(test.y, found, average="macro", **options),
        "f1_micro": metrics.f1_score(test.y, found, average="micro", **options),
        "f1_weighted": metrics.f1_score(test.y, found, average="weighted", **options),
        "precision": metrics.precision_score(test.y, found, average="macro", **options),
        "recall_micro": metrics.recall_score(test.y, found, average="micro", **options),
        "exact_match": metrics.accuracy_score(test.y, found),
        "hamming_loss": metrics.hamming_loss(test.y, found),
        "roc_auc": metrics.roc_auc_score(test.y, outputs),
    }
    assert {name: report[name] for name in expected} == pytest.approx(expected)
    assert report["f1"] > 0.6
    assert [row[0] for row in report.rows] == [*NAMES, "mean", "all together"]


def test_the_validation_says_what_scikit_learn_says(run):
    held = run.data.validation
    outputs, last = run.predict(held.x), run.history.validated[-1].metrics
    for average, name in (("macro", "f1"), ("micro", "f1_micro")):
        expected = metrics.f1_score(held.y, outputs > 0.5, average=average, zero_division=0)
        assert last[name] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_f1_of_any_labels_is_that_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    outputs, y = random.random((30, 5)), random.integers(0, 2, (30, 5)) * (np.arange(5) > 0)
    options = {"zero_division": 0}
    macro = metrics.f1_score(y, outputs > 0.5, average="macro", **options)
    micro = metrics.f1_score(y, outputs > 0.5, average="micro", **options)
    assert (f1(outputs, y), f1_micro(outputs, y)) == pytest.approx((macro, micro))


def test_a_run_stops_at_a_target_of_its_metric(backend):
    data = places()
    run = mb.train(network(backend, data), data, epochs=60, lr=0.01, target=0.5)
    assert run.status == "stopped"
    assert run.history.validated[-1].metrics["f1"] >= 0.5


def test_hard_examples_are_told_by_their_labels(run):
    report = mb.inspect(run, "examples")
    row = int(report.rows[0][1])
    names = [name for name, has in zip(NAMES, run.data.train.y[row], strict=True) if has]
    assert report.rows[0][2] == (", ".join(names) or "none")


def test_the_diagnosis_knows_the_loss_of_always_the_same_answer(run):
    share = run.data.train.y.mean(axis=0)
    by_hand = -(share * np.log(share) + (1 - share) * np.log(1 - share)).mean()
    assert mb.inspect(run).data["chance"] == pytest.approx([by_hand])


def test_the_picture_has_each_label_and_its_curve(run):
    figure = evaluation_figure(mb.evaluate(run))
    assert figure.axes[0].get_title(loc="left") == "each label"
    assert len(figure.axes[0].patches) == 3 * 4
    assert [line.get_label() for line in figure.axes[1].lines[:4]] == list(NAMES)


def test_a_served_model_answers_and_names_labels_as_the_notebook_does(run, workspace, tmp_path):
    x = np.random.default_rng(1).normal(size=(1000, 2))
    expected = [
        tuple(name for name, p in zip(NAMES, row, strict=True) if p > 0.5) for row in run.predict(x)
    ]
    try:
        endpoint = mb.publish(run, "places")
        np.testing.assert_allclose(endpoint.predict(x), run.predict(x), atol=1e-6)
        assert endpoint.classify(x).tolist() == expected
    finally:
        stop_server(workspace)
    assert mb.save(run, tmp_path / "places").classify(x).tolist() == expected


def test_a_model_of_another_width_is_refused(backend):
    data = places()
    model = mb.build([mb.Dense(3)], backend=backend.name, data=data)
    with pytest.raises(ShapeError, match=r"the data has 4 labels. End the model with Dense\(4\)"):
        mb.train(model, data)


def test_a_loss_for_one_class_is_refused(backend):
    data = places()
    with pytest.raises(OptionError, match="Use binary_cross_entropy or model"):
        mb.train(network(backend, data), data, loss="cross_entropy")


def test_class_weights_are_refused(backend):
    data = places()
    with pytest.raises(OptionError, match="class_weights= is for classification"):
        mb.train(network(backend, data), data, class_weights="balanced")
