"""One JupyterLab and one Chromium for all tests of this folder; each test has a page of its own.

The browser ends with the folder, because Playwright keeps an event loop running that others would
meet; the servers stay for whichever file of this folder comes later.
"""

import contextlib
import os
import shutil

import pytest

from tests.browser.jupyter import TIMEOUT_S, Notebook, Server

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
MISSING = "Chromium is missing; on Debian and Ubuntu type: apt-get install chromium"


@pytest.fixture(scope="package")
def browser():
    """Start Debian's Chromium; Playwright's own downloads are not needed."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT_S * 1000)
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        # Where a browser is promised, as in .ci/run, its absence is a failure.
        (pytest.fail if os.environ.get("MAASNB_NEEDS_BROWSER") else pytest.skip)(MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


_servers: list[Server] = []  # that live as long as the tests


@pytest.fixture(autouse=True, scope="module")
def no_kernel_is_left_behind():
    """End what tests that failed have left running, or it slows down all that follow."""
    yield
    for server in _servers:
        server.end_kernels()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Start JupyterLab."""
    server = Server(tmp_path_factory.mktemp("lab"), "jupyterlab")
    server.add_kernel("echo.py", "echo")
    server.add_kernel("without_subshells.py")
    _servers.append(server)
    yield server.wait_until_up()
    _servers.remove(server)
    server.stop()


@pytest.fixture(scope="session")
def classic(tmp_path_factory):
    """Start Notebook 7."""
    server = Server(tmp_path_factory.mktemp("notebook"), "notebook")
    _servers.append(server)
    yield server.wait_until_up()
    _servers.remove(server)
    server.stop()


@contextlib.contextmanager
def new_page(browser, width=1280, height=900):
    """Open a page, and close it again."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_S * 1000)
    try:
        yield page
    finally:
        context.close()


@pytest.fixture(scope="package")
def shared(browser):
    """Return a page for all tests that leave nothing behind in it."""
    with new_page(browser) as page:
        yield page


READY = "() => window.jupyterapp && !document.querySelector('.jp-Dialog, .lm-Menu')"
CLEAR = """
async () => {
    const { shell } = window.jupyterapp;
    for (const widget of [...shell.widgets("main")]) {
        await widget.sessionContext?.shutdown();
        widget.dispose();
    }
}
"""


@pytest.fixture
def empty_lab(shared, lab):
    """Return a page with JupyterLab, in which no file is open."""
    if not (shared.url.startswith(lab.url) and shared.evaluate(READY)):
        shared.goto(f"{lab.url}/lab?reset")
        shared.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
    shared.locator(".jp-Launcher").wait_for()
    yield shared
    if shared.evaluate(READY):
        shared.evaluate(CLEAR)


@pytest.fixture
def notebook(empty_lab, lab, request):
    """Return what opens a notebook of some cells in JupyterLab."""

    def open_notebook(*cells):
        name = request.node.name.replace("[", "-").replace("]", "")[:60]
        return Notebook(empty_lab, lab, name).write(*cells).open_here()

    return open_notebook
