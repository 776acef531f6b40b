"""Model as a service, from a notebook: build, train, inspect and publish a model in cells."""

from typing import Any

__version__ = "0.1.0"


def load_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - an InteractiveShell; IPython stays unimported here
    """Register the `%maas` magics; `%load_ext maasnb` calls this."""
    from maasnb.magics.extension import load  # noqa: PLC0415 - only a notebook needs it

    load(shell)


def unload_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - likewise
    """Take the `%maas` magics away; `%unload_ext maasnb` calls this."""
    from maasnb.magics.extension import unload  # noqa: PLC0415 - only a notebook needs it

    unload(shell)
