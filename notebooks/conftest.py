"""A workspace of its own for each notebook: saved outputs show a first run and a first version."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

WORKSPACES = pytest.StashKey[dict[Path, tempfile.TemporaryDirectory[str]]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Name the notebook's workspace before its first cell starts the kernel."""
    spaces = item.config.stash.setdefault(WORKSPACES, {})
    if item.path.suffix == ".ipynb" and item.path not in spaces:
        spaces[item.path] = tempfile.TemporaryDirectory(prefix="maasnb-notebook-")
    with pytest.MonkeyPatch.context() as patch:
        if item.path in spaces:
            patch.setenv("MAASNB_HOME", spaces[item.path].name)
        yield


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the workspaces; the kernels and their servers have ended."""
    for space in config.stash.get(WORKSPACES, {}).values():
        space.cleanup()
