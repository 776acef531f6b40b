"""A real Jupyter server and a notebook in a real browser, driven as a person does."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 30
PREPARE = (
    "%load_ext maasnb\n%maas data digits;\nimport maasnb as mb\n"
    'net = mb.build([mb.Dense(32, "relu"), mb.Dense(10)], data=digits)'
)
LONG = "%maas train net digits --epochs 100000"
SETTINGS = {
    "apputils-extension/notification": {
        "fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True,
    },
    # A notebook of a test is saved by the test alone.
    "docmanager-extension/plugin": {"autosave": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}  # fmt: skip


def with_extension(folder: Path) -> Path:
    """Return a folder in which Jupyter finds the extension as it is in this tree."""
    place = folder / "labextensions"
    place.mkdir(parents=True)
    (place / "maasnb").symlink_to(ROOT / "extension" / "labextension")
    return folder


def with_words(folder: Path) -> Path:
    """Return a folder whose metadata tells Jupyter of this tree's translations."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ((group, points),) = project["entry-points"].items()
    place = folder / "metadata" / "maasnb_words-0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: maasnb-words\nVersion: 0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (place / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
    return place.parent


class Server:
    """Run JupyterLab or Notebook 7 in a folder, on a free port of this machine."""

    def __init__(
        self,
        folder: Path,
        app: str,
        theme: str = "JupyterLab Light",
        language: str = "default",
        more: dict[str, dict[str, object]] | None = None,
        arguments: Sequence[str] = (),
    ):
        self.folder = folder
        settings = folder / "settings"
        themes = {"apputils-extension/themes": {"theme": theme}}
        words = {"translation-extension/plugin": {"locale": language}}
        for name, values in {**SETTINGS, **themes, **words, **(more or {})}.items():
            path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        outside = {name: value for name, value in os.environ.items() if name != "MAASNB_PANEL"}
        environment = {
            **outside,
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_PATH": str(with_extension(folder / "jupyter")),
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "MAASNB_HOME": str(folder / "maas"),
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(with_words(folder)), os.environ.get("PYTHONPATH", "")])
            ),
        }
        command = [
            sys.executable, "-m", app, "--no-browser", "--allow-root", "--expose-app-in-browser",
            f"--port={port}", "--ServerApp.port_retries=0", "--ip=127.0.0.1",
            "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
            f"--ServerApp.root_dir={folder}", *arguments,
        ]  # fmt: skip
        self.log = (folder / "server.log").open("w")
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT
        )

    def wait_until_up(self):
        """Return when the server answers."""
        for _ in range(TIMEOUT_S * 10):
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/api/status", timeout=5).close()
                return self
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def add_kernel(self, script: str, language: str = "python") -> str:
        """Have Jupyter offer a kernel that a script of this folder runs; return its name."""
        name = Path(script).stem
        runs = str(Path(__file__).parent / script)
        spec = {
            "argv": [sys.executable, runs, "-f", "{connection_file}"],
            "display_name": name, "language": language,
        }  # fmt: skip
        place = self.folder / "jupyter" / "kernels" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "kernel.json").write_text(json.dumps(spec))
        return name

    @contextlib.contextmanager
    def set(self, plugin: str, **values: object):
        """Have a setting for the pages that are opened meanwhile."""
        path = self.folder / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
        yield
        path.unlink()

    def end_kernels(self):
        """End all kernels, whatever they are doing."""
        with urllib.request.urlopen(f"{self.url}/api/kernels", timeout=TIMEOUT_S) as answer:
            kernels = json.load(answer)
        for kernel in kernels:
            address = f"{self.url}/api/kernels/{kernel['id']}"
            request = urllib.request.Request(address, method="DELETE")
            urllib.request.urlopen(request, timeout=TIMEOUT_S).close()

    def stop(self):
        """End the server; it ends its kernels."""
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()


