"""The sidebar in Notebook 7: on the right of a notebook, from its menu."""

from playwright.sync_api import expect

from tests.browser.conftest import new_page
from tests.browser.jupyter import Notebook

PREPARE = (
    "%load_ext maasnb\n%maas data digits;\nimport maasnb as mb\n"
    'net = mb.build([mb.Dense(32, "relu"), mb.Dense(10)], data=digits)'
)


def test_a_run_is_seen_and_stopped_while_its_cell_blocks(browser, classic):
    with new_page(browser) as page:
        notebook = Notebook(page, classic, "side", "notebook")
        notebook.write(PREPARE, "%maas train net digits --epochs 100000").open()
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
        notebook.end()
