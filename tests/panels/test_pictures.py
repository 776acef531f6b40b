"""Pictures of runs and reports."""

import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from maasnb.events import Measured, Validated
from maasnb.panels.pictures import png, report_png, run_figure, run_png


def make_run(steps=40, parameters=2, validated=True, measured=True, losses=None):
    names = [f"dense{place}.weight" for place in range(parameters)]
    norms = {name: 0.1 * (place + 1) for place, name in enumerate(names)}
    return SimpleNamespace(
        name="try",
        status="finished",
        steps=steps,
        steps_per_epoch=10,
        task=SimpleNamespace(metrics=("accuracy",)),
        history=SimpleNamespace(
            losses=np.geomspace(2.0, 0.01, steps) if losses is None else np.array(losses),
            measured=[
                Measured(step=step, time=0.0, gradient_norm=norms, update_ratio=norms)
                for step in (1, 20, 40)
            ]
            if measured
            else [],
            validated=[
                Validated(step=10 * n, time=0.0, epoch=n, metrics={"loss": 1 / n, "accuracy": 0.9})
                for n in (1, 2, 3, 4)
            ]
            if validated
            else [],
        ),
    )


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_a_run_is_drawn_by_its_loss_its_metric_and_its_gradients():
    assert titles(run_figure(make_run())) == [
        "loss",
        "validation accuracy: 0.9 at the end",
        "gradient norm by parameter",
    ]


def test_a_run_without_a_validation_split_has_no_empty_axes():
    assert titles(run_figure(make_run(validated=False)))[:1] == ["loss"]
    assert len(run_figure(make_run(validated=False)).axes) == 2


def test_a_run_without_steps_has_no_picture():
    assert run_png(make_run(losses=[])) is None


def test_losses_that_are_not_finite_can_be_drawn():
    assert run_png(make_run(steps=3, losses=[2.0, 1e34, np.nan])).startswith(b"\x89PNG")


def test_every_line_has_a_colour_and_a_dash_pattern_of_its_own():
    axes = run_figure(make_run(parameters=8)).axes[-1]
    looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in axes.get_lines()}
    assert len(looks) == 8


def test_many_parameters_become_a_heat_map():
    axes = run_figure(make_run(parameters=30)).axes[2]
    assert not axes.get_lines()
    assert len(axes.get_yticklabels()) == 30


def test_the_same_run_is_the_same_bytes():
    assert run_png(make_run()) == run_png(make_run())


def test_a_picture_is_small_enough_for_a_notebook():
    content = png(run_figure(make_run(parameters=30)))
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (1188, 319)
    assert len(content) < 150_000


def test_drawing_never_loads_pyplot():
    run_png(make_run())
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("evaluation", {"confusion": np.array([[5, 1], [0, 6]]), "labels": np.array(["a", "b"])}),
        (
            "evaluation",
            {
                "confusion": np.eye(60, dtype=int),
                "labels": np.array(list(map(str, range(60)))),
                "roc_rates": np.array([0.0, 0.5, 1.0]),
                "roc": np.tile([0.0, 0.8, 1.0], (60, 1)),
            },
        ),
        ("evaluation", {"targets": np.eye(9)[:, :2], "outputs": np.full((9, 2), 0.1)}),
        (
            "gradients",
            {
                "steps": np.array([1, 2]),
                "names": np.array(["w"]),
                "gradient_norm": np.ones((2, 1)),
                "update_ratio": np.full((2, 1), 1e-3),
            },
        ),
    ],
)
def test_a_report_with_arrays_has_a_picture(kind, data):
    assert report_png(SimpleNamespace(kind=kind, data=data)).startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["summary", "evaluation"])
def test_a_report_without_arrays_has_none(kind):
    assert report_png(SimpleNamespace(kind=kind, data={})) is None
