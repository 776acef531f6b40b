"""Blobs that arrive in parts, over connections that break, on disks that fill up."""

import concurrent.futures
import os
import socket
import tempfile
import threading

import httpx
import pytest

from maasnb.artifacts.blobs import digest_of
from maasnb.artifacts.freezing import freeze
from maasnb.building import build
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.layers import Dense
from maasnb.registry.models import open_registry
from maasnb.serve.tokens import workspace_token
from maasnb.training.starting import train
from tests.server.proxies import breaking_proxy
from tests.servers import serving
from tests.small_runs import small_artifact, small_run

SIZE = 3_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("uploads") / "maas"


@pytest.fixture(scope="module")
def server(home):
    with serving(home) as url:
        yield url


@pytest.fixture
def http(server, home):
    headers = {"authorization": f"Bearer {workspace_token(home)}"}
    with httpx.Client(base_url=server, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def blob():
    """A blob that no other test has, and its path."""
    content = os.urandom(SIZE)
    return content, f"/maas/v1/blobs/{digest_of(content)}"


def part(first, last, total=SIZE):
    return {"content-range": f"bytes {first}-{last}/{total}"}


def test_a_blob_arrives_in_parts(http, blob, home):
    content, path = blob
    first = http.put(path, content=content[:1000], headers=part(0, 999))
    assert (first.status_code, first.json()["offset"]) == (202, 1000)
    asked = http.head(path)
    assert (asked.status_code, asked.headers["upload-offset"]) == (404, "1000")
    last = http.put(path, content=content[1000:], headers=part(1000, SIZE - 1))
    assert (last.status_code, last.json()["created"]) == (201, True)
    assert http.head(path).status_code == 200
    registry = open_registry(home)
    assert registry.blob(digest_of(content)) == content
    assert not list(registry.uploads.iterdir())


def test_a_part_may_come_again(http, blob):
    content, path = blob
    http.put(path, content=b"x" * 1000, headers=part(0, 999))
    http.put(path, content=content[:500], headers=part(0, 499))
    assert http.head(path).headers["upload-offset"] == "500"
    done = http.put(path, content=content[500:], headers=part(500, SIZE - 1))
    assert done.status_code == 201


def test_a_part_behind_a_gap_is_refused(http, blob):
    content, path = blob
    http.put(path, content=content[:500], headers=part(0, 499))
    late = http.put(path, content=content[600:], headers=part(600, SIZE - 1))
    assert late.status_code == 409
    assert "begins at byte 600, but 500 bytes" in late.json()["error"]


@pytest.mark.parametrize(
    "given", ["bytes 5-4/10", "bytes 0-10/10", "bytes */10", "0-9/10", "bytes -1-9/10", "x" * 999]
)
def test_a_range_that_is_none_is_refused(http, blob, given):
    answer = http.put(blob[1], content=b"x" * 10, headers={"content-range": given})
    assert answer.status_code == 400
    assert "such as 'bytes 100-199/200'" in answer.json()["error"]


def test_a_body_of_another_size_than_said_is_refused(http, blob):
    for size, words in [(9, "has 9 bytes; its headers say 10"), (11, "more bytes than its")]:
        answer = http.put(blob[1], content=b"x" * size, headers=part(0, 9, 10))
        assert answer.status_code == 400
        assert words in answer.json()["error"]


def test_a_blob_that_is_too_large_is_refused_before_it_is_sent(http, blob):
    answer = http.put(blob[1], content=b"x", headers=part(0, 0, 1 << 40))
    assert answer.status_code == 413


def test_parts_that_make_another_blob_are_thrown_away(http, blob):
    content, path = blob
    http.put(path, content=b"x" * 10, headers=part(0, 9))
    wrong = http.put(path, content=content[10:], headers=part(10, SIZE - 1))
    assert wrong.status_code == 422
    assert "damaged on the way" in wrong.json()["error"]
    assert http.head(path).headers["upload-offset"] == "0"


def until(holds):
    """Wait until something holds, for ten seconds at most."""
    for _ in range(1000):
        if found := holds():
            return found
        threading.Event().wait(0.01)
    return holds()


def test_what_arrived_before_a_connection_broke_is_kept(server, http, home, blob):
    content, path = blob
    file = open_registry(home).uploads / digest_of(content)
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n"
        head += f"Authorization: {http.headers['authorization']}\r\n\r\n"
        line.sendall(head.encode() + content[:2_000_000])
        assert until(lambda: file.exists() and file.stat().st_size)
    offset = until(lambda: int(http.head(path).headers["upload-offset"]))
    assert 0 < offset <= 2_000_000
    done = http.put(path, content=content[offset:], headers=part(offset, SIZE - 1))
    assert done.status_code == 201


def test_many_who_send_the_same_blob_at_once_all_succeed(http, blob, home):
    content, path = blob

    def send(_):
        return http.put(path, content=content).status_code

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(send, range(6)))
    assert set(statuses) <= {200, 201}
    assert 201 in statuses
    registry = open_registry(home)
    assert registry.blob(digest_of(content)) == content
    assert not [each for each in registry.uploads.iterdir() if each.name.startswith(path[-64:])]


def large_artifact():
    """Return an artifact of several megabytes."""
    examples = small_run().data
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", folder)
        net = build([Dense(1500, "relu"), Dense(500, "relu"), Dense(10)], data=examples)
        return freeze(train(net, examples, epochs=1), "large")


def test_an_artifact_arrives_over_connections_that_break(server, home):
    artifact = large_artifact()
    assert max(blob.size_bytes for blob in artifact.manifest.blobs) > 3_000_000
    with breaking_proxy(server, after_bytes=1_000_000) as (proxy, broken):
        connection = Connection(proxy, workspace_token(home))
        done = upload(artifact, connection)
        connection.close()
    assert (done.version, done.created) == (1, True)
    # Two blobs of more than three million bytes, not sent again from their beginning each time.
    assert 6 <= broken() <= 12


def test_what_the_server_has_is_not_sent_again(server, home):
    connection = Connection(server, workspace_token(home))
    upload(small_artifact(), connection)
    told = []
    again = upload(small_artifact(), connection, told=lambda *each: told.append(each))
    connection.close()
    assert (again.created, again.sent_bytes, told) == (False, 0, [])


def test_how_far_it_is_is_told_up_to_the_end(tmp_path):
    told = []
    with serving(tmp_path) as url:
        connection = Connection(url, workspace_token(tmp_path))
        done = upload(small_artifact(), connection, told=lambda *each: told.append(each))
        connection.close()
    total = sum(blob.size_bytes for blob in small_artifact().manifest.blobs)
    assert done.sent_bytes == total
    assert told[-1] == (total, total)
    assert told == sorted(told)
