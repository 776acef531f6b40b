"""Runs are steered by magics, by the run's variable or its name."""

import threading

import pytest

import maasnb as mb
from maasnb.errors import UnknownNameError
from tests.training.steered import SOON_S, background, end, interventions


@pytest.fixture
def running(notebook, backend):
    """Yield a run in the background, as the variable `run`."""
    run = background(backend, name="spirals")
    notebook.shell.user_ns["run"] = run
    yield run
    end(run)


def test_a_run_is_steered_by_its_variable_and_by_its_name(notebook, running):
    notebook.run("%maas pause run")
    assert running.status == "paused"
    notebook.run("%maas lr spirals 0.01")
    notebook.run("%maas clip spirals 2.5")
    notebook.run("%maas resume spirals")
    assert running.status == "running"
    notebook.run("%maas checkpoint run")
    assert interventions(running) == [
        ("pause", None, "magic"),
        ("lr", 0.01, "magic"),
        ("clip", 2.5, "magic"),
        ("resume", None, "magic"),
        ("checkpoint", None, "magic"),
    ]


def test_a_run_is_rolled_back_forked_stopped_and_repeated(notebook, running):
    notebook.run("%maas rollback run 0")
    notebook.run("%maas fork run --lr 0.02 --bg --as other")
    other = notebook["other"]
    reached = threading.Event()
    other.subscribe(lambda event, run: reached.set() if event.step >= 10 else None)
    assert reached.wait(SOON_S)
    notebook.run("%maas stop other")
    assert other.wait(SOON_S).status == "stopped"
    notebook.run("%maas replay other")
    assert notebook["again"].history.losses.tolist() == other.history.losses.tolist()


def test_a_run_goes_on_by_the_magic(notebook, running):
    end(running)
    notebook.shell.user_ns.update(net=running.model, data=running.data)
    notebook.run("%maas train net data --resume spirals --bg --as again")
    end(notebook["again"])
    assert notebook["again"].folder == running.folder
    assert notebook["again"].steps >= running.steps


def test_an_unknown_run_gets_its_nearest_match(notebook, running):
    with pytest.raises(UnknownNameError, match="no run in this kernel 'spiral'. Did you mean"):
        mb.pause("spiral")
    _, text = notebook.run("%maas pause spiral")
    assert "Did you mean 'spirals'?" in text
