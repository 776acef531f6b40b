"""`%maas` in IPython in a terminal."""

import os
import sys
from pathlib import Path

import pytest

pexpect = pytest.importorskip("pexpect")  # comes with IPython, but not on Windows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def terminal(tmp_path):
    """Yield what runs a line in IPython and returns what the terminal got."""
    environment = {
        **os.environ,
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }
    environment.pop("MAASNB_PANEL", None)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
        env=environment,
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 140),
    )
    child.expect(r"In \[1\]: ")
    count = 1

    def run(line):
        nonlocal count
        count += 1
        child.sendline(line)
        child.expect(rf"In \[{count}\]: ")
        return child.before

    yield run
    child.close(force=True)


# The terminal is a forked process that becomes IPython at once, whatever threads this one has.
@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning")
def test_a_run_is_one_line_that_is_rewritten_and_then_its_twin_once(terminal):
    terminal("import maasnb as mb")
    terminal("%load_ext maasnb")
    terminal("%maas data digits")
    terminal("net = mb.build([mb.Dense(10)], data=digits)")
    text = terminal("%maas train net digits --epochs 2")
    assert "\r\x1b[2Kdigits-torch  " in text
    assert text.count("Run on digits (torch): finished, 2 epochs, 90 steps") == 1
    assert "Run 'digits-torch': finished, step 90 of 90" in text
