"""The sidebar in JupyterLab: filled while cells run, right after reload, restart and switch."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import new_page
from tests.browser.jupyter import LONG, PREPARE, Notebook


class Side:
    """Look at the sidebar of a page."""

    def __init__(self, notebook):
        self.notebook = notebook
        self.page = notebook.page
        self.element = self.page.locator("#maasnb-sidebar")
        notebook.command("maasnb:show")
        self.element.wait_for()

    def says(self, words):
        expect(self.element).to_contain_text(words)
        return self

    def run(self, name):
        return self.element.locator(f".maasnb-run[data-run='{name}']")

    def is_at(self, name, status):
        expect(self.run(name)).to_have_attribute("data-status", status)

    def press(self, name):
        self.element.get_by_role("button", name=name, exact=True).first.click()

    def goes_on(self, name):
        """Wait until the progress of a run has moved."""
        bar = self.run(name).locator("progress")
        before = bar.evaluate("(bar) => bar.value")
        expect(bar).not_to_have_js_property("value", before)


@pytest.fixture(scope="module")
def first(browser, lab):
    """Open one notebook for the tests that leave its kernel usable."""
    with new_page(browser) as page:
        notebook = Notebook(page, lab, "sidebar").write(PREPARE, LONG).open()
        notebook.run(0)
        yield notebook
        notebook.end()


@pytest.fixture
def side(first):
    first.page.bring_to_front()
    side = Side(first).says("net")
    yield side
    first.interrupt()
    first.ask("[each.stop() for each in globals().values() if isinstance(each, mb.Run)]")


def name_of(notebook, side):
    """Return the name of the run in training, once the sidebar shows it."""
    row = side.element.locator(".maasnb-run[data-status='running']").first
    row.wait_for()
    return row.get_attribute("data-run")


def test_a_model_is_shown_with_framework_and_parameters(side):
    expect(side.element.locator(".maasnb-model")).to_contain_text("torch · 2,410 parameters")


def test_a_run_is_seen_and_steered_while_its_cell_blocks(first, side):
    first.start(1)
    name = name_of(first, side)
    side.goes_on(name)
    assert first.running(1)
    side.press("Pause")
    side.is_at(name, "paused")
    side.press("Resume")
    side.is_at(name, "running")
    expect(side.run(name).locator(".maasnb-spark path")).to_have_attribute("d", re.compile("M.*L"))
    side.press("Stop")
    side.is_at(name, "stopped")
    assert first.ask("print(run.status)") == "stopped"


def test_a_page_that_is_loaded_again_in_the_midst_of_a_cell_sees_the_run(first, side):
    first.start(1)
    name = name_of(first, side)
    first.page.goto("about:blank")
    first.page.goto(f"{first.server.url}/lab/tree/{first.name}.ipynb?reset")
    first.page.wait_for_selector(".jp-Notebook .jp-Cell")
    again = Side(first)
    again.run(name).wait_for()
    again.goes_on(name)
    again.press("Stop")  # is heard at the latest when the cell has ended
    first.interrupt()
    again.is_at(name, "stopped")
    again.says("net")


def test_a_kernel_that_was_restarted_or_changed_has_nothing_and_says_what_to_do(empty_lab, lab):
    page = empty_lab
    notebook = Notebook(page, lab, "restarted").write(PREPARE, "").open_here()
    side = Side(notebook).says("maasnb is not loaded in this kernel.")
    notebook.run(0)
    side.says("net").says("has not been trained yet")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    side.says("maasnb is not loaded in this kernel.")
    expect(side.element.locator(".maasnb-model")).to_have_count(0)
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1 }")
    side.press("Insert the cell that loads it")
    expect(page.locator(".jp-Notebook .jp-Cell.jp-mod-active")).to_contain_text("%load_ext")
    notebook.command("notebook:run-cell")
    side.says("No model yet in this kernel")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.changeKernel({ name: 'echo' })"
    )
    side.says("This notebook's kernel speaks echo; maasnb needs Python.")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext"
        ".changeKernel({ name: 'python3' })"
    )
    side.says("restarted · Python").says("maasnb is not loaded in this kernel.")


def test_the_sidebar_follows_the_notebook_in_front(empty_lab, lab, first):
    page = empty_lab
    one = Notebook(page, lab, "one").write(PREPARE).open_here()
    one.run(0)
    side = Side(one).says("one · Python").says("net")
    two = Notebook(page, lab, "two").write("%load_ext maasnb")
    two.command("docmanager:open", path="two.ipynb")
    side.says("two · Python").says("maasnb is not loaded in this kernel.")
    two.run(0)
    side.says("No model yet in this kernel")
    page.locator(".lm-TabBar-tabLabel", has_text="one.ipynb").click()
    side.says("one · Python").says("2,410 parameters")
    two.command("application:activate-next-tab")
    side.says("two · Python").says("No model yet in this kernel")


def test_two_notebooks_of_one_kernel_show_the_same(empty_lab, lab):
    one = Notebook(empty_lab, lab, "shared-one").write(PREPARE).open_here()
    one.run(0)
    kernel = one.ask(
        "import ipykernel.kernelapp as k; print(k.IPKernelApp.instance().connection_file)"
    )
    identity = re.search(r"kernel-(.*)\.json", kernel)[1]
    two = Notebook(empty_lab, lab, "shared-two").write("")
    two.command("docmanager:open", path="shared-two.ipynb", kernel={"id": identity})
    Side(two).says("shared-two").says("2,410 parameters")


def test_endpoints_are_shown_promoted_rolled_back_and_missed(first, side):
    first.run_source("run = mb.train(net, digits, epochs=1, name='served')")
    first.run_source("mb.publish(run, 'served'); run2 = run.fork(epochs=2, name='served-2')")
    first.run_source("endpoint = mb.publish(run2, 'served'); endpoint.promote(1)")
    row = side.element.locator(".maasnb-endpoint")
    expect(row).to_contain_text("version 1 answers")
    expect(row.get_by_role("link", name="Open page")).to_have_attribute(
        "href", re.compile(r"^http://127\.0\.0\.1:\d+/#/models/served$")
    )
    side.press("Promote version 2")
    expect(row).to_contain_text("version 2 answers")
    side.press("Roll back")
    expect(row).to_contain_text("version 1 answers")
    bar = first.page.locator(".maasnb-statusbar")
    expect(bar).to_have_text("1 served")
    first.run_source(
        "from maasnb.serve.embedded import stop_server\n"
        "from maasnb.settings import workspace\nstop_server(workspace())"
    )
    side.says("its server does not answer")
    expect(bar).to_have_text("1 not answering")
    first.run_source("del endpoint")
    expect(row).to_have_count(0)


def test_runs_are_compared_in_one_chart(first, side):
    for name, lr in (("alpha", 0.001), ("beta", 0.01)):
        first.run_source(f"mb.train(net, digits, epochs=1, lr={lr}, name='{name}');")
        side.element.get_by_label(f"compare {name}").check()
    side.press("Compare 2 runs")
    tab = first.page.locator(".maasnb-viewer", has_text="loss by step")
    expect(tab.locator("tbody tr")).to_have_count(2)
    expect(tab.locator(".maasnb-differs")).to_have_text(["lr", "0.001", "0.01"])
    tab.locator("canvas").wait_for()
    first.command("application:close")


def test_a_run_opens_as_its_panel_and_is_steered_there(first, side):
    first.run_source("bg = mb.train(net, digits, epochs=100000, name='aside', wait=False)")
    side.run("aside").locator(".maasnb-name").click()
    panel = first.page.locator(".maasnb-viewer .maasnb-panel")
    expect(panel.locator(".mb-status")).to_contain_text("training")
    panel.get_by_role("button", name="Pause", exact=True).click()
    side.is_at("aside", "paused")
    panel.get_by_role("button", name="Stop", exact=True).click()
    expect(panel.locator(".mb-status")).to_contain_text("stopped")
    first.command("application:close")


def test_both_sides_say_what_to_upgrade(notebook):
    cell = "import maasnb.panels.sidebar as it\nit.PROTOCOL = {}\n%load_ext maasnb"
    opened = notebook(cell.format(0), cell.format(2))
    side = Side(opened)
    opened.run(0)
    side.says("is older than this sidebar. Type: %pip install -U maasnb")
    opened.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    side.says("maasnb is not loaded in this kernel.")
    opened.run(1)
    side.says("is newer than this sidebar. Upgrade maasnb where Jupyter runs")


def test_a_kernel_without_subshells_shows_its_runs_and_answers_between_cells(empty_lab, lab):
    page = empty_lab
    notebook = (
        Notebook(page, lab, "old", kernel="without_subshells").write(PREPARE, LONG).open_here()
    )
    side = Side(notebook)
    notebook.run(0)
    side.says("This kernel answers only between cells. Upgrade ipykernel to 7.1 or newer")
    notebook.start(1)
    name = name_of(notebook, side)
    side.goes_on(name)
    side.press("Pause")
    expect(page.locator(".jp-OutputArea-output")).to_contain_text(
        re.compile(r"epoch \d+/")
    )  # not the panel
    side.is_at(name, "running")  # it has not heard of the pause
    notebook.interrupt()
    side.is_at(name, "stopped")
    side.says("has ended (stopped)").says("This kernel answers only between cells")
    notebook.run_source("bg = mb.train(net, digits, epochs=10**6, name='aside', wait=False)")
    notebook.panel.get_by_text("Here buttons answer only while no cell runs.").wait_for()
    notebook.press("Pause")
    notebook.status("paused")
    side.press("Stop")
    notebook.picture.last.wait_for()
    assert notebook.ask("print(bg.wait().status)") == "stopped"


def test_without_a_notebook_it_offers_one(empty_lab):
    empty_lab.evaluate("() => window.jupyterapp.commands.execute('maasnb:show')")
    side = empty_lab.locator("#maasnb-sidebar")
    expect(side).to_contain_text("Open a notebook to see its runs")
    side.get_by_role("button", name="New maasnb notebook").click()
    expect(empty_lab.locator(".jp-Notebook")).to_contain_text("%maas data digits")
    # The template's kernel is "Python (maasnb)" where that is installed.
    expect(side).to_contain_text(re.compile("not loaded in this kernel|No model yet"))


def test_five_hundred_runs_are_a_window_and_a_filter(empty_lab, lab):
    for number in range(500):
        place = lab.folder / "many" / "runs" / f"run-{number:03}"
        place.mkdir(parents=True)
        summary = {
            "schema": 1, "name": place.name, "created": number, "backend": "torch", "model": "Net",
            "data": {"name": "wine" if number % 100 == 7 else "digits"}, "task": {},
            "status": "finished", "steps": 9, "seconds": 1.0, "metrics": {"accuracy": 0.5},
        }  # fmt: skip
        (place / "run.json").write_text(json.dumps(summary))
        (place / "events.jsonl").write_text("")
    home = f"%env MAASNB_HOME={lab.folder / 'many'}\n%load_ext maasnb"
    notebook = Notebook(empty_lab, lab, "many").write(home).open_here()
    side = Side(notebook)
    notebook.run(0)
    rows = side.element.locator(".maasnb-run")
    expect(rows).to_have_count(30)
    expect(rows.first).to_have_attribute("data-run", "run-499")
    side.says("Show more (470)")
    side.element.get_by_label("Filter runs").fill("wine")
    expect(rows).to_have_count(5)
    side.says("5 of 500")
