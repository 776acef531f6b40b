"""The live panel in JupyterLab: seen, steered with mouse and keyboard, loaded again, reopened."""

import re

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import new_page
from tests.browser.jupyter import LONG, PREPARE, Notebook


@pytest.fixture(scope="module")
def opened(browser, lab):
    """Open one notebook for the tests that leave it as it was."""
    with new_page(browser) as page:
        notebook = Notebook(page, lab, "steered").write(PREPARE, LONG).open()
        notebook.run(0)
        yield notebook
        notebook.end()


@pytest.fixture
def training(opened):
    """Return a notebook whose second cell is training and shows its panel."""
    opened.page.bring_to_front()
    opened.start(1)
    opened.wait_for_step(50)
    yield opened
    if opened.panel.count():
        opened.stop()


def test_a_beginner_sees_loss_and_progress_and_the_rest_is_closed(training):
    assert training.running(1)
    shown = training.panel.inner_text()
    for words in ("digits-torch", "training", "epoch ", "training loss", "validation accuracy"):
        assert words in shown
    assert training.panel.locator("details[open]").count() == 0
    expect(training.panel.locator(".mb-chart canvas")).to_have_count(2)  # loss and accuracy


def test_stop_ends_the_run_while_its_cell_blocks(training):
    training.stop()
    expect(training.panel).to_have_count(0)
    assert training.ask("print(run.status, run.stop_reason)") == "stopped stopped by hand"


def test_pause_and_resume_while_the_cell_blocks(training):
    training.press("Pause")
    training.status("paused")
    at = training.step()
    training.press("Resume")
    training.status("training")
    training.wait_for_step(at + 1)
    training.stop()
    said = training.ask("print([(e.action, e.source) for e in run.history.interventions])")
    assert said.startswith("[('pause', 'button'), ('resume', 'button'), ('stop', 'button')")


def test_the_learning_rate_is_typed_and_stepped(training):
    rate = training.panel.get_by_label("learning rate", exact=True)
    rate.fill("0.05")
    rate.press("Enter")
    training.press("Lower the learning rate")
    training.panel.get_by_text("2 changes by hand").wait_for()
    assert rate.input_value() == "0.02"
    training.stop()
    said = training.ask("print([e.value for e in run.history.interventions if e.action == 'lr'])")
    assert said == "[0.05, 0.02]"


@pytest.mark.parametrize("typed", ["fast", "-1", "0", ""])
def test_what_is_no_learning_rate_is_refused_where_it_is_typed(training, typed):
    rate = training.panel.get_by_label("learning rate", exact=True)
    rate.fill(typed)
    rate.press("Enter")
    training.panel.get_by_text("is no positive number; type one, as 0.001.").wait_for()
    assert rate.get_attribute("aria-invalid") == "true"
    assert training.running(1)


def test_every_control_is_reached_and_used_by_the_keyboard_alone(training):
    keyboard = training.page.keyboard
    training.panel.get_by_role("button", name="Pause").focus()
    keyboard.press("Enter")
    training.status("paused")
    focused = []
    for _ in range(16):
        keyboard.press("Tab")
        focused.append(
            training.page.evaluate(
                "() => { const e = document.activeElement; const s = getComputedStyle(e);"
                " return [e.innerText || e.ariaLabel || e.tagName, s.outlineWidth]; }"
            )
        )
    names = " ".join(name for name, _ in focused)
    for name in ("Stop", "INPUT", "+", "Loss by step", "as a table", "Gradient flow"):
        assert name in names
    assert {width for _, width in focused} == {"2px"}  # the focus is visible everywhere
    training.panel.get_by_role("button", name="Resume").focus()
    keyboard.press("Space")
    training.status("training")
    training.panel.get_by_role("button", name="Stop").focus()
    keyboard.press("Enter")
    training.page.wait_for_selector(".jp-OutputArea-output img")


def test_a_change_of_state_is_announced_and_nothing_else_is(training):
    said = training.panel.get_by_role("status")
    expect(said).to_have_text(re.compile(r"\s*digits-torch\S*: training\.\s*"))
    training.press("Pause")
    training.status("paused")
    expect(said).to_have_text(re.compile(r"\s*digits-torch\S*: paused\.\s*"))


def test_a_chart_has_its_numbers_as_a_table(training):
    training.panel.get_by_text("as a table").first.click()
    head = training.panel.locator("table thead").first.inner_text()
    assert head.split() == ["step", "training", "lowest", "highest", "validation"]
    training.panel.locator("table tbody tr").nth(1).wait_for()


