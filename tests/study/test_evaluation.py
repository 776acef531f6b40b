"""`mb.evaluate`: the numbers are those of scikit-learn for what the run predicts."""

import dataclasses
import sys

import numpy as np
import pytest
from sklearn import metrics

from maasnb.datasets.loading import data
from maasnb.errors import DataError, MissingPackageError
from maasnb.layers import Dense
from maasnb.study.evaluation import evaluate


def classes(rows=90, seed=1, **options):
    random = np.random.default_rng(seed)
    x = random.normal(5, 3, size=(rows, 4))
    y = np.digitize(x[:, 0] + random.normal(size=rows), [3, 7])
    return data(x, y, **{"labels": ["low", "middle", "high"], **options})


def found_and_true(run, split):
    return run.predict(split.x).argmax(axis=1), split.y


def test_accuracy_is_that_of_scikit_learn(classifier):
    found, true = found_and_true(classifier, classifier.data.test)
    assert evaluate(classifier)["accuracy"] == pytest.approx(metrics.accuracy_score(true, found))


@pytest.mark.coverage("D1")
@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    ],
)
def test_scores_are_the_means_over_the_classes(classifier, name, score):
    found, true = found_and_true(classifier, classifier.data.train)
    expected = score(true, found, average="macro", labels=[0, 1, 2], zero_division=0)
    assert evaluate(classifier, classifier.data.train)[name] == pytest.approx(expected)


@pytest.mark.coverage("D1")
def test_the_confusion_matrix_counts_every_example_of_every_class(classifier):
    report = evaluate(classifier)
    found, true = found_and_true(classifier, classifier.data.test)
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (true, found), 1)
    np.testing.assert_array_equal(report.data["confusion"], counts)
    assert report.data["labels"].tolist() == ["low", "middle", "high"]


def test_the_table_has_a_row_a_class_and_one_of_means(classifier):
    report = evaluate(classifier)
    assert [row[0] for row in report.rows] == ["low", "middle", "high", "mean"]
    assert report.columns == ("class", "precision", "recall", "F1", "examples")
    assert sum(int(row[-1]) for row in report.rows[:-1]) == int(report.rows[-1][-1]) == 9


def test_the_title_names_the_run_the_examples_and_the_accuracy(classifier):
    report = evaluate(classifier)
    accuracy = f"{report['accuracy']:.2f}"
    assert report.title == f"The run {classifier.name!r} on 9 examples: accuracy {accuracy}"


def test_the_validation_split_gives_the_accuracy_that_training_reported(classifier):
    report = evaluate(classifier, classifier.data.validation)
    assert report["accuracy"] == pytest.approx(classifier.metrics["accuracy"])


def test_of_other_data_the_test_split_is_judged(classifier):
    other = classes()
    found, true = found_and_true(classifier, other.test)
    assert evaluate(classifier, other)["accuracy"] == pytest.approx(np.mean(found == true))


def test_two_classes_may_have_one_output(trained):
    x = np.random.default_rng(0).normal(size=(60, 4))
    run = trained(data(x, x[:, 0] > 0), Dense(1))
    probabilities = run.predict(run.data.test.x)
    assert probabilities.shape == (6, 1)
    expected = metrics.accuracy_score(run.data.test.y, probabilities[:, 0] > 0.5)
    assert evaluate(run)["accuracy"] == pytest.approx(expected)


@pytest.mark.coverage("D1")
@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("mae", metrics.mean_absolute_error),
        ("mse", metrics.mean_squared_error),
        ("rmse", metrics.root_mean_squared_error),
        ("r2", metrics.r2_score),
    ],
)
def test_errors_of_a_regression_are_in_the_targets_own_unit(regressor, name, score):
    split = regressor.data.train
    if name == "rmse":  # over all targets together, not the mean of each one's
        expected = metrics.root_mean_squared_error(
            split.y.ravel(), regressor.predict(split.x).ravel()
        )
    else:
        expected = score(split.y, regressor.predict(split.x))
    assert evaluate(regressor, split)[name] == pytest.approx(expected)


def test_the_validation_split_gives_the_errors_that_training_reported(regressor):
    report = evaluate(regressor, regressor.data.validation)
    for name in ("mae", "r2"):
        assert report[name] == pytest.approx(regressor.metrics[name], rel=1e-5)


def test_a_regressions_report_holds_targets_and_outputs_to_draw(regressor):
    report, split = evaluate(regressor), regressor.data.test
    np.testing.assert_array_equal(report.data["targets"], split.y)
    np.testing.assert_array_equal(report.data["outputs"], regressor.predict(split.x))
    assert [row[0] for row in report.rows] == ["mae", "mse", "rmse", "r2"]


def test_one_example_has_errors_but_no_r2(regressor):
    x = np.zeros((3, 4))
    one = data(x, x[:, :2], split=(1 / 3, 1 / 3, 1 / 3))
    report = evaluate(regressor, one)
    assert np.isnan(report["r2"])
    assert report["mae"] == pytest.approx(np.abs(regressor.predict(one.test.x)).mean())


def test_an_empty_test_split_is_refused(classifier):
    with pytest.raises(DataError, match="test split is empty.*mb.evaluate.run, data.validation"):
        evaluate(classifier, classes(split=(1, 0, 0)))


