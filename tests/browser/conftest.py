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


@pytest.fixture
def notebook(browser, lab, request):
    """Return what opens a notebook of some cells in JupyterLab."""
    with contextlib.ExitStack() as ending:

        def open_notebook(*cells):
            page = ending.enter_context(new_page(browser))
            name = request.node.name.replace("[", "-").replace("]", "")[:60]
            opened = Notebook(page, lab, name).write(*cells).open()
            ending.callback(opened.end)
            return opened

        yield open_notebook
