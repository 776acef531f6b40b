"""What mybinder.org does with this repository, without Docker: the same files and commands."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


def run(*command, **variables):
    """Run a command in the repository; return what it printed."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def binder(tmp_path_factory):
    """Make an environment as Binder does; return its folder.

    The line with the index of CPU builds is left out: it would send every package there, too.
    """
    folder = tmp_path_factory.mktemp("binder")
    venv.create(folder / "env", with_pip=True)
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(line for line in lines if not line.startswith("--")))
    run(folder / "env/bin/python", "-m", "pip", "install", "-q", "-r", listed)
    path = f"{folder / 'env/bin'}{os.pathsep}{os.environ['PATH']}"
    run(BINDER / "postBuild", PATH=path)
    return folder / "env", path


def test_the_quickstart_runs_with_what_binder_installs(binder):
    _, path = binder
    shown = run(BINDER / "start", "python", "notebooks/demo.py", PATH=path)
    rows = [line.split() for line in shown.splitlines() if line.startswith(("torch ", "jax "))]
    assert [row[0] for row in rows] == ["torch", "jax"]
    assert all(float(row[1]) > 0.9 for row in rows)


def test_binder_has_the_kernel_that_needs_no_set_up(binder):
    folder, path = binder
    assert (folder / "share/jupyter/kernels/maasnb/kernel.json").exists()
    assert "maasnb" in run("jupyter", "kernelspec", "list", PATH=path)


def test_repo2docker_understands_the_files(tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    lock = ROOT / "tests/requirements-repo2docker.lock"
    run(tmp_path / "env/bin/python", "-m", "pip", "install", "-q", "-r", lock)
    written = run(tmp_path / "env/bin/jupyter-repo2docker", "--no-build", "--debug", ".")
    python = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"Building conda environment for python={python}" in written
    assert 'pip install --no-cache-dir -r "binder/requirements.txt"' in written
    assert "RUN ./binder/postBuild" in written
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in written
