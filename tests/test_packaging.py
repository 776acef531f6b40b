"""Packaging: the lock, the extras and the Binder files agree with one another."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.]+)(; sys_platform != 'win32')?"
)


def key(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pin_lines(path):
    lines = (ROOT / path).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "--"))]


def pins(path):
    found = [PIN.fullmatch(line) for line in pin_lines(path)]
    return {key(each["name"]): each["version"] for each in found if each}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("path", ["requirements.lock", "binder/requirements.txt"])
def test_a_lock_holds_plain_pins_and_nothing_of_the_machine_that_made_it(path):
    assert [line for line in pin_lines(path) if not PIN.fullmatch(line)] == []


def test_every_dependency_and_extra_is_locked():
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    names = {key(re.split(r"[\[<>=; ]", text)[0]) for group in groups for text in group}
    assert names - {"maasnb"} - pins("requirements.lock").keys() == set()


def test_binder_has_the_versions_of_the_lock():
    assert pins("binder/requirements.txt").items() <= pins("requirements.lock").items()


@pytest.mark.parametrize("extra", ["notebook", "serve", "torch", "jax"])
def test_binder_has_all_that_a_person_needs(extra):
    wanted = project()["optional-dependencies"][extra] + project()["dependencies"]
    names = {key(re.split(r"[\[<>=; ]", text)[0]) for text in wanted} - {"maasnb"}
    assert names - pins("binder/requirements.txt").keys() == set()


def test_the_core_installs_without_framework_server_or_notebook():
    names = {re.split(r"[<>=]", text)[0] for text in project()["dependencies"]}
    assert names == {"httpx", "numpy", "safetensors"}


@pytest.mark.parametrize("path", [".ci/run", "binder/postBuild", "binder/start"])
def test_a_script_can_be_executed(path):
    assert os.access(ROOT / path, os.X_OK)


def test_every_dependency_has_its_line_in_the_decisions():
    table = (ROOT / "docs/decisions/0001-dependencies.md").read_text()
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    names = {re.split(r"[\[<>=; ]", text)[0] for group in groups for text in group} - {"maasnb"}
    assert [name for name in sorted(names) if not re.search(rf"^\| {name}\b", table, re.M)] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel as pip would, without Node and without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_brings_the_kernel_to_where_jupyter_looks(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    spec = {name.partition("/data/share/jupyter/kernels/")[2] for name in names} - {""}
    assert spec == {f"maasnb/{name}" for name in os.listdir(ROOT / "extension/kernels/maasnb")}


def test_the_wheel_is_small_and_holds_the_front_end_built(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"maasnb/panels/static/training.js", "maasnb/py.typed"} <= set(names)
    assert [name for name in names if "node_modules" in name or name.endswith(".ts")] == []
    assert wheel.stat().st_size <= 1.5e6


def test_the_wheel_brings_the_extension_and_its_words_to_where_jupyter_looks(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name.partition("/data/share/jupyter/labextensions/")[2] for name in names} - {""}
    built = ROOT / "extension/labextension"
    files = [path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()]
    assert inside == {f"maasnb/{name}" for name in files}
    assert "maasnb/locale/zh_CN/LC_MESSAGES/maasnb.json" in names
    (points,) = [name for name in names if name.endswith("entry_points.txt")]
    assert "[jupyterlab.locale]\nmaasnb = maasnb" in zipfile.ZipFile(wheel).read(points).decode()


def test_an_installed_wheel_shows_the_extension_as_enabled(wheel, tmp_path):
    """In an environment of its own, without Node, which has JupyterLab from this one."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, system_site_packages=False)
    python = home / "bin" / "python"
    # What this environment has, as the new one's own: both are the same Python.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "beside.pth").write_text(sysconfig.get_path("purelib"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
        "PATH": f"{home / 'bin'}:/nowhere",
        "PYTHONPATH": "",
        "HOME": str(tmp_path),
    }

    def run(*words):
        return subprocess.run(
            [python, "-P", *words], env=environment, cwd=tmp_path, check=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ).stdout  # fmt: skip

    offline = ("--no-deps", "--no-index", "--force-reinstall", "--prefix", str(home))
    run("-m", "pip", "install", "-qq", *offline, str(wheel))
    said = run("-m", "jupyterlab.labextensions", "list")
    (line,) = [each for each in said.splitlines() if re.search(r"^\s*maasnb v", each)]
    assert re.search(r"enabled.*OK", re.sub(r"\x1b\[[0-9;]*m", "", line)), said
    assert str(home / "share/jupyter/labextensions") in said