def test_what_is_no_run_is_refused(classifier):
    with pytest.raises(DataError, match=r"Expected a run, got a Data. Type: mb.evaluate\(run\)"):
        evaluate(classifier.data)


def test_arrays_are_refused(classifier):
    with pytest.raises(DataError, match="is a ndarray; expected a split such as data.test"):
        evaluate(classifier, classifier.data.test.x)


def test_data_of_other_classes_is_refused(classifier):
    other = classes(labels=["small", "medium", "large"])
    message = "has the classes small, medium, large; the run was trained on low, middle, high"
    with pytest.raises(DataError, match=message):
        evaluate(classifier, other)


def test_data_of_another_kind_is_refused(classifier, regressor):
    with pytest.raises(DataError, match="for regression, but the run was trained for classif"):
        evaluate(classifier, regressor.data)
    with pytest.raises(DataError, match="for classification, but the run was trained for regr"):
        evaluate(regressor, classifier.data)


def test_a_split_of_another_kind_is_refused(classifier, regressor):
    with pytest.raises(DataError, match="trained for classification with 3 classes. Type:"):
        evaluate(classifier, regressor.data.test)
    with pytest.raises(DataError, match="trained for regression with 2 values an example. Type:"):
        evaluate(regressor, classifier.data.test)


def test_a_split_with_more_classes_is_refused(classifier):
    x = np.zeros((20, 4))
    with pytest.raises(DataError, match="trained for classification with 3 classes"):
        evaluate(classifier, data(x, np.arange(20) % 4, split=(1, 0, 0)).train)


def test_a_split_with_other_columns_is_refused(classifier):
    other = data(np.zeros((20, 5)), np.arange(20) % 2)
    with pytest.raises(DataError, match=r"x has shape \(2, 5\); expected \[n, 4\]"):
        evaluate(classifier, other.test)


def test_without_scikit_learn_the_pip_command_is_named(classifier, regressor, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for run in (classifier, regressor):
        with pytest.raises(MissingPackageError, match=r"Evaluating needs .*%pip install 'maasnb"):
            evaluate(run)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("precision_weighted", metrics.precision_score),
        ("recall_weighted", metrics.recall_score),
        ("f1_weighted", metrics.f1_score),
    ],
)
def test_weighted_scores_count_the_examples_of_each_class(classifier, name, score):
    found, true = found_and_true(classifier, classifier.data.train)
    expected = score(true, found, average="weighted", labels=[0, 1, 2], zero_division=0)
    assert evaluate(classifier, classifier.data.train)[name] == pytest.approx(expected)


def test_the_log_loss_is_the_mean_surprise_at_the_true_class(classifier):
    split = classifier.data.train
    surprise = -np.log(classifier.predict(split.x)[np.arange(len(split)), split.y])
    expected = pytest.approx(surprise.mean(), rel=1e-5)
    assert evaluate(classifier, split)["log_loss"] == expected


def ranked_right(scores, true):
    """The part of the pairs of one true and one other example whose scores are in order."""
    pairs = scores[true][:, None] - scores[~true][None, :]
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def test_the_area_under_the_roc_curve_is_the_part_of_pairs_in_order(classifier):
    split = classifier.data.train
    probabilities = classifier.predict(split.x)
    areas = [ranked_right(probabilities[:, n], split.y == n) for n in range(3)]
    report = evaluate(classifier, split)
    assert report["roc_auc"] == pytest.approx(np.mean(areas))
    assert report.data["roc"].shape == (3, len(report.data["roc_rates"]))
    drawn = np.trapezoid(report.data["roc"], report.data["roc_rates"], axis=1)
    np.testing.assert_allclose(drawn, areas, atol=0.01)


def test_of_two_classes_the_second_has_the_curve(trained):
    x = np.random.default_rng(0).normal(size=(60, 4))
    run = trained(data(x, x[:, 0] > 0), Dense(1))
    split = run.data.train
    report = evaluate(run, split)
    area = ranked_right(run.predict(split.x)[:, 0], split.y == 1)
    assert report["roc_auc"] == pytest.approx(area)
    assert len(report.data["roc"]) == 1


def test_where_a_class_has_no_example_there_is_no_roc_curve(classifier):
    split = classifier.data.train
    report = evaluate(classifier, dataclasses.replace(split, **part_of(split, split.y != 0)))
    assert "roc_auc" not in report.values
    assert "roc" not in report.data


def part_of(split, rows):
    arrays = {field.name: getattr(split, field.name) for field in dataclasses.fields(split)}
    return {
        name: array[rows] if isinstance(array, np.ndarray) and len(array) == len(rows) else array
        for name, array in arrays.items()
    }


def test_a_class_at_each_position_has_perplexity_and_bits(trained):
    x = np.random.default_rng(0).normal(size=(40, 5, 4))
    run = trained(data(x, x[..., :3].argmax(axis=-1), labels=["a", "b", "c"]))
    split, report = run.data.test, evaluate(run)
    chosen = np.take_along_axis(run.predict(split.x), split.y[..., None], axis=-1)
    assert report["perplexity"] == pytest.approx(np.exp(-np.log(chosen).mean()), rel=1e-5)
    assert report["bits"] == pytest.approx(-np.log2(chosen).mean(), rel=1e-5)
    assert report.data["confusion"].sum() == split.y.size
