import socket
import subprocess
import sys

import httpx
import pytest

from maasnb import __version__, cli
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import ArtifactError
from maasnb.serve.tokens import workspace_token
from tests.servers import REPOSITORY, serving
from tests.small_runs import small_artifact, with_only


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"maasnb {__version__}\n"


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "maasnb", "--version"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == f"maasnb {__version__}\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_an_address_that_other_machines_reach_is_refused(host, capsys):
    assert cli.main(["serve", "--host", host, "--port", "0"]) == 1
    assert "add --insecure" in capsys.readouterr().err


def test_an_unknown_runtime_gets_the_nearest_match(capsys):
    assert cli.main(["serve", "--runtimes", "onxx", "--port", "0"]) == 1
    assert "Did you mean 'onnx'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_so(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--port", str(port)]) == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_workspace_that_cannot_be_written_is_said_so(workspace, capsys):
    workspace.write_text("a file where the folder should be")
    assert cli.main(["serve", "--port", "0"]) == 1
    assert "MAASNB_HOME" in capsys.readouterr().err


def test_a_server_runs_onnx_only_unless_told_otherwise(workspace):
    with serving(workspace) as url:
        connection = Connection(url, workspace_token(workspace))
        with pytest.raises(ArtifactError, match="maasnb serve --runtimes onnx,stablehlo"):
            upload(with_only("stablehlo", small_artifact("jax")), connection)
        assert upload(small_artifact("torch"), connection).version == 1
        connection.close()


def test_versions_outlive_the_server(workspace):
    for version in (1, 1):
        with serving(workspace) as url:
            connection = Connection(url, workspace_token(workspace))
            assert upload(small_artifact(), connection).version == version
            connection.close()
    with serving(workspace) as url:
        headers = {"authorization": f"Bearer {workspace_token(workspace)}"}
        found = httpx.get(f"{url}/v2/models/small", headers=headers).json()
    assert found["versions"] == ["1"]
