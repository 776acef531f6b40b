"""What `%load_ext maasnb` registers: `%maas`, completion, displays, progress and sidebar."""

from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from maasnb.errors import MaasError
from maasnb.language.translating import translated
from maasnb.magics import completion, formatters, inspection
from maasnb.magics.calling import run_line
from maasnb.magics.pointing import pointed
from maasnb.panels import progress, sidebar

__all__ = ["MaasMagics", "load", "unload"]


@magics_class
class MaasMagics(Magics):
    """Hold `%maas` and `%%maas`."""

    @line_cell_magic
    def maas(self, line: str, cell: str | None = None) -> Any:  # noqa: ANN401 - what the verb returns
        """Build, train, inspect and publish a model: `%maas` alone says what can be done next.

        The result shows at once, wherever in its cell the magic stands; a semicolon keeps it quiet.

        An error of ours keeps its class, so that `except` finds it, and shows as its message alone.
        """
        assert self.shell is not None
        silent = line.rstrip().endswith(";")
        try:
            result = run_line(line.rstrip().removesuffix(";"), cell, self.shell.user_ns)
        except MaasError as error:
            _without_traceback(error, line, cell)
            raise
        formatters.show(result, silently=silent)
        return result


def load(shell: InteractiveShell) -> None:
    """Register everything with a shell; doing it twice is the same as once."""
    shell.register_magics(MaasMagics)
    completion.register(shell)
    inspection.register(shell)
    formatters.register(shell)
    progress.attach()
    sidebar.attach(shell)


def unload(shell: InteractiveShell) -> None:
    """Take everything away again that `load` registered, but the display of results that exist."""
    for magics in shell.magics_manager.magics.values():
        magics.pop("maas", None)
    completion.unregister(shell)
    inspection.unregister(shell)
    formatters.unregister(shell)
    progress.detach()
    sidebar.detach()


def _without_traceback(error: MaasError, line: str, cell: str | None) -> None:
    """Tell IPython to show one message: it asks an exception for this method when it has one."""
    words = translated(str(error))
    lines = [f"{type(error).__name__}: {words}", *pointed(error, line, cell).splitlines()]
    error.__dict__["_render_traceback_"] = lambda: lines
