"""The kernel "Python (maasnb)": `%maas` is there in the first cell."""

import json
import sys

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.notebook.conftest import ROOT, TIMEOUT_S

KERNELS = ROOT / "extension" / "kernels"


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """Return what a cell of a kernel of that name answers, as the kernel's user expression."""
    folder = tmp_path_factory.mktemp("kernelspec")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("MAASNB_HOME", str(folder / "maas"))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("OMP_WAIT_POLICY", raising=False)
        specs = KernelSpecManager(kernel_dirs=[str(KERNELS)])
        manager = KernelManager(kernel_name="maasnb", kernel_spec_manager=specs)
        manager.start_kernel(cwd=str(folder))
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT_S)

    def ask(expression):
        reply = client.execute("", user_expressions={"it": expression}, reply=True, timeout=60)
        return reply["content"]["user_expressions"]["it"]["data"]["text/plain"]

    yield ask
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_the_magics_need_no_setup_cell(answer):
    assert answer("get_ipython().find_line_magic('maas') is not None") == "True"
    assert answer("get_ipython().run_line_magic('maas', 'data digits --as d').name") == "'digits'"


def test_idle_threads_sleep(answer):
    assert answer("__import__('os').environ['OMP_WAIT_POLICY']") == "'PASSIVE'"


def test_it_runs_the_python_that_jupyter_runs(answer):
    assert answer("__import__('sys').executable") == repr(sys.executable)


def test_the_spec_has_a_name_and_logos():
    spec = json.loads((KERNELS / "maasnb" / "kernel.json").read_text())
    assert spec["display_name"] == "Python (maasnb)"
    logos = {path.name for path in (KERNELS / "maasnb").glob("logo-*")}
    assert logos == {"logo-svg.svg", "logo-32x32.png", "logo-64x64.png"}
