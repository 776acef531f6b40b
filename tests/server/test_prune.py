"""`maasnb prune` beside a running server, and what it says."""

import dataclasses
import os
import subprocess
import sys
import time

import httpx
import pytest

from maasnb import cli
from maasnb.artifacts.artifact import Artifact
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import ArtifactError
from maasnb.registry.folders import FolderStore
from maasnb.registry.marks import Marks
from maasnb.registry.models import open_registry
from maasnb.serve.audit import AuditLog
from maasnb.serve.tokens import workspace_token
from tests.object_stores import new_bucket, s3_service, s3_variables
from tests.registry.pruned import manifest_of, send, unpublish
from tests.servers import REPOSITORY, serving
from tests.small_runs import small_artifact, small_run

DAY_S = 24 * 3600


def run(capsys, *words):
    """Run a command that works; return what it printed on the standard output."""
    assert cli.main([*words]) == 0
    return capsys.readouterr().out


def as_of_last_month(workspace):
    """Make the blobs of a workspace as old as if they had been published long ago."""
    then = time.time() - 40 * DAY_S
    for path in (workspace / "registry/blobs/sha256").iterdir():
        os.utime(path, (then, then))


def condemned_two_days_ago(workspace):
    """Leave the marks that a prune would have left two days ago."""
    store = FolderStore(workspace / "registry")
    marks = Marks(store, clock=lambda: time.time() - 2 * DAY_S)
    for digest in store.names("blobs/sha256"):
        assert marks.condemn(digest, None)


def two_versions(workspace):
    """Publish two versions long ago, and unpublish the first one now."""
    registry = open_registry(workspace)
    send(registry, b"program" * 300_000, b"old weights" * 300_000, b"pairs")
    send(registry, b"program" * 300_000, b"new weights" * 300_000, b"pairs")
    unpublish(registry, 1)
    as_of_last_month(workspace)
    return registry


def small(name):
    same = small_artifact()
    return Artifact(manifest=dataclasses.replace(same.manifest, name=name), blobs=same.blobs)


def test_a_server_goes_on_while_a_prune_takes_what_was_unpublished(workspace):
    x = small_run().data.test.x[:2]
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}
    with serving(workspace) as url:
        headers = {"authorization": f"Bearer {workspace_token(workspace)}"}
        connection = Connection(url, workspace_token(workspace))
        with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
            before = upload(small("digits"), connection)
            assert (before.version, before.sent_bytes > 0) == (1, True)
            assert http.delete("/maas/v1/models/digits").status_code == 200
            as_of_last_month(workspace)
            condemned_two_days_ago(workspace)
            command = [sys.executable, "-m", "maasnb", "prune", "--days", "0"]
            said = subprocess.run(
                [*command, "--workspace", str(workspace)],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert (said.returncode, said.stderr) == (0, "")
            assert f"Deleted: {len(small_artifact().blobs)} blobs" in said.stdout
            with pytest.raises(ArtifactError, match=r"deleted to make room \(maasnb prune\)"):
                connection.send("PUT", "/maas/v1/models/digits/versions/1", b"{}")
            again = upload(small("digits"), connection)
            assert (again.version, again.sent_bytes) == (1, before.sent_bytes)
            answer = http.post("/v2/models/digits/infer", json={"inputs": [tensor]})
            assert answer.status_code == 200
        connection.close()


def test_a_server_does_not_take_a_manifest_whose_blobs_are_being_deleted(workspace):
    with serving(workspace) as url:
        connection = Connection(url, workspace_token(workspace))
        upload(small("digits"), connection)
        store = FolderStore(workspace / "registry")
        marks, digest = Marks(store), small_artifact().manifest.weights.digest
        # As a prune leaves it that is killed between two steps.
        assert marks._swap(digest, "deleting", None)
        assert connection.stored(f"/maas/v1/blobs/{digest}")[0] is False
        manifest = dataclasses.replace(small_artifact().manifest, name="other")
        with pytest.raises(ArtifactError, match="is not in the registry"):
            connection.send("POST", "/maas/v1/models/other/versions", manifest.to_bytes())
        connection.close()


def test_it_says_what_is_condemned_and_when_it_can_go(workspace, capsys):
    two_versions(workspace)
    would = run(capsys, "prune", "--days", "0", "--dry-run")
    assert "Needed, kept: 3 blobs, 5.4 MB." in would
    assert "Not needed, would be condemned now: 1 blob, 3.3 MB." in would
    assert "Would be deleted now: nothing. Nothing was changed." in would
    said = run(capsys, "prune", "--days", "0")
    assert "Not needed, condemned now: 1 blob, 3.3 MB." in said
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + DAY_S))
    assert f"A prune after {tomorrow}" in said
    assert "Condemned before, less than a day ago: 1 blob, 3.3 MB." in run(
        capsys, "prune", "--days", "0"
    )


