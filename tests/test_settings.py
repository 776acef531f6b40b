"""Settings: where the workspace is, and the way out when it cannot be written."""

import os
from pathlib import Path

import pytest

from maasnb.errors import WorkspaceError
from maasnb.settings import static_panels, workspace, writable_folder


def test_the_workspace_is_the_visible_folder_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.delenv("MAASNB_HOME")
    monkeypatch.chdir(tmp_path)
    assert workspace() == tmp_path / "maas"
    assert not workspace().exists()


def test_an_empty_variable_is_no_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", "")
    monkeypatch.chdir(tmp_path)
    assert workspace() == tmp_path / "maas"


def test_the_variable_names_another_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path / "models"))
    assert workspace() == tmp_path / "models"


def test_the_tilde_of_the_variable_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", "~/models")
    assert workspace() == Path.home() / "models"


def test_a_relative_workspace_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", "models")
    monkeypatch.chdir(tmp_path)
    assert workspace() == tmp_path / "models"


@pytest.mark.parametrize(
    ("value", "static"), [("static", True), (" Static ", True), ("live", False), ("", False)]
)
def test_one_final_picture_is_asked_for_by_name(value, static, monkeypatch):
    monkeypatch.setenv("MAASNB_PANEL", value)
    assert static_panels() is static


def test_progress_is_live_unless_asked_otherwise(monkeypatch):
    monkeypatch.delenv("MAASNB_PANEL", raising=False)
    assert static_panels() is False


def test_a_folder_is_made_with_its_parents(tmp_path):
    folder = tmp_path / "runs" / "first"
    assert writable_folder(folder) == folder
    assert folder.is_dir()
    assert writable_folder(folder) == folder


def test_a_file_in_the_way_is_reported_with_the_way_out(tmp_path):
    (tmp_path / "maas").write_text("a file")
    message = r"cannot be created \(.*\)\. .* Type: %env MAASNB_HOME=/a/folder/you/own and run the"
    with pytest.raises(WorkspaceError, match=message):
        writable_folder(tmp_path / "maas" / "runs")


def test_a_folder_that_cannot_be_written_is_reported_with_the_way_out(tmp_path, monkeypatch):
    # Permission bits do not stop a superuser, who runs tests in containers.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(WorkspaceError, match=r"cannot be written \(permission denied\).*%env MAAS"):
        writable_folder(tmp_path / "runs")
