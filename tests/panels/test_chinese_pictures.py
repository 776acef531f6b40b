"""Pictures are Chinese where a font can show it, and English where none can."""

import json
import warnings

import pytest

from maasnb.language import translating
from maasnb.panels import drawing
from maasnb.panels.pictures import run_figure, run_png
from tests.small_runs import small_run


@pytest.fixture
def font(tmp_path):
    """Let matplotlib know a font that has a box for every character of the catalogue."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from matplotlib.font_manager import fontManager

    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    box = pen.glyph()
    texts = json.dumps(translating.catalogue("zh").words, ensure_ascii=False)
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "box"])
    builder.setupCharacterMap({ord(each): "box" for each in set(texts) if ord(each) > 127})
    builder.setupGlyf({".notdef": box, "box": box})
    builder.setupHorizontalMetrics({".notdef": (1000, 100), "box": (1000, 100)})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Noto Sans SC", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880)
    builder.setupPost()
    path = tmp_path / "boxes.ttf"
    builder.save(path)
    before = list(fontManager.ttflist)
    fontManager.addfont(path)
    yield
    fontManager.ttflist[:] = before


@pytest.fixture
def no_font(monkeypatch):
    monkeypatch.setattr(drawing, "CHINESE_FONTS", ("No font of this name",))


def words_of(figure):
    axes = figure.axes[0]
    return [axes.get_title(loc="left"), axes.get_xlabel(), figure.get_suptitle()]


@pytest.fixture
def run():
    return small_run()


def test_with_a_font_the_words_are_chinese(monkeypatch, font, run):
    monkeypatch.setenv("MAASNB_LANG", "zh")
    title, axis, _ = words_of(run_figure(run))
    assert (title, axis) == ("损失", "轮次")


def test_every_character_is_drawn(monkeypatch, font, run):
    monkeypatch.setenv("MAASNB_LANG", "zh")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that no font has
        assert run_png(run).startswith(b"\x89PNG")


def test_without_a_font_the_words_stay_english(monkeypatch, no_font, run):
    monkeypatch.setenv("MAASNB_LANG", "zh")
    assert words_of(run_figure(run))[:2] == ["loss", "epoch"]


def test_a_font_changes_nothing_in_english(monkeypatch, font, run):
    monkeypatch.delenv("MAASNB_LANG", raising=False)
    with_font = run_png(run)
    monkeypatch.setattr(drawing, "CHINESE_FONTS", ())
    assert with_font == run_png(run)
