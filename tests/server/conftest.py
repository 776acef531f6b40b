import httpx
import pytest
from servers import serving
from small_runs import small_artifact

from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token


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
