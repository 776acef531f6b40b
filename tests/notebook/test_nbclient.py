"""Notebooks that are run without a front end: nbclient, on which papermill and nbconvert stand."""

import os
from pathlib import Path

import nbformat
import pytest

nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parents[2]
PREPARE = (
    "%load_ext maasnb\n%maas data digits;\nimport maasnb as mb\n"
    "net = mb.build([mb.Dense(10)], data=digits)"
)


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """Return what runs cells as a notebook and returns the notebook with its outputs."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def run(*cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        client = nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3")
        return client.execute(cwd=str(tmp_path))

    return run


def test_a_run_leaves_a_picture_and_its_words_and_no_widget(executed):
    notebook = executed(PREPARE, "%maas train net digits --epochs 3")
    (output,) = notebook.cells[1].outputs
    assert output.output_type == "display_data"
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.data["text/plain"].startswith("Run on digits (torch): finished, 3 epochs")
    nbformat.validate(notebook)


def test_no_front_end_code_is_left_in_the_notebook(executed):
    notebook = executed(PREPARE, "%maas train net digits --epochs 3")
    assert len(str(notebook.metadata)) < 3000


def test_a_summary_is_a_table_with_its_picture(executed):
    notebook = executed(PREPARE, "%maas inspect net summary")
    (output,) = notebook.cells[1].outputs
    assert "<table>" in output.data["text/html"]
    assert "<svg" in output.data["text/html"]
    assert output.data["text/plain"].startswith("Sequential (torch): 650 parameters")


def test_a_run_that_fails_stops_the_notebook_with_one_error(executed):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="There is no optimizer 'adm'"):
        executed(PREPARE, "%maas train net digits --optimizer adm")
