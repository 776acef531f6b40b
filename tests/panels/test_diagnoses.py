"""Pictures of a diagnosis and of the hardest examples."""

from types import SimpleNamespace

import numpy as np
import pytest

from maasnb.panels.diagnoses import MOST_BARS, diagnosis_figure, examples_figure
from maasnb.panels.drawing import HEALTHY_RATIOS, VERMILLION
from maasnb.panels.pictures import report_png
from maasnb.study import signals


def diagnosis(*, findings=(), weights=2, functions=2, steps=3, losses=60, **changes):
    random = np.random.default_rng(0)
    names = [f"dense{number}.weight" for number in range(weights)]
    data = {
        "loss": np.linspace(2, 0.5, losses),
        "validated_steps": np.array([30, 60]),
        "validated_loss": np.array([1.0, 0.6]),
        "chance": np.array([1.1]),
        "steps": np.arange(1, steps + 1),
        "names": np.array(names),
        "gradient_norm": random.random((steps, weights)) + 0.1,
        "update_ratio": random.random((steps, weights)) / 1000 + 1e-4,
        "activations": np.array([f"dense{number}.relu" for number in range(functions)]),
        "shares": random.random((functions, 3)),
    }
    found = tuple(SimpleNamespace(kind=kind, title=kind) for kind in findings)
    return SimpleNamespace(kind="diagnosis", findings=found, data={**data, **changes})


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_losses_updates_and_activations_are_drawn():
    figure = diagnosis_figure(diagnosis())
    assert titles(figure) == ["loss", "update / weight, healthy band", "activations"]
    lines = [line.get_label() for line in figure.axes[0].get_lines()]
    assert lines[1:] == ["training", "validation", "always the same answer"]
    assert figure.axes[0].get_lines()[-1].get_ydata()[0] == 1.1


@pytest.mark.parametrize("kind", ["vanishing_gradient", "exploding_gradient", "no_gradient"])
def test_where_gradients_are_ill_they_are_drawn(kind):
    report = diagnosis(findings=[kind])
    figure = diagnosis_figure(report)
    assert titles(figure)[1] == "gradient norm"
    line = figure.axes[1].get_lines()[0]
    np.testing.assert_array_equal(line.get_ydata(), report.data["gradient_norm"][:, 0])
    assert figure.get_suptitle() == kind


def test_what_was_not_measured_is_not_drawn():
    figure = diagnosis_figure(diagnosis(functions=0, weights=0))
    assert titles(figure) == ["loss"]
    assert diagnosis_figure(diagnosis(loss=np.array([]))) is None


def test_the_shares_of_an_activation_are_three_bars():
    report = diagnosis()
    axes = diagnosis_figure(report).axes[-1]
    widths = np.array([bar.get_width() for bar in axes.patches]).reshape(3, 2).T
    np.testing.assert_allclose(widths, 100 * report.data["shares"])


def test_of_many_activations_the_worst_are_drawn_in_their_order():
    report = diagnosis(functions=30)
    axes = diagnosis_figure(report).axes[-1]
    shown = [label.get_text() for label in axes.get_yticklabels()]
    worst = np.sort(np.argsort(-report.data["shares"][:, 1:].max(axis=1))[:MOST_BARS])
    assert shown == [str(report.data["activations"][place]) for place in worst]


def test_the_healthy_band_is_that_of_the_diagnosis():
    assert HEALTHY_RATIOS == signals.HEALTHY_RATIOS


def examples(shape, count=10, suspected=2):
    marks = np.arange(count) < suspected
    return SimpleNamespace(
        kind="examples",
        findings=(),
        data={
            "images": np.random.default_rng(0).random((count, *shape)),
            "rows": np.arange(count),
            "suspected": marks,
            "targets": np.array(["cat"] * count),
            "answers": np.array(["dog"] * count),
            "sure": np.array(["97%"] * count),
        },
    )


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 9, 3)])
def test_examples_are_drawn_as_pictures_with_target_and_answer(shape):
    figure = examples_figure(examples(shape))
    assert len(figure.axes) == 10
    assert figure.axes[0].get_title() == "row 0: cat\nsays dog, 97%"
    assert figure.axes[0].images[0].get_array().shape[:2] == shape[:2]


def test_suspected_examples_have_a_frame():
    figure = examples_figure(examples((8, 8)))
    from matplotlib.colors import to_hex

    edges = [to_hex(axes.spines["top"].get_edgecolor()) for axes in figure.axes]
    assert [edge.upper() == VERMILLION for edge in edges] == [True] * 2 + [False] * 8


def test_examples_that_are_no_pictures_have_none():
    report = examples((8, 8))
    del report.data["images"]
    assert report_png(report) is None


@pytest.mark.parametrize("report", [diagnosis(findings=["saturated"]), examples((8, 8))])
def test_the_pictures_are_small_files(report):
    content = report_png(report)
    assert content.startswith(b"\x89PNG")
    assert len(content) < 150_000
