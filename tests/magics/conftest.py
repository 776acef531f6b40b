"""A real IPython shell with the extension loaded, and what it shows."""

import io
from contextlib import redirect_stderr, redirect_stdout

import pytest
from IPython.core.interactiveshell import InteractiveShell


class Notebook:
    """Run cells in a shell and keep what they wrote."""

    def __init__(self, shell):
        self.shell = shell

    def run(self, cell):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            result = self.shell.run_cell(cell)
        return result, out.getvalue() + err.getvalue()

    def __getitem__(self, name):
        return self.shell.user_ns[name]


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Yield a fresh shell with the extension, in a workspace of its own."""
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path / "maas"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MAASNB_PANEL", raising=False)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors="nocolor")
    shell.history_manager.enabled = False
    shell.run_cell("%load_ext maasnb")
    yield Notebook(shell)
    shell.run_cell("%unload_ext maasnb")
    shell.atexit_operations()
    InteractiveShell.clear_instance()
