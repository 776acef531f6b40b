"""The magics as a person meets them in JupyterLab: Tab, Shift-Tab, colours, mistakes, Chinese."""

import pytest

from tests.browser.conftest import new_page
from tests.browser.jupyter import LONG, PREPARE, Notebook

BUILD = '%%maas build other --data digits\nDense(64, "relu")\nDropout(0.2)\nDense(10)'
PLAIN = 'Dense(64, "relu")'


@pytest.fixture(scope="module")
def opened(browser, lab):
    """Open one notebook for all tests that only look and type."""
    with new_page(browser) as page:
        notebook = Notebook(page, lab, "magics").write(PREPARE, BUILD, PLAIN, "").open()
        notebook.run(0)
        yield notebook
        notebook.end()


@pytest.fixture
def typing(opened):
    """Return what writes into the last cell, in place of what stands there."""

    def write(text):
        opened.page.bring_to_front()
        editor = opened.page.locator(".jp-Cell .cm-content").last
        editor.click()
        opened.page.keyboard.press("Control+A")
        opened.page.keyboard.press("Delete")
        opened.page.keyboard.type(text)
        return editor

    return write


def test_tab_completes_a_verb(opened, typing):
    editor = typing("%maas trai")
    opened.page.keyboard.press("Tab")
    opened.page.locator(".jp-Completer-item").first.wait_for()
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_function(
        "(e) => e.textContent === '%maas train'", arg=editor.element_handle()
    )


def test_tab_offers_the_values_of_an_option(opened, typing):
    typing("%maas train net digits --schedule ")
    opened.page.keyboard.press("Tab")
    offered = opened.page.locator(".jp-Completer-item")
    offered.first.wait_for()
    # JupyterLab adds words of the cell itself, which have no kind.
    said = [each.split("\n") for each in offered.all_inner_texts()]
    words = [each[1] for each in said if each[-1] == "maasnb"]
    assert words == ["constant", "cosine", "linear", "onecycle"]
    opened.page.keyboard.press("Escape")


def test_shift_tab_shows_the_text_of_an_option(opened, typing):
    typing("%maas train net digits --epochs")
    opened.page.keyboard.press("Shift+Tab")
    tooltip = opened.page.locator(".jp-Tooltip")
    tooltip.get_by_text("how many passes over the training split").wait_for()
    opened.page.keyboard.press("Escape")


COLOURS = """(cell) => [...cell.querySelectorAll(".cm-line span")]
    .map((each) => [each.textContent, getComputedStyle(each).color])"""


def test_a_build_cell_is_coloured_as_python(opened):
    cells = opened.page.locator(".jp-Cell")
    build = dict(cells.nth(1).evaluate(COLOURS))
    plain = dict(cells.nth(2).evaluate(COLOURS))
    assert build['"relu"'] == plain['"relu"']
    assert build["64"] == plain["64"]
    assert build['"relu"'] != build["64"]


def test_a_mistake_is_shown_under_its_word(opened, typing):
    typing("%maas train net digits --epoch 3")
    opened.page.keyboard.press("Control+Enter")
    said = opened.page.locator(".jp-Cell").last.locator(".jp-OutputArea-output")
    said.get_by_text("Did you mean '--epochs'?").wait_for()
    lines = said.inner_text().rstrip().splitlines()
    assert lines[-2] == "  %maas train net digits --epoch 3"
    assert lines[-1] == " " * 25 + "^" * len("--epoch")


def test_a_kernel_that_speaks_chinese_has_a_chinese_panel(notebook):
    opened = notebook(f"%env MAASNB_LANG=zh\n{PREPARE}", LONG)
    opened.run(0)
    opened.start(1)
    panel = opened.page.locator(".maasnb-panel")
    panel.get_by_role("button", name="暂停").click()
    panel.locator(".mb-status").get_by_text("已暂停").wait_for()
    for words in ("训练损失", "学习率", "检查点、回滚、分叉"):
        panel.get_by_text(words, exact=True).first.wait_for()
    panel.get_by_role("button", name="继续").click()
    panel.get_by_role("button", name="停止").click()
    opened.page.wait_for_selector(".jp-OutputArea-output img")
