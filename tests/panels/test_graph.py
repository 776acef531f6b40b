"""The picture of a model: whole, legible, and within its frame."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from maasnb.panels.graph import graph_svg, summary_html
from maasnb.panels.layout import GAP_X, arrange
from maasnb.study.inspection import inspect
from maasnb.study.reports import Report
from tests.backends.anatomies import INPUTS, model_named

NAMES = list(INPUTS)


def picture(name, backend):
    return ET.fromstring(graph_svg(inspect(model_named(name, backend), data=INPUTS[name])))


def rectangles(svg):
    """Return left, top, right and bottom of the boxes; bars, which have no corners, left out."""
    found = []
    for each in svg.iter("{http://www.w3.org/2000/svg}rect"):
        if each.get("rx"):
            x, y, w, h = (float(each.get(name)) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_box_is_inside_the_picture(name, backend):
    svg = picture(name, backend)
    width, height = float(svg.get("width")), float(svg.get("height"))
    boxes = rectangles(svg)
    assert boxes
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height


@pytest.mark.parametrize("name", NAMES)
def test_boxes_lie_apart_or_one_in_the_other(name, backend):
    boxes = rectangles(picture(name, backend))
    for place, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[place + 1 :]:
            apart = other[0] >= right or other[2] <= left or other[1] >= bottom or other[3] <= top
            inside = (
                other[0] >= left and other[2] <= right and other[1] >= top and other[3] <= bottom
            )
            assert apart or inside


@pytest.mark.parametrize("name", NAMES)
def test_the_words_are_those_of_the_graph(name, backend):
    report = inspect(model_named(name, backend), data=INPUTS[name])
    words = "".join(ET.fromstring(graph_svg(report)).itertext())
    assert all(str(each) in words for each in report.data["names"])


def test_ink_has_the_colour_of_the_text_around_it(backend):
    svg = graph_svg(inspect(model_named("attention", backend), data=INPUTS["attention"]))
    fixed = set(re.findall(r"#[0-9A-Fa-f]{6}", svg))
    assert fixed == {"#0072B2", "#E69F00"}  # thin fills and bars
    assert all("fill:currentColor" in each for each in re.findall(r"<text[^>]*>", svg))


def test_two_pictures_of_a_page_share_no_names(backend):
    svg = graph_svg(inspect(model_named("residual", backend), data=INPUTS["residual"]))
    assert " id=" not in svg
    assert "url(" not in svg
    assert 'role="img"' in svg


def test_a_name_is_no_markup():
    data = {
        "names": np.array(["input", "<script>alert(1)</script>", "output"]),
        "types": np.array(["", 'a"b', ""]),
        "shapes": np.array(["4", "3", "3"]),
        "kinds": np.array(["input", "layer", "output"]),
        "parents": np.array([-1, -1, -1]),
        "shares": np.array([0.0, 1.0, 0.0]),
        "weighed": np.array([False, True, False]),
        "edges": np.array([[0, 1], [1, 2]]),
    }
    svg = graph_svg(Report(kind="summary", title='<b>"', data=data))
    assert "<script" not in svg
    assert ET.fromstring(svg).get("aria-label").startswith('<b>"')


def test_where_markup_is_taken_away_words_remain(backend):
    words = re.sub("<[^>]*>", "", summary_html(inspect(model_named("residual", backend))))
    assert "Trust this notebook to see the picture, which holds:" in words
    assert "inner Linear · 8;" in words


def test_without_a_call_there_is_no_picture(backend):
    report = inspect(model_named("picture", backend))
    assert graph_svg(report) == summary_html(report) == ""


def test_a_high_picture_is_folded_at_first():
    torch = pytest.importorskip("torch")

    def html_of(count):
        model = torch.nn.Sequential(*[torch.nn.Linear(3, 3) for _ in range(count)])
        return summary_html(inspect(model))

    assert html_of(2).startswith("<details open>")
    assert html_of(20).startswith("<details>")


def test_a_chain_is_straight():
    sizes = {number: (40.0 + 10 * number, 20.0) for number in range(4)}
    placed = arrange(sizes, [(0, 1), (1, 2), (2, 3)])
    assert len({round(x, 6) for x, _ in placed.centers.values()}) == 1
    tops = [y for _, y in placed.centers.values()]
    assert tops == sorted(tops)


def test_an_arrow_over_several_ranks_goes_round_the_boxes_between():
    sizes = dict.fromkeys(range(4), (60.0, 20.0))
    placed = arrange(sizes, [(0, 1), (1, 2), (2, 3), (0, 3)])
    x, _ = placed.centers[1]
    passing = [point[0] for point in placed.routes[0, 3][1:-1]]
    assert all(abs(each - x) >= 30 for each in passing)


def test_boxes_of_a_rank_keep_their_distance():
    sizes = {0: (10.0, 20.0), 1: (80.0, 20.0), 2: (30.0, 20.0), 3: (10.0, 20.0)}
    placed = arrange(sizes, [(0, 1), (0, 2), (1, 3), (2, 3)])
    left, right = sorted((placed.centers[1][0], placed.centers[2][0]))
    assert right - left >= (80 + 30) / 2 + GAP_X - 1e-6
    assert placed.centers[1][1] == placed.centers[2][1]