class Notebook:
    """Drive one notebook in one page."""

    def __init__(self, page, server: Server, name: str, app: str = "lab", kernel: str = "python3"):
        self.page, self.server, self.name, self.app = page, server, name, app
        self.kernel = kernel
        self.path = server.folder / f"{name}.ipynb"

    def write(self, *cells: str):
        """Write the notebook's file, without outputs."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": self.kernel, "display_name": self.kernel}},
        )
        nbformat.write(notebook, self.path)
        return self

    def open(self):
        """Open the notebook in the page and wait for its kernel."""
        place = "lab/tree" if self.app == "lab" else "notebooks"
        # Without the tabs of other notebooks, which a workspace would bring back.
        self.page.goto(f"{self.server.url}/{place}/{self.name}.ipynb?reset")
        return self._opened()

    def open_here(self):
        """Open the notebook in the JupyterLab that the page shows, and wait for its kernel."""
        self.command("docmanager:open", path=f"{self.name}.ipynb")
        return self._opened()

    def _opened(self):
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.page.wait_for_function(
            """(path) => {
                const widget = window.jupyterapp?.shell.currentWidget;
                const kernel = widget?.sessionContext?.session?.kernel;
                return widget?.context?.path === path && kernel?.status === "idle";
            }""",
            arg=f"{self.name}.ipynb",
            polling=100,
            timeout=TIMEOUT_S * 1000,
        )
        return self

    def start(self, cell: int):
        """Run one cell, without waiting for its end."""
        self.page.evaluate(
            """(cell) => {
                const app = window.jupyterapp;
                app.shell.currentWidget.content.activeCellIndex = cell;
                app.commands.execute("notebook:run-cell");
            }""",
            cell,
        )

    def run(self, cell: int):
        """Run one cell and wait for its end."""
        self.page.evaluate(
            """async (cell) => {
                const app = window.jupyterapp;
                app.shell.currentWidget.content.activeCellIndex = cell;
                await app.commands.execute("notebook:run-cell");
            }""",
            cell,
        )

    def run_source(self, source: str):
        """Run a cell that is written at the notebook's end, and wait for its end."""
        self.page.evaluate(
            """async (source) => {
                const app = window.jupyterapp;
                const { content } = app.shell.currentWidget;
                const cells = content.model.sharedModel;
                cells.insertCell(cells.cells.length, { cell_type: "code", source });
                content.activeCellIndex = cells.cells.length - 1;
                await app.commands.execute("notebook:run-cell");
            }""",
            source,
        )

    def save(self):
        """Save the notebook; return what the file holds."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        return nbformat.read(self.path, as_version=4)

    def ask(self, code: str):
        """Return what a line of Python says, asked of the kernel once it is free."""
        return self.page.evaluate(
            """async (code) => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                let said = "";
                const future = kernel.requestExecute({ code, store_history: false });
                future.onIOPub = (message) => {
                    if (message.header.msg_type === "stream") said += message.content.text;
                    if (message.header.msg_type === "error") said += message.content.evalue;
                };
                await future.done;
                return said.trim();
            }""",
            code,
        )

    def running(self, cell: int):
        """Say whether a cell is running, by its prompt."""
        return "*" in self.page.locator(".jp-CodeCell .jp-InputPrompt").nth(cell).inner_text()

    def interrupt(self):
        """Do what the stop button of the toolbar does."""
        self.command("notebook:interrupt-kernel")

    def end(self):
        """End the notebook's kernel, whatever it is doing."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def command(self, name: str, **arguments):
        """Carry out one of the front end's own commands."""
        self.page.evaluate(
            "async ([name, given]) => { await window.jupyterapp.commands.execute(name, given) }",
            [name, arguments],
        )

    @property
    def panel(self):
        """Return the panel in the page."""
        return self.page.locator(".maasnb-panel")

    @property
    def picture(self):
        """Return the pictures in the notebook's outputs."""
        return self.page.locator(".jp-Notebook .jp-OutputArea-output img")

    def status(self, words: str):
        """Wait until the panel says how the run is."""
        self.panel.locator(".mb-status", has_text=words).first.wait_for()

    def step(self) -> int:
        """Return the step that the panel shows."""
        words = self.panel.locator(".mb-progress span").first.inner_text()
        return int(words.split("step ")[1].split(" of ")[0].replace(",", ""))

    def wait_for_step(self, step: int):
        """Wait until the panel shows at least a step."""
        self.page.wait_for_function(
            """(step) => {
                const words = document.querySelector(".maasnb-panel .mb-progress span")?.innerText;
                const found = /step ([\\d,]+) of/.exec(words ?? "");
                return found !== null && Number(found[1].replaceAll(",", "")) >= step;
            }""",
            arg=step,
            polling=100,
        )

    def press(self, name: str):
        """Press one of the panel's buttons with the mouse."""
        self.panel.get_by_role("button", name=name, exact=True).first.click()

    def stop(self):
        """Press stop, and wait for the picture."""
        self.press("Stop")
        self.picture.first.wait_for()
