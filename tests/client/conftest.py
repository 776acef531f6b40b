import pytest
from small_runs import small_run

from maasnb.publishing import publish
from maasnb.serve.embedded import stop_server


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A workspace whose embedded server holds versions 1 and 2 of the model `digits`."""
    folder = tmp_path_factory.mktemp("client") / "maas"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", str(folder))
        for backend in ("torch", "jax"):
            publish(small_run(backend), "digits")
        publish(small_run("torch", "diabetes"), "diabetes")
    yield folder
    stop_server(folder)


@pytest.fixture
def at_home(home, monkeypatch):
    """Work in that workspace."""
    monkeypatch.setenv("MAASNB_HOME", str(home))
    return home
