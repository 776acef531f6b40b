"""Where the extension shows itself in JupyterLab: commands, menu, launcher, toolbar, run viewer."""

import json
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import new_page
from tests.browser.jupyter import PREPARE, Notebook

COMMANDS = {
    "maasnb:show", "maasnb:new-notebook", "maasnb:insert-load", "maasnb:insert-build",
    "maasnb:insert-train", "maasnb:insert-publish", "maasnb:open-runs", "maasnb:start-server",
    "maasnb:stop-server", "maasnb:doctor",
}  # fmt: skip


@pytest.fixture(scope="module")
def opened(browser, lab):
    """Open a notebook with a finished run, of which a record is left."""
    with new_page(browser) as page:
        notebook = Notebook(page, lab, "places").write(PREPARE, "").open()
        notebook.run(0)
        notebook.run_source("run = mb.train(net, digits, epochs=2, name='kept');")
        yield notebook
        notebook.end()


@pytest.fixture(scope="module")
def records(opened, lab):
    """Return the folder of a record that was written by a real run."""
    return lab.folder / "maas" / "runs"


def text_of(page):
    return page.locator(".jp-Notebook .jp-Cell.jp-mod-active .cm-content").inner_text()


def test_every_command_is_in_the_palette_and_in_the_menu(opened):
    page = opened.page
    found = page.evaluate("() => window.jupyterapp.commands.listCommands()")
    assert {each for each in found if each.startswith("maasnb:")} == COMMANDS
    page.locator(".lm-MenuBar-itemLabel", has_text="maasnb").click()
    menu = page.locator(".lm-Menu").last
    for words in ("New maasnb notebook", "Insert a train cell", "Start the local server"):
        expect(menu).to_contain_text(words)
    page.keyboard.press("Escape")
    opened.command("apputils:activate-command-palette")
    palette = page.locator(".lm-CommandPalette")
    palette.locator("input").fill("maasnb")
    expect(palette).to_contain_text("Check this environment (doctor)")
    page.keyboard.press("Escape")


def test_inserted_cells_use_the_names_that_are_there(opened):
    opened.command("maasnb:insert-train")
    expect(opened.page.locator(".jp-Notebook .jp-Cell.jp-mod-active")).to_contain_text(
        "%maas train net digits --epochs 15"
    )
    opened.command("notebook:delete-cell")


def test_a_shortcut_opens_the_sidebar(opened):
    page = opened.page
    opened.command("application:toggle-right-area")
    page.locator(".jp-Notebook").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Alt+m")
    page.locator("#maasnb-sidebar").wait_for()


def test_a_shortcut_that_was_changed_in_the_settings_is_the_one_that_works(browser, lab):
    shown = {"command": "maasnb:show", "selector": "body"}
    changed = [
        {**shown, "keys": ["Accel Alt M"], "disabled": True},
        {**shown, "keys": ["Accel Alt K"]},
    ]
    settings = lab.set("@jupyterlab/shortcuts-extension/shortcuts", shortcuts=changed)
    with settings, new_page(browser) as page:
        page.goto(f"{lab.url}/lab?reset")
        page.wait_for_selector(".jp-Launcher")
        page.evaluate("() => window.jupyterapp.restored")
        side = page.locator("#maasnb-sidebar")
        page.keyboard.press("Control+Alt+m")
        assert not side.is_visible()
        page.keyboard.press("Control+Alt+k")
        side.wait_for()


def test_the_toolbars_button_is_only_there_where_maasnb_is_loaded(opened, notebook):
    opened.page.locator(".maasnb-toolbar").wait_for()
    other = notebook("1")
    other.run(0)
    expect(other.page.locator(".maasnb-toolbar")).to_be_hidden()


def test_the_server_is_started_and_stopped_by_a_command(opened):
    side = opened.page.locator("#maasnb-sidebar")
    opened.command("maasnb:start-server")
    expect(side).to_contain_text("The server answers at http://127.0.0.1:")
    opened.command("maasnb:stop-server")
    expect(side).to_contain_text("The workspace's server has been stopped.")


def test_the_launcher_makes_a_notebook_from_the_template(empty_lab):
    empty_lab.locator(".jp-LauncherCard", has_text="maasnb notebook").click()
    expect(empty_lab.locator(".jp-Notebook")).to_contain_text("%maas publish run digits")


@pytest.fixture
def viewed(empty_lab):
    """Return what opens a file in JupyterLab, without any kernel."""

    def view(path):
        empty_lab.evaluate(
            "(path) => window.jupyterapp.commands.execute('docmanager:open', { path })", path
        )
        empty_lab.locator(".maasnb-viewer").wait_for()
        return empty_lab

    return view


def test_a_record_is_shown_as_its_panel_without_a_kernel(viewed, records):
    page = viewed("maas/runs/kept/run.json")
    panel = page.locator(".maasnb-viewer .maasnb-panel")
    expect(panel.locator(".mb-status")).to_contain_text("finished")
    expect(panel).to_contain_text("validation accuracy")
    expect(panel.locator(".mb-chart canvas")).to_have_count(2)
    expect(panel.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    assert (records / "kept" / "run.json").is_file()  # a tab's title can rename its file


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[: len(text) // 2], "This record is torn"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "written by a newer maasnb"),
        (lambda text: json.dumps({"name": "else"}), "This file is no record of a run"),
    ],
    ids=["torn", "newer", "something else"],
)
def test_a_record_that_cannot_be_shown_says_why(viewed, records, change, words):
    place = records / "broken"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(records / "kept", place)
    text = (place / "run.json").read_text()
    (place / "run.json").write_text(change(text))
    page = viewed("maas/runs/broken/run.json")
    expect(page.get_by_role("alert")).to_contain_text(words)
    shutil.rmtree(place)


def test_a_torn_log_is_shown_up_to_where_it_is_whole(viewed, records):
    place = records / "cut"
    shutil.copytree(records / "kept", place)
    log = (place / "events.jsonl").read_bytes()
    (place / "events.jsonl").write_bytes(log[: len(log) // 2])
    page = viewed("maas/runs/cut/run.json")
    expect(page.locator(".maasnb-panel")).to_contain_text("1 note")
    shutil.rmtree(place)
