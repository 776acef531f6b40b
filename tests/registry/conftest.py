import pytest

from maasnb.registry.folders import FolderStore
from maasnb.registry.objects import ObjectsStore
from tests.object_stores import new_bucket, s3_service, s3_variables


@pytest.fixture(scope="session")
def service():
    with s3_service() as url:
        yield url


@pytest.fixture
def s3_store(service, monkeypatch):
    for name, value in s3_variables(service).items():
        monkeypatch.setenv(name, value)
    return ObjectsStore(new_bucket(service))


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    """Run a test once with each kind of store."""
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    return request.getfixturevalue("s3_store")
