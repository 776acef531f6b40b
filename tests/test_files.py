"""Files are whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from maasnb.errors import WorkspaceError
from maasnb.files import write_whole


def failing(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


def test_a_file_holds_what_was_written(tmp_path):
    write_whole(tmp_path / "run.json", b"\x00new\n")
    assert (tmp_path / "run.json").read_bytes() == b"\x00new\n"


def test_the_new_content_takes_the_place_of_the_old(tmp_path):
    for content in (b"a long old content", b"new"):
        write_whole(tmp_path / "run.json", content)
    assert (tmp_path / "run.json").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.chmod", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "run.json"
    write_whole(path, b"old")
    monkeypatch.setattr(step, failing)
    with pytest.raises(WorkspaceError, match=r"run.json' cannot be written \(No space left .*Make"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_an_interrupted_write_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    def interrupt(_handle):
        raise KeyboardInterrupt

    path = tmp_path / "run.json"
    write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    order, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (order.append("replace"), replace(self, to))
    )
    write_whole(tmp_path / "run.json", b"new")
    assert order == ["fsync", "replace"]


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_the_file_has_the_asked_permissions(tmp_path, mode):
    path = tmp_path / "token"
    write_whole(path, b"secret", mode=mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_secret_is_never_readable_by_others(tmp_path, monkeypatch):
    seen, fsync = [], os.fsync

    def look(handle):
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(tmp_path / "token", b"secret", mode=0o600)
    assert seen == [0o600]


@pytest.mark.parametrize("place", ["missing/run.json", "file/run.json", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WorkspaceError, match=f"{place}' cannot be written .* run the cell again"):
        write_whole(tmp_path / place, b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
