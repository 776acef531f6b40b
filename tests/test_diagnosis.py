"""What the doctor finds."""

import subprocess
import sys

import pytest

from maasnb import diagnosis
from maasnb.diagnosis import Check, Diagnosis, doctor


def row(name):
    return next(each for each in doctor().rows if each.check == name)


def test_every_row_that_is_not_well_has_a_fix():
    assert [each.check for each in doctor().rows if (each.state != "ok") != bool(each.fix)] == []


@pytest.mark.parametrize(
    "name",
    [
        *("Python", "maasnb", "torch", "jax", "ipykernel", "anywidget", "cores", "memory"),
        *("live controls", "disk", "server", "language"),
    ],
)
def test_the_doctor_looks_at(name):
    assert row(name).value


def test_waiting_threads_that_keep_a_core_busy_are_found(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert row("OMP_WAIT_POLICY").state == "warn"
    assert "%env OMP_WAIT_POLICY=PASSIVE" in row("OMP_WAIT_POLICY").fix


def test_a_passive_policy_is_well(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert row("OMP_WAIT_POLICY").state == "ok"


def test_a_workspace_that_cannot_be_written_is_bad(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path / "file" / "maas"))
    assert row("workspace").state == "bad"
    assert "%env MAASNB_HOME=" in row("workspace").fix


def test_a_missing_framework_names_the_command_that_installs_it(monkeypatch):
    version = diagnosis._version
    monkeypatch.setattr(
        diagnosis, "_version", lambda name: None if name == "torch" else version(name)
    )
    assert row("torch").state == "warn"
    assert row("torch").fix == "%pip install 'maasnb[torch]'"


def test_no_framework_at_all_is_bad(monkeypatch):
    monkeypatch.setattr(diagnosis, "_version", lambda name: None)
    assert row("torch").state == "bad"
    assert not doctor().healthy


def test_outside_a_kernel_the_doctor_says_so():
    code = "from maasnb.diagnosis import _kernel; print(_kernel()[0].value)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("not in a Jupyter kernel")


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_control_group_is_read(tmp_path, files, quota):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert diagnosis._quota(tmp_path) == quota


def test_a_fix_stands_below_its_row():
    rows = (Check(check="disk", value="0.1 GiB free", state="warn", fix="Make room."),)
    assert str(Diagnosis(rows=rows)) == "warn  disk  0.1 GiB free\n      -> Make room."


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "3000", "memory.current": "1000"}, 2000),
        ({"memory.max": "1000", "memory.current": "3000"}, 0),
        ({"memory/memory.limit_in_bytes": "500", "memory/memory.usage_in_bytes": "100"}, 400),
    ],
)
def test_the_memory_of_a_container_is_what_its_control_group_leaves(tmp_path, files, free):
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert diagnosis._free_memory(tmp_path) == free


def test_without_a_limit_the_memory_is_that_of_the_machine(tmp_path):
    (tmp_path / "memory.max").write_text("max")
    (tmp_path / "memory.current").write_text("1")
    assert (diagnosis._free_memory(tmp_path) or 0) > 2**20


def test_little_memory_says_what_to_do(monkeypatch):
    monkeypatch.setattr(diagnosis, "_free_memory", lambda: 2**29)
    assert (row("memory").value, row("memory").state) == ("0.5 GiB free", "warn")
    assert "--batch" in row("memory").fix


def test_a_server_that_is_gone_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path))
    assert row("server").value.startswith("none runs")
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:9"}')
    assert row("server").state == "warn"
    assert str(tmp_path / "server.log") in row("server").fix


def test_a_server_that_answers_is_named(workspace):
    from maasnb.serve.embedded import ensure_server, stop_server

    try:
        address = ensure_server(workspace)
        assert row("server").value == f"{address.url} answers"
    finally:
        stop_server(workspace)


@pytest.mark.parametrize(("wanted", "state"), [("zh", "ok"), ("auto", "ok"), ("fr", "warn")])
def test_a_language_that_is_not_known_is_told(monkeypatch, wanted, state):
    monkeypatch.setenv("MAASNB_LANG", wanted)
    assert next(each for each in diagnosis._language() if each.check == "language").state == state


def test_the_diagnosis_can_be_read_in_chinese(monkeypatch):
    monkeypatch.setenv("MAASNB_LANG", "zh")
    rows = (
        Check(check="disk", value="0.1 GiB free", state="warn", fix="Look at the server's log."),
    )
    assert str(Diagnosis(rows=rows)) == "注意  磁盘  可用 0.1 GiB\n      -> 请查看服务器的日志。"
