"""The verb `doctor`: what this environment is like, and what to type where something is wrong.

Every check is a function that returns rows and imports no framework itself: versions come from the
installed packages' metadata, and devices from the backends, which are asked only where their
framework is installed.
"""

import dataclasses
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from maasnb.hardware import devices
from maasnb.language.translating import (
    LANGUAGE_VARIABLE,
    LANGUAGES,
    language,
    translated,
    translated_rows,
)
from maasnb.settings import WORKSPACE_VARIABLE, workspace
from maasnb.tables import aligned

__all__ = ["Check", "Diagnosis", "State", "doctor"]

State = Literal["ok", "warn", "bad"]

OLDEST_PYTHON = (3, 11)
OLDEST_IPYKERNEL = (7, 1)
"""With 7.0.1 a background thread fails; before, a widget's messages wait for the cell's end."""
FRAMEWORKS = ("torch", "jax", "flax", "optax")
JUPYTER = ("jupyterlab", "ipykernel", "ipywidgets", "anywidget")
NEEDED_HERE = ("ipykernel", "anywidget")
"""JupyterLab may run elsewhere; these must be in the kernel's own environment."""
ENOUGH_DISK_BYTES = 2**30
ENOUGH_MEMORY_BYTES = 2**30
PASSIVE = (
    "Restart the kernel and begin with the cell %env OMP_WAIT_POLICY=PASSIVE, before anything "
    "imports torch; or put it in the kernelspec's env."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Hold one finding.

    Attributes:
        check: what was looked at.
        value: what was found.
        state: `"ok"`, `"warn"` (works, but not as well as it could) or `"bad"` (will not work).
        fix: what to type next; empty when all is well.
    """

    check: str
    value: str
    state: State = "ok"
    fix: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """List the findings; those that are not `ok` say what to do."""

    columns: ClassVar[tuple[str, ...]] = ("", "check", "value", "what to do")

    rows: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Say whether nothing is `bad`."""
        return all(row.state != "bad" for row in self.rows)

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the findings as rows of words, in the order of `columns`."""
        return tuple((row.state, row.check, row.value, row.fix) for row in self.rows)

    def __str__(self) -> str:
        """Return an aligned table; each fix stands in a line of its own below its row."""
        rows = translated_rows((row.state, row.check, row.value) for row in self.rows)
        lines = aligned(rows).splitlines()
        return "\n".join(
            line if not row.fix else f"{line}\n      -> {translated(row.fix)}"
            for line, row in zip(lines, self.rows, strict=True)
        )

    __repr__ = __str__


def doctor() -> Diagnosis:
    """Look at Python, packages, devices, cores, threads, the kernel and the workspace.

    Returns:
        A row for each finding, with a fix for each that is not well.
    """
    checks: tuple[Callable[[], list[Check]], ...] = (
        _python,
        _packages,
        _devices,
        _cores,
        _threads,
        _memory,
        _kernel,
        _workspace,
        _server,
        _language,
    )
    return Diagnosis(rows=tuple(row for check in checks for row in check()))


def _python() -> list[Check]:
    value = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= OLDEST_PYTHON:
        return [Check(check="Python", value=value)]
    fix = "maasnb needs Python 3.11 or newer: install it and make a new environment."
    return [Check(check="Python", value=value, state="bad", fix=fix)]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages() -> list[Check]:
    versions = {name: _version(name) for name in (*FRAMEWORKS, *JUPYTER)}
    own = _version("maasnb") or "not installed, imported from its folder"
    rows = [Check(check="maasnb", value=own)]
    frameworks = ("torch" if versions["torch"] else "", "jax" if versions["flax"] else "")
    for name in FRAMEWORKS:
        extra = "torch" if name == "torch" else "jax"
        rows.append(_framework(name, versions[name], extra, bad=not any(frameworks)))
    for name in JUPYTER:
        version = versions[name]
        if version:
            rows.append(Check(check=name, value=version))
        elif name in NEEDED_HERE:
            fix = "%pip install 'maasnb[notebook]'"
            rows.append(Check(check=name, value="not installed", state="warn", fix=fix))
        else:
            rows.append(Check(check=name, value="not in this environment"))
    return rows


def _framework(name: str, version: str | None, extra: str, *, bad: bool) -> Check:
    if version:
        return Check(check=name, value=version)
    fix = f"%pip install 'maasnb[{extra}]'" + (" (one framework is needed)" if bad else "")
    return Check(check=name, value="not installed", state="bad" if bad else "warn", fix=fix)


def _devices() -> list[Check]:
    return [
        Check(check=f"device ({row.backend})", value=f"{row.device}: {row.description}")
        for row in devices().rows
        if row.device
    ]


def _cores() -> list[Check]:
    cores, usable, quota = os.cpu_count() or 1, _usable_cores(), _quota()
    shown = "no quota" if quota is None else f"quota of {quota:g}"
    return [Check(check="cores", value=f"{cores}, {usable} usable, {shown}")]


def _usable_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return how many cores the control group (v2, else v1) may use; None without a quota."""
    try:
        limit, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if limit == "max" or int(limit) <= 0:
        return None
    return int(limit) / int(period)


def _threads() -> list[Check]:
    rows = []
    threads, usable = _pool_sizes(), min(_usable_cores(), _quota() or float("inf"))
    if threads:
        too_many = threads > max(1, usable)
        fix = (
            f"Restart the kernel and begin with the cell %env OMP_NUM_THREADS={max(1, int(usable))}"
        )
        state: State = "warn" if too_many else "ok"
        value = f"{threads} in the largest pool"
        rows.append(Check(check="threads", value=value, state=state, fix=fix if too_many else ""))
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    if policy.upper() == "PASSIVE":
        rows.append(Check(check="OMP_WAIT_POLICY", value=policy))
    else:
        value = f"{policy or 'not set'}: threads that wait keep a shared core busy"
        rows.append(Check(check="OMP_WAIT_POLICY", value=value, state="warn", fix=PASSIVE))
    return rows


def _pool_sizes() -> int:
    """Return the size of the largest loaded pool of native threads; 0 where it cannot be seen."""
    try:
        from threadpoolctl import threadpool_info  # noqa: PLC0415 - comes with scikit-learn, an extra
    except ImportError:
        return 0
    return max((int(pool["num_threads"]) for pool in threadpool_info()), default=0)


def _memory() -> list[Check]:
    free = _free_memory()
    if free is None:
        return []
    value = f"{free / 2**30:.1f} GiB free"
    if free >= ENOUGH_MEMORY_BYTES:
        return [Check(check="memory", value=value)]
    fix = "Shut down other kernels, or train with smaller batches: --batch 16"
    return [Check(check="memory", value=value, state="warn", fix=fix)]


def _free_memory(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how many bytes this process can still take; None where nobody says.

    A container's limit counts too: of version 2 of control groups, else of version 1.
    """
    try:
        import psutil  # noqa: PLC0415 - comes with ipykernel, an extra
    except ImportError:
        return None
    free = int(psutil.virtual_memory().available)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            free = min(free, int((root / limit).read_text()) - int((root / used).read_text()))
        except (OSError, ValueError):  # no such version, or the limit is the word "max"
            continue
    return max(free, 0)


def _kernel() -> list[Check]:
    name = "live controls"
    app: Any = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    if app is None or not app.initialized():
        value = "not in a Jupyter kernel: text progress, and Ctrl-C stops a run"
        return [Check(check=name, value=value)]
    version = _version("ipykernel") or "0"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_IPYKERNEL:
        value = f"ipykernel {version}: controls wait until the cell ends"
        fix = "%pip install 'ipykernel>=7.1' and restart the kernel"
        return [Check(check=name, value=value, state="warn", fix=fix)]
    if not getattr(app.instance().kernel, "_supports_kernel_subshells", True):
        value = "this kernel has no subshells: controls wait until the cell ends"
        fix = "Train in the background: %maas train net digits --bg"
        return [Check(check=name, value=value, state="warn", fix=fix)]
    elsewhere = _other_front_end()
    if elsewhere:
        value = (
            f"{elsewhere}: controls wait until the cell ends; the stop button of the kernel works"
        )
        fix = "Train in the background: %maas train net digits --bg"
        return [Check(check=name, value=value, state="warn", fix=fix)]
    return [Check(check=name, value="work while a cell runs (JupyterLab >= 4.4, Notebook 7)")]


def _other_front_end() -> str:
    if "COLAB_RELEASE_TAG" in os.environ:
        return "Colab"
    return "VS Code" if "VSCODE_PID" in os.environ else ""


def _workspace() -> list[Check]:
    folder = workspace()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    rows = [Check(check="workspace", value=str(folder))]
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        value = f"{folder} (cannot be written)"
        fix = f"%env {WORKSPACE_VARIABLE}=/a/folder/you/own"
        rows = [Check(check="workspace", value=value, state="bad", fix=fix)]
    free = shutil.disk_usage(there).free
    value = f"{free / 2**30:.1f} GiB free"
    if free >= ENOUGH_DISK_BYTES:
        return [*rows, Check(check="disk", value=value)]
    fix = f"Make room, or move the workspace: %env {WORKSPACE_VARIABLE}=/a/larger/disk"
    return [*rows, Check(check="disk", value=value, state="warn", fix=fix)]


def _server() -> list[Check]:
    try:
        from maasnb.serve import embedded  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        fix = "%pip install 'maasnb[serve]'"
        return [Check(check="server", value="not installed", state="warn", fix=fix)]
    folder = workspace()
    if not (folder / embedded.SERVER_FILE).exists():
        return [Check(check="server", value="none runs; the first publish starts one")]
    server = embedded.live_server(folder)
    if server is not None:
        return [Check(check="server", value=f"{server.url} answers")]
    value = "the last one does not answer any more"
    fix = f"Publish again, which starts one; its log is {folder / embedded.LOG_FILE}"
    return [Check(check="server", value=value, state="warn", fix=fix)]


def _language() -> list[Check]:
    wanted = os.environ.get(LANGUAGE_VARIABLE, "")
    known = wanted in ("", "auto") or wanted.lower().startswith(LANGUAGES)
    if known:
        return [Check(check="language", value=language())]
    fix = f"%env {LANGUAGE_VARIABLE}=zh (known: {', '.join(LANGUAGES)}, auto)"
    value = f"{wanted} is not known; it is English"
    return [Check(check="language", value=value, state="warn", fix=fix)]