def test_a_page_that_is_loaded_again_shows_the_whole_history_and_steers(notebook):
    opened = notebook(PREPARE, LONG + " --bg")
    opened.run(0)
    opened.start(1)
    opened.wait_for_step(2000)
    opened.save()
    before = opened.step()
    opened.open()
    opened.wait_for_step(before)
    opened.panel.get_by_text("as a table").first.click()
    first = opened.panel.locator("table tbody tr td").first.inner_text()
    assert int(first.replace(",", "")) <= before // 2
    opened.press("Stop")
    opened.status("stopped")
    assert opened.ask("print(run.wait().status)") == "stopped"


def test_after_a_page_is_loaded_again_while_its_cell_blocks_the_panel_is_back_with_its_end(
    notebook,
):
    opened = notebook(PREPARE, LONG)
    opened.run(0)
    opened.start(1)
    opened.wait_for_step(200)
    opened.save()
    before = opened.step()
    kernel = opened.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id"
    )
    opened.page.goto("about:blank")
    opened.page.goto(f"{opened.server.url}/lab/tree/{opened.name}.ipynb?reset")
    opened.page.wait_for_selector(".jp-Notebook .jp-Cell")
    assert opened.panel.count() == 0  # JupyterLab sends nothing before the kernel is free
    # What the stop button of the toolbar does: it needs no answer of the busy kernel.
    opened.page.evaluate(
        "(id) => fetch(`/api/kernels/${id}/interrupt`, { method: 'POST' })", kernel
    )
    opened.status("stopped")
    assert opened.step() >= before
    opened.panel.get_by_text("as a table").first.click()
    opened.panel.locator("table tbody tr").nth(1).wait_for()


def test_a_paused_run_is_published_by_the_keyboard(training):
    training.panel.get_by_text("Publish", exact=True).first.focus()
    training.page.keyboard.press("Enter")
    training.panel.get_by_text("Pause or stop the run, then publish").wait_for()
    training.press("Pause")
    training.status("paused")
    name = training.panel.get_by_label("name", exact=True)
    assert name.input_value() == "digits"
    name.fill("from-the-panel")
    name.press("Enter")
    training.panel.get_by_text("Version 1 of from-the-panel answers.").wait_for()
    assert training.running(1)
    shown = training.panel.locator(".mb-published").inner_text()
    assert "/v2/models/from-the-panel/versions/1/infer" in shown
    assert "curl -sS http://127.0.0.1:" in shown
    name.fill("no/name")
    name.press("Enter")
    training.panel.locator(".mb-answer.mb-bad", has_text="no/name").wait_for()
    training.stop()
    said = training.ask("print(mb.connect('from-the-panel').predict(digits.test.x[:2]).shape)")
    assert said == "(2, 10)"


def test_two_views_of_one_panel_show_and_steer_the_same(training):
    training.command("notebook:create-output-view")
    training.page.wait_for_function("() => document.querySelectorAll('.maasnb-panel').length === 2")
    training.panel.nth(1).get_by_role("button", name="Pause").click()
    for each in (0, 1):
        training.panel.nth(each).locator(".mb-status", has_text="paused").wait_for()
    training.panel.nth(0).get_by_role("button", name="Stop").click()
    training.page.wait_for_selector(".jp-Notebook .jp-OutputArea-output img")
    training.page.evaluate(
        "() => [...window.jupyterapp.shell.widgets('main')]"
        ".filter((each) => each.title.label === 'Output View')"
        ".forEach((each) => each.dispose())"
    )
    expect(training.panel).to_have_count(0)


def test_after_a_restart_the_panel_says_that_the_kernel_is_gone_and_keeps_what_it_had(notebook):
    opened = notebook(PREPARE, LONG)
    opened.run(0)
    opened.start(1)
    opened.wait_for_step(50)
    opened.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    opened.panel.get_by_text("The kernel is gone. This is what the panel had").wait_for()
    assert opened.step() >= 50
    expect(opened.panel.get_by_role("button", name="Stop")).to_be_disabled()


def has_no_dead_widget(page):
    words = page.inner_text("body")
    return "Error displaying widget" not in words and "Loading widget" not in words


