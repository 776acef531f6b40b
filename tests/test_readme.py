"""The README's cells and lines of Python run, and show what it says they show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What runs a list of cells in a real IPython shell and prints what they show.
RUN_CELLS = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(colors="nocolor")
shell.history_manager.enabled = False
for cell in sys.stdin.read().split("\\0"):
    result = shell.run_cell(cell)
    if not result.success:
        sys.exit(1)
"""


def blocks(language):
    """Return the README's fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def without_ports(text):
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)


def run(program, given="", **variables):
    """Run a program in a new process; return what it printed."""
    import os

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MAASNB_PANEL": "static", **variables}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        input=given, capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.coverage("E8")
def test_the_five_cells_show_what_the_readme_says(tmp_path):
    cells = blocks("python")[0].strip().split("\n\n")
    assert len(cells) == 5
    shown = run(RUN_CELLS, "\0".join(cells), IPYTHONDIR=str(tmp_path))
    for line in without_ports(blocks("text")[0]).splitlines():
        assert line in without_ports(shown)


def test_the_lines_of_python_run():
    shown = run(blocks("python")[1])
    accuracy, command = shown.split("\n", 1)
    assert float(accuracy) > 0.9
    assert command.startswith("curl ")


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", README))
def test_a_link_leads_somewhere(target):
    assert (ROOT / target).exists()


def test_the_two_commands_come_first():
    assert re.search(r"make demo .*\nmake test ", README[: README.index("```python")])
