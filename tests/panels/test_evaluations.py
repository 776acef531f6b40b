"""Pictures of evaluations: what is drawn is what the report holds."""

from types import SimpleNamespace

import numpy as np

from maasnb.panels.evaluations import evaluation_figure


def report(**data):
    return SimpleNamespace(kind="evaluation", data=data)


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_a_confusion_matrix_stands_alone_where_there_is_no_curve():
    figure = evaluation_figure(report(confusion=np.eye(2, dtype=int), labels=np.array(["a", "b"])))
    assert titles(figure) == ["true and predicted classes"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "1"]


def test_the_curve_of_two_classes_is_named_after_the_second():
    curve = np.array([[0.2, 0.9, 1.0]])
    figure = evaluation_figure(
        report(
            confusion=np.eye(2, dtype=int),
            labels=np.array(["ill", "well"]),
            roc_rates=np.array([0, 0.5, 1]),
            roc=curve,
        )
    )
    line = figure.axes[1].lines[0]
    assert line.get_label() == "well"
    np.testing.assert_array_equal(line.get_ydata(), curve[0])


def test_a_regression_shows_predictions_and_errors():
    targets, outputs = np.array([[1.0], [2.0], [3.0]]), np.array([[1.5], [2.0], [2.0]])
    figure = evaluation_figure(report(targets=targets, outputs=outputs))
    assert titles(figure) == ["predictions against targets", "errors"]
    dots = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_array_equal(dots, np.concatenate([targets, outputs], axis=1))
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 3


def test_what_holds_neither_has_no_picture():
    assert evaluation_figure(report()) is None
