"""What survives kills, full disks and races."""

import concurrent.futures
import contextlib
import os
import resource
import subprocess
import threading

import httpx
import pytest

from benchmarks.publish_kills import trials
from maasnb.artifacts.blobs import digest_of
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import EndpointError
from maasnb.registry.models import open_registry
from maasnb.serve.tokens import workspace_token
from tests.server.test_lifecycle import artifact
from tests.servers import serving
from tests.small_runs import small_artifact


@pytest.mark.timeout(600)  # a server is started for each kill
def test_a_server_killed_while_a_version_is_published_lists_only_whole_versions(tmp_path):
    kills = 10
    results = trials(small_artifact(), tmp_path / "maas", kills, seed=1)
    assert len(results) == kills


def test_publishers_on_two_servers_who_race_for_a_version_all_get_their_own(tmp_path):
    place, barrier = str(tmp_path / "shared"), threading.Barrier(6)

    def publish(server, workspace, number):
        connection = Connection(server, workspace_token(workspace))
        barrier.wait(30)
        try:
            return upload(artifact("raced", number), connection).version
        finally:
            connection.close()

    one, two = tmp_path / "one", tmp_path / "two"
    with serving(one, "--store", place) as first, serving(two, "--store", place) as second:
        servers = [(first, one), (second, two)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            jobs = [pool.submit(publish, *servers[each % 2], each) for each in range(6)]
            versions = [job.result() for job in jobs]
    assert sorted(versions) == [1, 2, 3, 4, 5, 6]
    registry = open_registry(tmp_path, place)
    for number, version in enumerate(versions):
        assert registry.manifest("raced", version).metrics == {"accuracy": number / 100}


@contextlib.contextmanager
def small_disk(folder, size):
    """Make a folder a disk of its own, of that size."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can make a small disk")
    if subprocess.run(["mount", *options], capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def client(url, workspace):
    headers = {"authorization": f"Bearer {workspace_token(workspace)}"}
    return httpx.Client(base_url=url, headers=headers, timeout=60)


def test_a_disk_that_is_full_is_said_so_and_nothing_half_is_left(tmp_path):
    home, disk = tmp_path / "maas", tmp_path / "disk"
    with small_disk(disk, "40m"), serving(home, "--store", str(disk)) as url:
        with client(url, home) as http:
            large = os.urandom(30 << 20)
            refused = http.put(f"/maas/v1/blobs/{digest_of(large)}", content=large)
            assert refused.status_code == 507
            assert "Make room there, then publish again" in refused.json()["error"]
            (disk / "filler").write_bytes(b"x" * (39 << 20))
            # A sender that does not say how much is coming finds the disk full on the way.
            pieces = (os.urandom(1 << 20) for _ in range(8))
            refused = http.put(f"/maas/v1/blobs/{digest_of(large)}", content=pieces)
            assert refused.status_code == 507
            assert "No space left on device" in refused.json()["error"]
            assert not list((disk / "uploads").iterdir())
            connection = Connection(url, workspace_token(home))
            with pytest.raises(EndpointError, match="status 507"):
                upload(small_artifact(), connection)
            assert http.get("/maas/v1/models").json()["models"] == []
            (disk / "filler").unlink()
            assert upload(small_artifact(), connection).version == 1
            connection.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_a_version_that_cannot_be_written_is_not_listed(tmp_path):
    with serving(tmp_path) as url, client(url, tmp_path) as http:
        pid = int((tmp_path / "server.json").read_text().split('"pid":')[1].strip(" }\n"))
        connection = Connection(url, workspace_token(tmp_path))
        upload(artifact("limited", 1), connection)
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (100, before[1]))
        with pytest.raises(EndpointError, match="status 507.*cannot be written"):
            upload(artifact("limited", 2), connection)
        refused = http.put("/maas/v1/models/limited/aliases/prod", json={"version": 1})
        assert refused.status_code == 507
        assert http.get("/v2/models/limited").json()["versions"] == ["1"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        assert upload(artifact("limited", 2), connection).version == 2
        connection.close()
    assert not list((tmp_path / "registry").rglob(".part-*"))
