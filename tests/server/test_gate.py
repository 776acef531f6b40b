"""The process that checks uploads: what it may not do, how it ends, what is remembered."""

import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import httpx
import pytest

from maasnb.artifacts.blobs import digest_of
from maasnb.artifacts.manifest import Manifest
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.registry.models import open_registry
from maasnb.serve.tokens import workspace_token
from tests.server.hostile import crafted_manifest, endless, node, onnx_program, store
from tests.server.test_embedded import await_end, process_of
from tests.servers import serving
from tests.small_runs import small_artifact

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")


@contextlib.contextmanager
def client_of(workspace, url):
    headers = {"authorization": f"Bearer {workspace_token(workspace)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=100) as http:
        yield http


def await_child(pid):
    """Return the process that a server started to check an upload; wait until there is one."""
    for _ in range(3000):
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == pid and "gatekeeper" in (entry / "cmdline").read_text():
                    return int(entry.name)
        threading.Event().wait(0.01)
    raise AssertionError(f"the process {pid} has no child")


def await_limit(child, name, value):
    """Wait until a process limited itself in some way, or in any way where no value is given."""
    for _ in range(3000):
        if limits_of(child)[name] == value or (
            value is None and limits_of(child)[name].isdecimal()
        ):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"the process {child} has the limits {limits_of(child)}")


def limits_of(pid):
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[0] for line in lines}


@contextlib.contextmanager
def checking(workspace, url):
    """Publish a program that never ends; yield its checking process and the answer to come."""
    with client_of(workspace, url) as http, concurrent.futures.ThreadPoolExecutor(1) as pool:
        data = crafted_manifest(http, program=endless())
        answer = pool.submit(http.post, "/maas/v1/models/crafted/versions", json=data)
        child = await_child(process_of(workspace))
        await_limit(child, "Max data size", None)  # which comes with the artifact
        try:
            yield child, answer
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def test_the_process_has_no_folder_no_secrets_and_little_of_everything(workspace, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret of the server")
    with serving(workspace) as url, checking(workspace, url) as (child, answer):
        assert os.readlink(f"/proc/{child}/cwd").endswith(" (deleted)")
        assert b"a secret" not in Path(f"/proc/{child}/environ").read_bytes()
        assert os.getpgid(child) == child != os.getpgid(process_of(workspace))
        os.kill(child, signal.SIGTERM)
        assert answer.result().status_code == 422
        assert not Path(f"/proc/{child}").exists()


def test_the_limits_hold_before_an_artifact_is_read(workspace):
    with serving(workspace) as url, client_of(workspace, url) as http:
        store(http, b"the first blob of an upload")  # from here on a process waits for the rest
        child = await_child(process_of(workspace))
        await_limit(child, "Max cpu time", "60")
        found = limits_of(child)
    assert found["Max file size"] == found["Max core file size"] == "0"
    await_end(child)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
def test_a_process_that_dies_is_a_refusal_that_says_so(workspace, number):
    with serving(workspace) as url:
        with checking(workspace, url) as (child, answer):
            os.kill(child, number)
            refusal = answer.result()
        assert refusal.status_code == 422
        assert f"ended by {number.name} instead of answering" in refusal.json()["error"]
        connection = Connection(url, workspace_token(workspace))
        assert upload(small_artifact(), connection).version == 1
        connection.close()


def test_a_server_that_is_killed_takes_the_process_with_it(workspace):
    with serving(workspace, status=-signal.SIGKILL) as url:
        with checking(workspace, url) as (child, answer):
            os.kill(process_of(workspace), signal.SIGKILL)
            assert isinstance(answer.exception(), httpx.HTTPError)
        await_end(child)


def test_publishing_while_another_upload_is_checked_does_not_wait_for_it(workspace):
    with serving(workspace) as url:
        with checking(workspace, url) as (_, answer):
            connection = Connection(url, workspace_token(workspace))
            assert upload(small_artifact(), connection).version == 1
            connection.close()
            assert not answer.done()


def verdicts(workspace):
    return sorted(path.name for path in (workspace / "registry" / "verdicts").rglob("*.json"))


def infer(http, name="small"):
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 64], "data": [0.0] * 64}
    return http.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})


def test_what_passed_is_written_down_and_not_checked_again(workspace):
    with serving(workspace) as url:
        connection = Connection(url, workspace_token(workspace))
        upload(small_artifact(), connection)
        connection.close()
    assert verdicts(workspace) == ["onnx.json"]
    # Without its weights it would not pass; but the server asks the verdict.
    (workspace / "registry/blobs/sha256" / small_artifact().manifest.weights.digest).write_bytes(
        b""
    )
    with serving(workspace) as url, client_of(workspace, url) as http:
        assert infer(http).status_code in (200, 422)
        assert "safetensors" not in infer(http).text


def test_a_version_that_passed_no_gate_is_checked_before_it_answers(workspace):
    with serving(workspace) as url, client_of(workspace, url) as http:
        good = crafted_manifest(http, "good")
        bad = crafted_manifest(http, "bad", program=zero())
        registry = open_registry(workspace)
        for data in (good, bad):  # as somebody does who writes the workspace
            registry.publish(Manifest.from_bytes(json.dumps(data).encode()))
        assert verdicts(workspace) == []
        assert infer(http, "good").status_code == 200
        assert verdicts(workspace) == ["onnx.json"]
        refusal = infer(http, "bad")
        assert refusal.status_code == 422
        assert "does not answer as the notebook did" in refusal.json()["error"]


def zero():
    return onnx_program([node("Sub", ["inputs", "inputs"], ["a"]), columns()])


def columns():
    axes = {"axis": 1, "num_outputs": 7}
    return node("Split", ["a"], ["probabilities", *"bcdefg"], **axes)


def test_a_stricter_gate_checks_again_what_passed_before(workspace):
    with serving(workspace) as url, client_of(workspace, url) as http:
        connection = Connection(url, workspace_token(workspace))
        upload(small_artifact(), connection)
        connection.close()
        shutil.move(workspace / "registry/verdicts/1", workspace / "registry/verdicts/0")
    with serving(workspace) as url, client_of(workspace, url) as http:
        assert infer(http).status_code == 200
    digest = digest_of(small_artifact().manifest.to_bytes())
    assert (workspace / "registry/verdicts/1" / digest / "onnx.json").exists()


def test_every_program_that_a_server_may_run_is_checked(workspace):
    with serving(workspace, "--runtimes", "onnx,stablehlo") as url:
        connection = Connection(url, workspace_token(workspace))
        assert upload(small_artifact("jax"), connection).version == 1
        connection.close()
    formats = {each.format for each in small_artifact("jax").manifest.programs}
    assert "stablehlo" in formats
    assert verdicts(workspace) == sorted(f"{each}.json" for each in formats)
