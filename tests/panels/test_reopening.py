"""The verb `panel`: a run's panel once more."""

import gc

import pytest

import maasnb as mb
from maasnb.errors import UnknownNameError
from maasnb.panels.commands import do
from maasnb.records.past import read_run
from maasnb.records.record import Record
from maasnb.tasks import make_task
from tests.training.steered import background, end, network, small_data


def finished(backend, **options):
    data = small_data()
    return mb.train(network(backend, data), data, epochs=3, batch=10, name="done", **options)


def test_a_run_of_this_kernel_keeps_its_feed(backend):
    run = background(backend, name="alive")
    panel = mb.panel("alive")
    assert panel.run is run
    assert panel.live
    assert "alive" in str(panel)
    assert mb.panel(run).feed is panel.feed
    end(run)
    assert str(panel).startswith(f"Run on small ({backend.name}): stopped")


def test_a_run_of_an_earlier_kernel_is_read_from_its_record(backend):
    name = finished(backend).name
    run = finished(backend)
    past = read_run(run.name)
    assert past.history.losses.tolist() == run.history.losses.tolist()
    assert past.metrics == run.metrics
    for field in ("status", "steps", "total_steps", "steps_per_epoch", "epochs", "settings"):
        assert getattr(past, field) == getattr(run, field)
    assert past.task.metrics == run.task.metrics
    assert name != run.name


def test_a_record_has_the_picture_and_the_words_of_its_run(backend):
    run = finished(backend)
    twin = str(mb.panel(run))
    name = run.name
    del run
    gc.collect()
    panel = mb.panel(name)
    assert str(panel) == twin
    frame = panel.feed.reset()
    assert frame.content["now"]["status"] == "finished"
    assert frame.content["rates"][0][1] == 0.001
    assert len(frame.content["validated"]) == 3


def test_an_unknown_run_gets_its_nearest_match(backend):
    run = finished(backend)
    with pytest.raises(UnknownNameError, match=r"no run in this workspace .*Did you mean 'done'\?"):
        mb.panel("don")
    assert run.name == "done"


def test_a_name_is_no_path():
    with pytest.raises(UnknownNameError, match="no run in this workspace"):
        mb.panel("../runs")


def test_a_run_that_another_kernel_trains_can_be_seen_and_not_steered():
    task = make_task(
        kind="classification", labels=("a", "b"), targets=1, output_shape=(2,),
        final_activation=None,
    )  # fmt: skip
    record = Record("far", {"task": task.to_json(), "backend": "jax"})
    try:
        panel = mb.panel(record.name)
        answers = []
        do(panel.run, "stop", None, lambda words, good: answers.append((words, good)))
        assert panel.run.status == "elsewhere"
        assert not panel.live
        assert answers[0][1] is False
    finally:
        record.close({})
