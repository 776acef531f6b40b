"""What a panel is told when it asks, of real runs."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.panels.details import (
    examples_frame,
    findings_frame,
    histograms_frame,
    steps_frame,
    thumbnail,
)
from maasnb.records.checkpoints import checkpoint_steps


def trained(backend, dataset="digits", **options):
    data = mb.data(dataset)
    width = len(data.labels)
    net = mb.build([mb.Dense(16, "relu"), mb.Dense(width)], backend=backend.name, data=data)
    return mb.train(net, data, **{"epochs": 2, **options})


def test_the_histograms_of_a_layer_count_all_its_weights(backend):
    run = trained(backend)
    first = histograms_frame(run, None).content
    weights = "dense1.weight" if backend.name == "torch" else "dense1.kernel"
    assert weights in first["layers"]
    content = histograms_frame(run, weights).content
    assert content["layer"] == weights
    assert sum(content["counts"]["weight"]) == 64 * 16
    assert sum(content["counts"]["gradient"]) == 64 * 16
    assert set(content["activations"]) == {"dense1.relu"}


def test_a_run_without_histograms_has_no_layers(backend):
    assert histograms_frame(trained(backend, record="light"), "x").content["layers"] == []


def test_the_hardest_examples_are_those_with_the_greatest_mean_loss(backend):
    run = trained(backend)
    frame = examples_frame(run)
    rows = frame.content["rows"]
    mean = run.history.examples.mean
    assert [row["number"] for row in rows] == np.argsort(-mean, kind="stable")[:12].tolist()
    assert rows[0]["target"] == run.data.labels[run.data.train.y[rows[0]["number"]]]


def test_digits_are_shown_as_pictures(backend):
    run = trained(backend)
    frame = examples_frame(run)
    number = frame.content["rows"][0]["number"]
    raw = run.data.train.x[number].reshape(8, 8)
    shown = np.frombuffer(frame.buffers[0], np.uint8).reshape(8, 8)
    assert frame.content["rows"][0]["size"] == [8, 8]
    assert shown == pytest.approx(255 * (raw - raw.min()) / (raw.max() - raw.min()), abs=0.5)


def test_rows_of_a_table_are_told_by_their_columns(backend):
    run = trained(backend, "breast_cancer")
    frame = examples_frame(run)
    assert frame.buffers == ()
    assert frame.content["rows"][0]["words"].startswith("mean radius ")


@pytest.mark.parametrize(
    ("shape", "size"),
    [((8, 8), (8, 8)), ((3, 9, 7), (9, 7)), ((9, 7, 3), (9, 7)), ((200, 100), (50, 50))],
)
def test_an_array_of_pixels_is_a_small_picture(shape, size):
    assert thumbnail(np.random.default_rng(0).random(shape), ()).shape == size


@pytest.mark.parametrize(
    "example", [np.zeros(4), np.array(["a text"]), (np.zeros(3), np.zeros(2)), np.zeros((2, 9))]
)
def test_anything_else_is_none(example):
    assert thumbnail(example, ()) is None


def test_findings_are_those_of_the_study(backend):
    from maasnb.study.findings import findings

    run = trained(backend, lr=1e-6)
    told = findings_frame(run).content["findings"]
    found = findings(run)
    assert [each["title"] for each in told] == [each.title for each in found]
    assert told[0]["words"].startswith(found[0].words)


def test_the_steps_to_go_back_to_are_those_on_the_disk(backend):
    run = trained(backend)
    assert steps_frame(run).content["steps"] == checkpoint_steps(run.folder) != []
