"""The verb `compare`: several runs in one table."""

import gc
import re

import numpy as np
import pytest

import maasnb as mb
from maasnb.errors import DataError, UnknownNameError
from maasnb.panels.pictures import report_png
from tests.training.steered import network, small_data


def trained(backend, name, **options):
    data = small_data()
    return mb.train(network(backend, data), data, name=name, batch=10, **{"epochs": 2, **options})


@pytest.mark.coverage("A9")
def test_the_best_run_comes_first(backend):
    runs = [trained(backend, "slow", lr=1e-5), trained(backend, "fast", lr=0.05, epochs=10)]
    report = mb.compare(*runs)
    scores = [run.metrics["accuracy"] for run in runs]
    assert scores[1] > scores[0]
    assert [row[0] for row in report.rows] == ["fast", "slow"]
    assert [report["fast"], report["slow"]] == [scores[1], scores[0]]


def test_of_a_loss_less_is_better(backend):
    runs = [trained(backend, "slow", lr=1e-5), trained(backend, "fast", lr=0.05, epochs=10)]
    report = mb.compare(*runs, metric="loss")
    assert [row[0] for row in report.rows] == ["fast", "slow"]
    assert runs[1].metrics["loss"] < runs[0].metrics["loss"]


def test_only_settings_that_differ_have_a_column(backend):
    report = mb.compare(trained(backend, "a", lr=0.01), trained(backend, "b", lr=0.02, seed=1))
    assert {"lr", "seed"} <= set(report.columns)
    assert not {"batch", "optimizer", "epochs", "data"} & set(report.columns)
    lrs = [row[report.columns.index("lr")] for row in report.rows]
    assert sorted(lrs) == ["0.01", "0.02"]
    assert report.notes[0].startswith("They differ in ")
    assert "optimizer adam" in report.notes[1]
    assert not re.search(r"\w ,", report.notes[1])  # what is not set is not told


def test_how_many_steps_a_run_took_stands_there_once(backend):
    report = mb.compare(trained(backend, "a"), trained(backend, "b", epochs=3))
    assert report.columns.count("steps") == 1


def test_runs_are_read_from_their_records_where_the_kernel_has_them_no_more(backend):
    live = mb.compare(trained(backend, "a"), trained(backend, "b", lr=0.1))
    gc.collect()
    read = mb.compare("a", "b")
    assert read.rows == live.rows
    for place in range(2):
        assert np.array_equal(read.data[f"curve {place}"], live.data[f"curve {place}"])


def test_without_names_all_runs_of_the_workspace_are_compared(backend):
    trained(backend, "a")
    trained(backend, "b")
    assert sorted(row[0] for row in mb.compare().rows) == ["a", "b"]


def test_the_record_of_each_run_is_named(backend, workspace):
    report = mb.compare(trained(backend, "a"), trained(backend, "b"))
    for row in report.rows:
        assert (workspace / row[-1] / "run.json").is_file()


def test_a_curve_is_the_mean_of_its_part(backend):
    run = trained(backend, "long", epochs=60)
    steps, means = mb.compare(run).data["curve 0"]
    width = int(steps[0])
    assert means[1] == pytest.approx(run.history.losses[width : 2 * width].mean())
    assert steps[-1] == run.steps


def test_an_empty_workspace_is_refused():
    with pytest.raises(DataError, match=r"no runs in this workspace yet\. Type: %maas train"):
        mb.compare()


def test_unknown_names_get_their_nearest_match(backend):
    run = trained(backend, "first")
    with pytest.raises(UnknownNameError, match="Did you mean 'first'"):
        mb.compare("firzt")
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        mb.compare(run, metric="acuracy")


def test_a_comparison_has_a_picture(backend):
    picture = report_png(mb.compare(trained(backend, "a"), trained(backend, "b")))
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
