"""The picture of data: what is drawn is what the report holds."""

import numpy as np

import maasnb as mb
from maasnb.panels.pictures import report_png
from maasnb.panels.profiles import profile_figure
from tests.study.test_flaws import good


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_classes_stand_beside_the_columns_with_a_line_a_class():
    made = mb.data(*good(), features=list("abcd"))
    figure = profile_figure(mb.inspect(made))
    assert titles(figure) == ["classes", "a", "b", "c", "d"]
    bars = [bar.get_width() for bar in figure.axes[0].patches]
    assert bars == [48, 48, 6, 6, 6, 6]  # train, validation, test
    assert len(figure.axes[1].patches) == 2


def test_targets_of_a_regression_are_drawn_as_a_histogram():
    x, _ = good()
    figure = profile_figure(mb.inspect(mb.data(x, x.sum(axis=1))))
    assert titles(figure)[0] == "targets"
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 120


def test_images_are_shown_under_their_classes():
    figure = profile_figure(mb.inspect(mb.data("digits")))
    shown = [axes.get_title() for axes in figure.axes[1:]]
    assert shown[:11] == [*"0123456789", "0"]
    assert all(len(axes.images) == 1 for axes in figure.axes[1:])


def test_gaps_and_constants_are_drawn_without_a_complaint():
    x, y = good()
    made = mb.data(np.column_stack([x, np.ones(120)]), y)
    made.train.x[2, 0] = np.nan
    picture = report_png(mb.inspect(made))
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