def test_a_saved_notebook_shows_pictures_without_its_kernel_trusted_or_not(notebook):
    opened = notebook(
        PREPARE, "%maas train net digits --epochs 5", "%maas inspect net summary", LONG
    )
    for cell in (0, 1, 2):
        opened.run(cell)
    opened.start(3)
    opened.wait_for_step(50)
    saved = opened.save()
    opened.end()
    (output,) = saved.cells[1].outputs
    assert set(output.data) == {"image/png", "text/plain"}
    assert "%maas panel digits-torch" in saved.cells[3].outputs[0].data["text/plain"]
    page = opened.page
    page.goto("about:blank")
    opened.open()
    page.get_by_text("when this notebook was saved: training, step").wait_for()
    expect(opened.picture).to_have_count(2)
    assert has_no_dead_widget(page)

    saved.cells[0].source = f"# by somebody else\n{PREPARE}"  # so nobody's signature fits
    nbformat.write(saved, opened.path)
    page.goto("about:blank")
    opened.open()
    cells = "window.jupyterapp.shell.currentWidget.content.widgets"
    assert page.evaluate(f"() => {cells}[2].model.trusted") is False
    opened.picture.wait_for()  # of the run that ended; of the other one there are words
    page.get_by_text("to see it again: %maas panel digits-torch").wait_for()
    page.get_by_role("cell", name="dense1", exact=True).wait_for()
    assert has_no_dead_widget(page)
    opened.command("maasnb:show")
    side = page.locator("#maasnb-sidebar")
    expect(side).to_contain_text("maasnb is not loaded in this kernel.")
    opened.run(0)
    expect(side).to_contain_text("2,410 parameters")


def test_the_panel_of_a_finished_run_is_shown_again(opened):
    opened.page.bring_to_front()
    opened.run_source("%maas train net digits --epochs 5 --name again;\ndel run")
    opened.run_source("%maas panel again")
    opened.status("finished")
    assert opened.step() == 225
    expect(opened.panel.get_by_role("button", name="Stop")).to_be_disabled()
    opened.command("notebook:delete-cell")
    expect(opened.panel).to_have_count(0)


def test_the_panel_follows_the_theme(training):
    def back():
        return training.panel.evaluate("(e) => getComputedStyle(e).backgroundColor")

    assert back() == "rgb(255, 255, 255)"
    training.command("apputils:change-theme", theme="JupyterLab Dark")
    training.page.wait_for_selector(".maasnb-panel.mb-dark")
    assert back() == "rgb(33, 33, 33)"
    training.command("apputils:change-theme", theme="JupyterLab Light")
    training.page.wait_for_selector(".maasnb-panel:not(.mb-dark)")


def test_zooming_in_brings_detail_from_the_kernel(training):
    training.wait_for_step(1200)
    training.press("Pause")
    training.status("paused")
    chart = training.panel.locator(".mb-chart").first
    chart.focus()
    for _ in range(3):
        training.page.keyboard.press("+")
    training.panel.get_by_role("button", name="Show all").wait_for()
    training.page.keyboard.press("0")
    training.panel.get_by_role("button", name="Show all").wait_for(state="hidden")


CONTRASTS = """
(panel) => {
    const numbers = (colour) => /color\\(srgb/.test(colour)
        ? colour.match(/[\\d.]+/g).map(Number)
        : colour.match(/[\\d.]+/g).map((each) => Number(each) / 255);
    const light = (colour) => numbers(colour).slice(0, 3)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const colour = getComputedStyle(each).backgroundColor;
            if (!/, 0\\)$|transparent/.test(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const found = {};
    const texts = "strong, span, dt, dd, h4, label, summary, button, p";
    for (const each of panel.querySelectorAll(texts)) {
        const words = each.innerText?.trim();
        const hidden = each.closest("details:not([open]) > :not(summary)");
        if (!words || each.disabled || hidden) continue;
        const [a, b] = [light(getComputedStyle(each).color), light(behind(each))];
        found[words.slice(0, 30)] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }
    return found;
}
"""
"""The contrast of each text to what is behind it, by the formula of WCAG 2.2."""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_every_text_has_contrast_in_both_themes(training, theme):
    training.command("apputils:change-theme", theme=theme)
    dark = ".mb-dark" if theme.endswith("Dark") else ":not(.mb-dark)"
    training.page.wait_for_selector(f".maasnb-panel{dark}")
    found = training.panel.evaluate(CONTRASTS)
    training.command("apputils:change-theme", theme="JupyterLab Light")
    assert len(found) > 15
    assert {words: ratio for words, ratio in found.items() if ratio < 4.5} == {}
