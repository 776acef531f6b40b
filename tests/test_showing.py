"""The verbs `show` and `history`."""

import json

import pytest

import maasnb as mb
from maasnb.errors import UnknownNameError
from tests.cells import opened
from tests.training.steered import network, small_data

CELL = "%maas data wine\nrun = mb.train(net, small, epochs=1, name='first')  # by hand"


@pytest.fixture
def cells(backend, workspace):
    with opened() as cells:
        data = small_data()
        cells.names.update(mb=mb, net=network(backend, data), small=data)
        yield cells


@pytest.fixture
def recorded(cells):
    """Return a run whose record says which cell made it."""
    run = cells.run("mb.train(net, small, epochs=1, lr=0.01, name='first')")
    path = run.folder / "run.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "code": {"cell": CELL}}))
    return run


def test_a_card_tells_what_a_run_was_made_with(recorded):
    rows = dict(mb.show(recorded).table())
    assert rows["status"] == "finished"
    assert rows["options"] == "epochs=1, lr=0.01"
    assert (
        rows["cell"] == "run = mb.train(net, small, epochs=1, name='first')  # by hand"[:57] + "..."
    )
    assert rows["steps"] == str(recorded.steps)


def test_with_code_it_is_the_cell(recorded):
    shown = mb.show("first", code=True)
    assert str(shown) == shown.code == CELL
    assert shown.table() == ()


def test_a_run_of_a_script_has_no_cell(recorded):
    path = recorded.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "code": {}}))
    assert "a script made it" in str(mb.show("first", code=True))


def test_the_history_lists_the_cells_the_newest_first(recorded, cells):
    cells.run("mb.train(net, small, epochs=1, name='second')")
    history = mb.history()
    assert [row[0] for row in history.table()] == ["second", "first"]
    assert history.cards[1][1] == CELL
    assert len(history) == 2


def test_without_runs_the_history_says_what_to_do(workspace):
    assert str(mb.history()).startswith("There are no runs in this workspace yet. Type:")


@pytest.mark.parametrize("name", ["second", "../first", "first/.."])
def test_an_unknown_run_gets_its_nearest_match(recorded, name):
    with pytest.raises(UnknownNameError, match="no run in this workspace"):
        mb.show(name)


def test_the_magics_show_both(recorded, cells):
    assert cells.run("%maas show first --code").code == CELL
    assert len(cells.run("%maas history")) == 1


@pytest.mark.parametrize("code", [None, [], "text", {"cell": 3}])
def test_a_strange_record_is_shown_as_far_as_it_goes(recorded, code):
    path = recorded.folder / "run.json"
    path.write_text(json.dumps({"name": "first", "code": code, "data": 3, "metrics": []}))
    assert mb.show("first").name == "first"
