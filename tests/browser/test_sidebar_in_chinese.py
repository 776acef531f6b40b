"""The extension in Chinese, in the dark theme, with notifications that can be switched off."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import new_page
from tests.browser.jupyter import PREPARE, Notebook, Server


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    settings = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
    folder = tmp_path_factory.mktemp("chinese")
    server = Server(folder, "jupyterlab", "JupyterLab Dark", "zh_CN", settings)
    yield server.wait_until_up()
    server.stop()


def test_words_are_chinese_and_a_run_in_the_background_is_told_of(browser, chinese):
    with new_page(browser) as page:
        notebook = Notebook(page, chinese, "中文").write(PREPARE).open()
        notebook.command("maasnb:show")
        side = page.locator("#maasnb-sidebar")
        expect(side).to_contain_text("此内核还没有加载 maasnb。")
        notebook.run(0)
        expect(side).to_contain_text("net 还没有训练过。")
        notebook.run_source("bg = mb.train(net, digits, epochs=10**5, name='bg', wait=False)")
        expect(side.locator(".maasnb-run")).to_contain_text("训练中")
        expect(page.locator(".maasnb-statusbar")).to_have_text("1 个训练中")
        side.get_by_role("button", name="停止", exact=True).click()
        expect(page.locator(".Toastify")).to_contain_text("训练 bg 已停止。")
        side.locator(".maasnb-name").click()
        panel = page.locator(".maasnb-viewer .maasnb-panel")
        expect(panel.locator(".mb-status")).to_contain_text("已停止")
        for words in ("训练损失", "学习率", "手动停止"):
            expect(panel).to_contain_text(words)
        notebook.command("application:close")
        notebook.command("docmanager:open", path="maas/runs/bg/run.json")
        expect(panel.locator(".mb-answer").first).to_have_text("手动停止")  # without the kernel
        notebook.command("application:close")
        page.locator(".lm-MenuBar-itemLabel", has_text="maasnb").click()
        expect(page.locator(".lm-Menu").last).to_contain_text("启动本地服务器")
        page.keyboard.press("Escape")
        notebook.end()


def test_notifications_that_are_switched_off_stay_away_until_they_are_switched_on(browser, chinese):
    def train_and_stop(name):
        notebook.run_source(f"bg = mb.train(net, digits, epochs=10**5, name='{name}', wait=False)")
        side.get_by_role("button", name="停止", exact=True).click()
        expect(side.locator(f"[data-run='{name}']")).to_have_attribute("data-status", "stopped")

    with chinese.set("maasnb/plugin", notifications=False), new_page(browser) as page:
        notebook = Notebook(page, chinese, "安静").write(PREPARE).open()
        notebook.command("maasnb:show")
        side = page.locator("#maasnb-sidebar")
        notebook.run(0)
        train_and_stop("quiet")
        notebook.command("settingeditor:open", query="maasnb")
        page.get_by_label("通知").check()
        notebook.command("docmanager:open", path="安静.ipynb")
        train_and_stop("told")
        expect(page.locator(".Toastify")).to_contain_text("训练 told 已停止。")
        expect(page.locator(".Toastify__toast")).to_have_count(1)
        notebook.end()
