"""A workspace of its own for each notebook, and how long it took and how much memory it needed.

Saved outputs show a first run and a first version. A notebook fails that needs more than MOST_MB.
"""

import collections
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

MOST_MB = 1500
"""Of memory for the kernel of a notebook; mybinder.org gives 2 GB, the servers included."""

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Note the kernel's memory behind the last cell, while the kernel is still there."""
    kernel = getattr(item.parent, "kernel", None)
    if kernel is not None and (nextitem is None or nextitem.path != item.path):
        peak_mb = _peak_mb(kernel.km.provisioner.pid)
        item.user_properties.append(("peak_mb", peak_mb))
        if peak_mb > MOST_MB:
            pytest.fail(f"{item.path.name} needs {peak_mb} MB of memory; at most {MOST_MB} fit")
    yield


def _peak_mb(pid: int) -> int:
    """Return the most memory that a process has had; where nobody keeps it, what it has now."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return psutil.Process(pid).memory_info().rss >> 20


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the time and the memory of each notebook."""
    seconds: dict[str, float] = collections.Counter()
    peaks: dict[str, object] = {}
    for report in (each for kind in terminalreporter.stats.values() for each in kind):
        path = getattr(report, "nodeid", "").partition("::")[0]
        if path.endswith(".ipynb") and isinstance(report, pytest.TestReport):
            seconds[path] += report.duration
            told = dict(report.user_properties)
            if "peak_mb" in told:
                peaks[path] = told["peak_mb"]
    if peaks:
        terminalreporter.section("seconds, and MB of memory, of each notebook")
    for path in sorted(peaks):
        terminalreporter.write_line(f"{seconds[path]:5.0f} {peaks[path]:>5}  {path}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the workspaces; the kernels and their servers have ended."""
    for space in config.stash.get(WORKSPACES, {}).values():
        space.cleanup()
