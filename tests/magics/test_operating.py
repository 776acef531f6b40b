"""Versions are operated by magics, by the endpoint's variable or the model's name."""

import pytest

from maasnb.publishing import publish
from maasnb.serve.embedded import stop_server
from tests.small_runs import small_run


@pytest.fixture
def two_versions(notebook, workspace):
    """Publish two versions of `small`; the endpoint is the variable `endpoint`."""
    publish(small_run("torch"), "small", alias="prod")
    notebook.shell.user_ns["endpoint"] = publish(small_run("jax"), "small")
    yield
    stop_server(workspace)


def test_versions_are_listed_promoted_tried_and_taken_back(notebook, two_versions):
    def title(line):
        result, shown = notebook.run(line)
        assert result.success, shown
        return result.result.title if result.result is not None else None

    assert title("%maas versions small") == "'small': version 1 answers"
    assert title("%maas shadow small 2").endswith("version 2 gets copies")
    assert title("%maas canary endpoint 2 --percent 20").count("version 2 20 % of the requests")
    assert title("%maas canary small") == "'small': version 1 answers, version 2 gets copies"
    assert title("%maas promote endpoint") == "'small': version 2 answers"
    assert title("%maas rollback small") == "'small': version 1 answers"
    assert title("%maas unpublish small 2") is None
    assert title("%maas versions endpoint") == "'small': version 1 answers"
    _, shown = notebook.run("%maas promote small 9")
    assert "There is no version '9'" in shown


def test_a_magic_shows_its_python(notebook, two_versions):
    _, shown = notebook.run("%maas canary endpoint 2 --percent 20 --show")
    assert shown.strip() == "mb.canary(endpoint, 2, percent=20)"
