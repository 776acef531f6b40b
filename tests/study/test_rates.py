"""`find_lr`: the learning rate that it finds learns, and the model is left as it was."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import maasnb as mb
from maasnb.errors import DataError, OptionError
from maasnb.panels.pictures import report_png
from maasnb.training import train


@pytest.fixture(scope="module")
def digits():
    return mb.data("digits")


def network(backend, data):
    layers = [mb.Dense(32, "relu"), mb.Dropout(0.1), mb.Dense(10)]
    return mb.build(layers, backend=backend.name, data=data)


def test_the_model_is_left_as_it_was(backend, digits, workspace):
    model = network(backend, digits)
    before = backend.weights(model)
    mb.find_lr(model, digits)
    for name, weight in backend.weights(model).items():
        assert_array_equal(weight, before[name])
    assert not workspace.exists()  # it is no run
    assert train(model, digits, epochs=1).status == "finished"


@pytest.mark.coverage("C3")
def test_the_learning_rate_that_is_found_learns_better_than_far_smaller_and_larger_ones(
    backend, digits
):
    found = mb.find_lr(network(backend, digits), digits, optimizer="sgd")["lr"]
    finals = []
    for lr in (found / 1000, found, found * 1000):
        try:
            run = train(network(backend, digits), digits, optimizer="sgd", lr=lr, epochs=3)
            finals.append(run.metrics["loss"])
        except mb.MaasError:  # it diverged
            finals.append(np.inf)
    assert finals[1] < finals[0] / 2
    assert finals[1] < finals[2] / 2


def test_its_steps_are_those_of_sgd_with_growing_learning_rates(backend):
    x = np.random.default_rng(0).normal(size=(40, 3))
    data = mb.data(x, x @ [1.0, 2.0, -1.0], split=(1, 0, 0), prep=[], kind="regression")
    model = mb.build([mb.Dense(1)], backend=backend.name, data=data)
    weights = sorted(backend.weights(model).values(), key=np.ndim)
    w, b = weights[1].reshape(3).astype(np.float64), float(weights[0][0])
    report = mb.find_lr(model, data, optimizer="sgd", batch=40, low=1e-4, high=0.2, steps=30)
    inputs, targets = data.train.inputs.astype(np.float64), data.train.targets[:, 0]
    expected = []
    for lr in np.geomspace(1e-4, 0.2, 30):
        gap = inputs @ w + b - targets
        expected.append((gap**2).mean())
        w, b = w - lr * 2 * inputs.T @ gap / 40, b - lr * 2 * gap.mean()
    assert_allclose(report.data["loss"], expected, rtol=1e-4)
    assert "still falling at the end" in report.notes[1]


def test_the_report_has_a_picture_and_says_what_to_type(backend, digits):
    report = mb.find_lr(network(backend, digits), digits)
    assert report.kind == "find_lr"
    assert f"Try lr={report['lr']:g}" in str(report)
    assert report_png(report).startswith(b"\x89PNG")
    assert np.isfinite(report.data["loss"]).all()


def test_the_same_seed_gives_the_same_report(backend, digits):
    model = network(backend, digits)
    assert str(mb.find_lr(model, digits)) == str(mb.find_lr(model, digits))


REFUSED = [
    ({"low": 1, "high": 0.1}, "low=1 and high=0.1 cannot be used"),
    ({"steps": 1}, "steps=1 cannot be used; expected at least 2"),
    ({"batch": 0}, "batch=0 cannot be used"),
    ({"optimizer": lambda p: None}, "brings a learning rate of its own; find_lr needs a name"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_a_bad_option_is_refused(backend, digits, options, words):
    with pytest.raises(OptionError, match=words):
        mb.find_lr(network(backend, digits), digits, **options)


def test_data_that_is_no_data_is_refused(backend, digits):
    with pytest.raises(DataError, match=r"expected what mb\.data returns"):
        mb.find_lr(network(backend, digits), digits.train.x)
