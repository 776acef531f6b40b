"""A quiet IPython shell that runs cells, for tests that read like a notebook."""

import contextlib
import io

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class Cells:
    """Run cells one after another in one namespace."""

    def __init__(self):
        config = Config()
        config.HistoryManager.enabled = False
        # Not `instance()`: nobody else is to find this shell, so no progress is shown.
        self.shell = InteractiveShell(config=config, colors="nocolor")
        self.names = self.shell.user_ns

    def run(self, cell):
        """Run a cell; return its value, or raise what it raised."""
        with contextlib.redirect_stdout(io.StringIO()):
            result = self.shell.run_cell(cell)
        result.raise_error()
        return result.result


@contextlib.contextmanager
def opened():
    """Yield a shell with the extension loaded, and take the extension out again."""
    cells = Cells()
    cells.run("%load_ext maasnb")
    try:
        yield cells
    finally:
        cells.run("%unload_ext maasnb")
