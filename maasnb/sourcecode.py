"""Where a run's code comes from: the cell that runs, a model's class, and the git commit.

Nothing here may stop a training: what cannot be found is left out. Words that look like secrets are
masked, because the code goes with a published model.
"""

import ast
import inspect
import linecache
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

__all__ = ["class_source", "code_of", "git_commit", "masked", "running_cell"]

LONGEST = 20_000
"""So many characters of a cell are kept."""

_SECRET = r"\w*(?:token|secret|passw(?:or)?d|api_?key)\w*"
_QUOTED = re.compile(rf"""(?i)({_SECRET}["'\]]*\s*[=:,]\s*)(["'])(?:(?!\2).)+\2""")
_WORD = re.compile(rf"(?im)(^\s*%(?:set_)?env\s+{_SECRET}[= ]\s*|--{_SECRET}[= ])\S+")


def code_of(model: object) -> dict[str, str]:
    """Return what is known of a run's code: `cell`, `model` and `commit`; unknown ones are missing.

    Args:
        model: the model that is trained.
    """
    found = {
        "cell": masked(running_cell())[:LONGEST],
        "model": masked(class_source(type(model)))[:LONGEST],
        "commit": git_commit(Path.cwd()),
    }
    return {name: text for name, text in found.items() if text}


def running_cell() -> str:
    """Return the text of the notebook's cell that is running; empty outside of one."""
    try:
        shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if shell is None:
            return ""
        if hasattr(shell, "get_parent"):  # a kernel: the request says it, even without a history
            return str(shell.get_parent()["content"]["code"])
        return str(shell.user_ns["In"][-1])
    except Exception:  # noqa: BLE001 - another shell may have neither
        return ""


def class_source(cls: type) -> str:
    """Return the cell or the lines that define a class; empty for one of an installed package."""
    try:
        code = next(
            value.__code__ for value in vars(cls).values() if inspect.isfunction(value)
        )  # a class itself does not know its cell
        path = code.co_filename
        if path.startswith((sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"))):
            return ""
        text = "".join(linecache.getlines(path))
        if not Path(path).exists() and "ipykernel" not in path:
            return text if path.startswith("<ipython") else ""
        return _part(text, cls.__name__) if Path(path).exists() else text
    except Exception:  # noqa: BLE001 - source that is gone or was never there
        return ""


def git_commit(folder: Path) -> str:
    """Return the commit that is checked out around a folder; empty where there is none.

    The files are read, because starting git takes longer than a short training.
    """
    try:
        for each in (folder, *folder.parents):
            if (each / ".git").exists():
                return _head(each / ".git")
    except OSError:
        pass
    return ""


def masked(text: str) -> str:
    """Return code without the values of what is named like a secret.

    >>> masked('mb.publish(run, token="abc123")')
    'mb.publish(run, token="...")'
    """
    return _WORD.sub(r"\1...", _QUOTED.sub(r"\1\2...\2", text))


def _part(text: str, name: str) -> str:
    """Return the definition of a class from a file's text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return ast.get_source_segment(text, node) or ""
    return ""


def _head(git: Path) -> str:
    if git.is_file():  # a work tree of its own names the folder
        git = (git.parent / git.read_text().partition(":")[2].strip()).resolve()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    ref = head.partition(":")[2].strip()
    common = git / "commondir"
    shared = (git / common.read_text().strip()).resolve() if common.exists() else git
    for place in (git, shared):
        if (place / ref).exists():
            return (place / ref).read_text().strip()
    packed = shared / "packed-refs"
    lines = packed.read_text().splitlines() if packed.exists() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {ref}")), "")
