"""Metrics against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score

from maasnb.metrics import accuracy, classes_of, mae, measure, r2
from maasnb.tasks import Task

CLASSES = Task(kind="classification", loss="cross_entropy", outputs=3, given="logits")
VALUES = Task(kind="regression", loss="mse", outputs=2, given="values")


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_is_scikit_learns(seed):
    random = np.random.default_rng(seed)
    outputs, targets = random.dirichlet(np.ones(3), 50), random.integers(0, 3, 50)
    assert accuracy(outputs, targets) == accuracy_score(targets, outputs.argmax(axis=1))


def test_one_output_is_the_probability_of_the_second_class():
    outputs = np.array([[0.2], [0.5], [0.51]])
    assert classes_of(outputs).tolist() == [0, 0, 1]
    assert accuracy(outputs, np.array([0, 1, 1])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_errors_of_values_are_scikit_learns(seed, columns):
    random = np.random.default_rng(seed)
    targets = random.normal(size=(40, columns)) * np.array([1.0, 100.0])[:columns]
    outputs = targets + random.normal(size=targets.shape)
    assert mae(outputs, targets) == pytest.approx(mean_absolute_error(targets, outputs))
    assert r2(outputs, targets) == pytest.approx(r2_score(targets, outputs))


@pytest.mark.parametrize("missed", [0.0, 1.0])
def test_a_constant_target_is_judged_as_scikit_learn_does(missed):
    targets = np.array([[1.0, 3.0], [2.0, 3.0], [4.0, 3.0]])
    outputs = targets + np.array([0.5, missed])
    assert r2(outputs, targets) == pytest.approx(r2_score(targets, outputs))


def test_a_task_is_measured_by_its_own_metrics():
    outputs = np.array([[0.9, 0.1, 0.0], [0.1, 0.2, 0.7]])
    assert measure(CLASSES, outputs, np.array([0, 1])) == {"accuracy": 0.5}
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert measure(VALUES, values, values) == {"mae": 0.0, "r2": 1.0}


def test_a_metric_is_a_plain_number():
    values = np.array([[1.0], [2.0]], dtype=np.float32)
    assert {type(mae(values, values)), type(r2(values, values))} == {float}
