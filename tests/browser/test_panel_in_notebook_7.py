"""The live panel in Notebook 7, with its cell blocking."""

import re

from tests.browser.conftest import new_page
from tests.browser.jupyter import Notebook

PREPARE = (
    "%load_ext maasnb\n%maas data digits;\nimport maasnb as mb\n"
    'net = mb.build([mb.Dense(32, "relu"), mb.Dense(10)], data=digits)'
)


def test_the_panel_is_seen_and_steers_while_its_cell_runs(browser, classic):
    with new_page(browser) as page:
        notebook = Notebook(page, classic, "classic", "notebook")
        notebook.write(PREPARE, "%maas train net digits --epochs 100000").open()
        notebook.run(0)
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
        notebook.end()
