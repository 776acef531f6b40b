import contextlib
import os
import subprocess
import sys

import httpx
import pytest
from small_runs import small_artifact

from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@contextlib.contextmanager
def serving(workspace, *options):
    """Run `maasnb serve` as a process of its own; yield its URL; leave no process behind."""
    command = [sys.executable, "-m", "maasnb", "serve", "--port", "0", "--embedded"]
    child = subprocess.Popen(
        [*command, "--workspace", str(workspace), *options],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        url = child.stdout.readline().decode().strip()
        assert url, child.stderr.read().decode()
        yield url
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()
        child.stderr.close()
    assert child.returncode == 0


@pytest.fixture(scope="session")
def served_workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("served") / "maas"


@pytest.fixture(scope="session")
def server(served_workspace):
    """The URL of a server that holds version 1 of the model `small`."""
    with serving(served_workspace, "--runtimes", "onnx,stablehlo") as url:
        connection = Connection(url, workspace_token(served_workspace))
        upload(small_artifact(), connection)
        connection.close()
        yield url


@pytest.fixture
def http(server, served_workspace):
    """A plain HTTP client of the server, with its token."""
    headers = {"authorization": f"Bearer {workspace_token(served_workspace)}"}
    with httpx.Client(base_url=server, headers=headers, timeout=60) as client:
        yield client
