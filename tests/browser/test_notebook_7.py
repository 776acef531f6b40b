"""Panel and sidebar in Notebook 7, with their cell blocking."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import new_page
from tests.browser.jupyter import LONG, PREPARE, Notebook


@pytest.fixture(scope="module")
def notebook(browser, classic):
    with new_page(browser) as page:
        notebook = Notebook(page, classic, "classic", "notebook").write(PREPARE, LONG).open()
        yield notebook
        notebook.end()


def test_the_sidebar_opens_from_the_menu_and_stops_a_run(notebook):
    page = notebook.page
    page.get_by_role("menuitem", name="maasnb", exact=True).click()
    page.get_by_role("menuitem", name="Show models and runs").click()
    side = page.locator("#maasnb-sidebar")
    expect(side).to_contain_text("maasnb is not loaded in this kernel.")
    notebook.run(0)
    expect(side).to_contain_text("2,410 parameters")
    notebook.start(1)
    row = side.locator(".maasnb-run[data-status='running']")
    name = row.get_attribute("data-run")
    side.get_by_role("button", name="Stop", exact=True).click()
    ended = side.locator(f".maasnb-run[data-run='{name}']")
    expect(ended).to_have_attribute("data-status", "stopped")
    expect(page.locator(".jp-CodeCell .jp-InputPrompt").nth(1)).not_to_contain_text("*")


def test_the_panel_is_seen_and_steers_while_its_cell_runs(notebook):
    notebook.start(1)
    notebook.wait_for_step(50)
    assert notebook.running(1)
    rate = notebook.panel.get_by_label("learning rate", exact=True)
    rate.fill("0.02")
    rate.press("Enter")
    notebook.panel.get_by_text("1 change by hand").wait_for()
    notebook.press("Pause")
    notebook.status("paused")
    notebook.press("Resume")
    notebook.status("training")
    notebook.stop()
    said = notebook.ask("print([e.action for e in run.history.interventions])")
    assert re.fullmatch(r"\['lr', 'pause', 'resume', 'stop'.*\]", said)