def test_now_frees_at_once_and_the_audit_log_says_so(workspace, capsys):
    registry = two_versions(workspace)
    said = run(capsys, "prune", "--days", "0", "--now")
    assert "Deleted: 1 blob, 3.3 MB." in said
    (entry,) = AuditLog(workspace).read(10)
    assert (entry["action"], entry["deleted"], entry["freed_bytes"]) == ("prune", 1, 3_300_000)
    assert registry.versions("small") == (2,)
    assert "Deleted: nothing." in run(capsys, "prune", "--now")
    assert len(AuditLog(workspace).read(10)) == 1


def test_what_is_stored_or_wanted_lately_is_said_to_stay(workspace, capsys):
    registry = open_registry(workspace)
    for content in (b"a", b"b"):
        registry.put_blob(manifest_of(content).weights.digest, content)
    assert "stored or wanted within a day, kept for now: 2 blobs, 0.0 MB." in run(capsys, "prune")


def test_what_was_half_sent_long_ago_goes_too(workspace, capsys):
    uploads = open_registry(workspace).uploads
    uploads.mkdir(parents=True)
    for name, days in (("old", 2), ("new", 0.5)):
        (uploads / name).write_bytes(b"x" * 2_000_000)
        then = time.time() - days * DAY_S
        os.utime(uploads / name, (then, then))
    words = "nothing; and 2.0 MB that were half sent and given up on."
    assert f"Would be deleted now: {words}" in run(capsys, "prune", "--dry-run")
    assert len(list(uploads.iterdir())) == 2
    assert f"Deleted: {words}" in run(capsys, "prune")
    assert [path.name for path in uploads.iterdir()] == ["new"]


def test_a_folder_that_is_not_there_is_refused(workspace, capsys):
    assert cli.main(["prune", "--store", str(workspace / "elsewhere")]) == 1
    assert "There is no registry in" in capsys.readouterr().err
    assert cli.main(["prune"]) == 1
    assert not workspace.exists()


def test_root_is_refused_where_the_server_is_another_user(workspace, capsys, monkeypatch):
    two_versions(workspace)
    if os.geteuid() == 0:
        os.chown(workspace / "registry", 1234, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli.main(["prune", "--days", "0"]) == 1
    assert "could not change. Type: sudo -u '#" in capsys.readouterr().err
    assert not (workspace / "registry/condemned").exists()


def test_days_that_are_none_are_refused(workspace, capsys):
    two_versions(workspace)
    assert cli.main(["prune", "--days", "-3"]) == 1
    assert "The number of days is -3; expected 0 to 999999" in capsys.readouterr().err


def test_a_registry_in_s3_is_pruned(workspace, capsys, monkeypatch):
    with s3_service() as service:
        for name, value in s3_variables(service).items():
            monkeypatch.setenv(name, value)
        place = new_bucket(service)
        registry = open_registry(workspace, place)
        send(registry, b"program", b"weights", b"pairs")
        monkeypatch.setenv("MAASNB_STORE", place)
        assert "Needed, kept: 3 blobs, 0.0 MB." in run(capsys, "prune")
        unpublish(registry, 1)
        said = run(capsys, "prune", "--days", "0", "--store", place)
        assert "stored or wanted within a day, kept for now: 3 blobs" in said
