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


@pytest.fixture(scope="session")
def shell(tmp_path_factory):
    """Yield one shell for all tests, with an empty profile and no history."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        shell = InteractiveShell.instance(colors="nocolor")
        shell.history_manager.enabled = False
        yield shell
        InteractiveShell.clear_instance()


@pytest.fixture
def notebook(shell, monkeypatch):
    """Yield the shell without variables and with the extension."""
    monkeypatch.delenv("MAASNB_PANEL", raising=False)
    shell.reset(new_session=False)
    shell.run_cell("%load_ext maasnb")
    yield Notebook(shell)
    shell.run_cell("%unload_ext maasnb")
