"""The hardest examples, and those whose target is probably wrong."""

import numpy as np
import pytest

from maasnb.building import build
from maasnb.datasets.images import image_shape
from maasnb.datasets.loading import data
from maasnb.datasets.recipes import standardize
from maasnb.errors import DataError
from maasnb.events import Stepped
from maasnb.layers import Dense
from maasnb.records.examples import ExampleLosses
from maasnb.study.evidence import Evidence
from maasnb.study.examples import suspects
from maasnb.study.findings import findings
from maasnb.study.inspection import inspect
from maasnb.training import train
from tests.study.patients import WRONG, blobs, patient


def wrong_rows(run):
    """Return the rows of `data.train` whose target was made wrong."""
    wrong = {x.tobytes() for x in blobs(wrong=WRONG)[0][:WRONG]}
    return [row for row, x in enumerate(run.data.train.x) if x.tobytes() in wrong]


def test_wrong_targets_are_suspected_and_hardly_any_right_one(framework):
    run = patient(framework, "mislabelled")
    wrong = set(wrong_rows(run))
    suspected = suspects(run, Evidence.of(run).chance).tolist()
    assert len(wrong) >= 9
    assert len(wrong.intersection(suspected)) > len(wrong) / 3
    assert len(set(suspected) - wrong) <= 1


def test_the_hardest_example_is_the_one_with_the_highest_mean_loss(framework):
    run = patient(framework)
    report = inspect(run, "examples")
    mean = run.history.examples.mean
    assert report.data["rows"].tolist() == np.argsort(-mean, kind="stable")[:16].tolist()
    assert report.data["mean_loss"].tolist() == np.sort(mean)[::-1][:16].tolist()
    assert list(report.notes) == ["No target is suspected of being wrong."]


def test_suspects_come_first_and_are_marked(framework):
    run = patient(framework, "mislabelled")
    report = inspect(run, "examples")
    count = int(report["suspects"])
    assert [row[0] for row in report.rows] == ["warn"] * count + [""] * (16 - count)
    assert f"{count} examples, marked, may have a wrong target" in report.notes[0]


def test_a_single_odd_example_is_marked_and_no_finding(framework, monkeypatch):
    run = patient(framework, "mislabelled")
    rows = suspects(run, Evidence.of(run).chance)
    calm = ExampleLosses(len(run.data.train))
    for _ in range(3):
        quiet = np.full(len(run.data.train), 0.1)
        quiet[rows[0]] = 5.0
        calm.add(np.arange(len(quiet)), quiet)
    monkeypatch.setattr(run.history, "examples", calm)
    assert inspect(run, "examples")["suspects"] == 1
    assert [finding.kind for finding in findings(run)] == []


def test_a_row_tells_the_target_and_what_the_model_answers(framework):
    run = patient(framework, "mislabelled")
    report = inspect(run, "examples")
    assert report.columns == ("", "row", "target", "answer", "sure", "mean loss", "example")
    for row in report.rows[:3]:
        number = int(row[1])
        said = run.predict(run.data.train.x[number][None])[0]
        assert row[2] == str(run.data.train.y[number])
        assert row[3] == str(said.argmax())
        assert row[4] == f"{said.max():.0%}"
        values = run.data.train.x[number]
        assert row[6] == ", ".join(f"{n} {values[n]:.4g}" for n in range(3)) + ", ..."


def test_while_a_run_trains_its_model_is_not_asked(framework, monkeypatch):
    made = data(*blobs(wrong=WRONG), split=(2 / 3, 1 / 6, 1 / 6))
    net, seen = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made), []

    def look(event, run):
        monkeypatch.setattr(run, "predict", None)
        if isinstance(event, Stepped) and event.step >= run.total_steps:
            seen.append(inspect(run, "examples"))
            seen.append(suspects(run, Evidence.of(run).chance).tolist())

    run = train(net, made, epochs=8, batch=16, lr=0.01, on_event=look)
    report, suspected = seen
    assert {row[3] for row in report.rows} == {"-"}
    wrong = set(wrong_rows(run))
    assert suspected
    assert len(set(suspected) - wrong) <= 1


def test_a_value_that_is_far_from_what_the_model_says_is_suspected():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4))
    y = x[:, :1] + 0.05 * random.normal(size=(300, 1))
    y[:3] += 8
    made = data(x, y, split=(1, 0, 0))
    run = train(build([Dense(1)], data=made), made, epochs=20, lr=0.03)
    assert sorted(suspects(run, Evidence.of(run).chance).tolist()) == [0, 1, 2]
    report = inspect(run, "examples")
    assert float(report.rows[0][2]) > 5
    assert report.rows[0][4] == "-"


def test_pixels_are_shown_as_pictures():
    digits = data("digits")
    run = train(build([Dense(10)], data=digits), digits, epochs=1)
    report = inspect(run, "examples")
    assert report.data["images"].shape == (16, 8, 8)
    row = int(report.data["rows"][0])
    np.testing.assert_array_equal(report.data["images"][0].ravel(), digits.train.x[row])
    assert "example" not in report.columns


@pytest.mark.parametrize(
    ("shape", "features", "expected"),
    [
        ((28, 28), (), (28, 28)),
        ((28, 28, 1), (), (28, 28, 1)),
        ((3, 32, 32), (), (3, 32, 32)),
        ((32, 32, 3), (), (32, 32, 3)),
        ((20, 5, 7), (), None),
        ((100, 3), (), None),
        ((64,), tuple(f"pixel_{n // 8}_{n % 8}" for n in range(64)), (8, 8)),
        ((64,), tuple(map(str, range(64))), None),
        ((3,), ("mean 1 radius 2", "b", "c"), None),
        ((5,), (), None),
    ],
)
def test_what_is_a_picture(shape, features, expected):
    assert image_shape(shape, features) == expected


def test_channels_come_last_in_a_picture():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3, 6, 6)), np.arange(40) % 2

    import torch

    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 2))
    run = train(net, data(x, y, split=(1, 0, 0)), epochs=1)
    report = inspect(run, "examples")
    row = int(report.data["rows"][0])
    np.testing.assert_array_equal(report.data["images"][0], np.moveaxis(x[row], 0, 2))


def test_inputs_of_several_parts_are_told_part_by_part():
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def forward(self, left, right):
            return self.layer(torch.cat([left, right], dim=1))

    random = np.random.default_rng(0)
    x = {"left": random.normal(size=(40, 2)), "right": random.normal(size=(40, 2))}
    run = train(Net(), data(x, np.arange(40) % 2, split=(1, 0, 0)), epochs=4)
    report = inspect(run, "examples")
    assert report.rows[0][-1].startswith("x['left'] ")
    assert "; x['right'] " in report.rows[0][-1]


def test_without_losses_of_single_examples_there_is_a_way_out(framework):
    made = data(*blobs(), split=(2 / 3, 1 / 6, 1 / 6), prep=[standardize()])
    net = build((Dense(16, "relu"), Dense(3)), backend=framework, data=made)
    run = train(net, made, epochs=1, batch=16, record="light")
    assert run.history.measured[0].histograms == {}
    with pytest.raises(DataError, match='no losses of single examples.*record="full". Type: run ='):
        inspect(run, "examples")
