"""The articles' examples learn in both frameworks what simpler models of scikit-learn learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import maasnb as mb
from benchmarks.sides.articles import ARTICLES

pytestmark = pytest.mark.long


def learnt(name, backend, examples, **options):
    """Return the data of an article's example and a run that was trained on it."""
    article = ARTICLES[name]
    data = article.data(0, examples)
    model = mb.build(article.layers(), backend=backend.name, data=data)
    return data, mb.train(model, data, **{**article.options, **options})


def by_logistic_regression(data, features=lambda x: x):
    """Return the test accuracy of a linear model."""
    linear = LogisticRegression(max_iter=2000).fit(features(data.train.inputs), data.train.targets)
    return linear.score(features(data.test.inputs), data.test.targets)


def words_counted(rows):
    """Return how often each word is in each sentence [n, words]."""
    return np.array([np.bincount(row, minlength=60) for row in rows])


@pytest.mark.coverage("S0", "A6", "A8", "C6")
def test_article_1_an_lstm_learns_what_a_sentence_is_about(backend):
    data, run = learnt("S0", backend, 1500)
    assert run.task.loss == "cross_entropy"
    assert mb.evaluate(run)["accuracy"] >= by_logistic_regression(data, words_counted) - 0.05


@pytest.mark.coverage("S1", "A3", "C6", "E2")
def test_article_2_a_small_classifier_is_saved_loaded_and_asked(backend, tmp_path):
    data, run = learnt("S1", backend, 5000)
    assert run.task.loss == "binary_cross_entropy"
    assert mb.evaluate(run)["accuracy"] > by_logistic_regression(data)
    mb.save(run, tmp_path / "eight")
    again = mb.load(tmp_path / "eight").predict(data.test.x[:20])
    np.testing.assert_allclose(again, run.predict(data.test.x[:20]), atol=1e-5)


@pytest.mark.coverage("S2", "B2", "C2", "C5")
@pytest.mark.parametrize(
    "descent",
    [
        {"optimizer": "sgd", "batch": 256, "lr": 0.5, "epochs": 60, "l1": 0, "l2": 0},
        {"optimizer": "sgd", "lr": 0.05, "l1": 0, "l2": 0},
        {},
    ],
    ids=["whole batches", "mini-batches", "momentum with penalties"],
)
def test_article_3_every_descent_learns_to_tell_tumours_apart(backend, descent):
    data, run = learnt("S2", backend, 569, **descent)
    assert mb.evaluate(run)["accuracy"] >= by_logistic_regression(data) - 0.03


@pytest.mark.coverage("S3", "A6", "C9")
def test_article_4_two_lstms_understand_a_negation_that_counting_words_does_not(backend):
    data, run = learnt("S3", backend, 3000)
    assert len(run.history.validated) == 10
    assert mb.evaluate(run)["accuracy"] > by_logistic_regression(data, words_counted) + 0.15


@pytest.mark.coverage("S4", "A3", "E2")
def test_article_5_three_dense_layers_are_loaded_and_asked(backend, tmp_path):
    data, run = learnt("S4", backend, 5000)
    assert mb.evaluate(run)["accuracy"] > by_logistic_regression(data)
    mb.save(run, tmp_path / "hundred")
    found = mb.load(tmp_path / "hundred").classify(data.test.x[:50])
    assert (found == run.predict(data.test.x[:50]).argmax(axis=1).astype(str)).all()
