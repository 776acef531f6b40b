"""The benchmarks run and write what others read; their figures are not judged here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import pytest
import torch
from flax import nnx

import maasnb as mb
from benchmarks.sides import flax_models, torch_models
from benchmarks.sides.goals import AGAINST, GOALS
from benchmarks.sides.processes import SIDES
from benchmarks.sides.workloads import WORKLOADS, load, with_validation

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.long


def run(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True, text=True, env=environment, timeout=240, check=True,
    ).stdout  # fmt: skip


ROWS = {"workload", "framework", "subject", "against", "ratio", "pairs", "quartiles", "seconds"}
ROWS |= {"other_seconds", "steps", "goal", "met"}


@pytest.mark.timeout(300)  # two processes load their libraries
@pytest.mark.parametrize(
    ("framework", "against"), [("torch", "hand-written"), ("jax", "best-hand-written")]
)
def test_the_training_benchmark_writes_a_row_for_each_loop(framework, against, tmp_path):
    file = tmp_path / "rows.json"
    words = ["--quick", "--pairs", 1, "--workload", "digits-mlp", "--json", file]
    words += ["--framework", framework, "--against", against]
    printed = run(ROOT / "benchmarks" / "training.py", *words)
    written = json.loads(file.read_text())
    assert set(written) == {"machine", "options", "rows"}
    assert written["machine"]["cores"] == os.cpu_count()
    found = [(row["framework"], row["against"]) for row in written["rows"]]
    assert found == [(framework, against)]
    for row in written["rows"]:
        assert set(row) == ROWS
        assert row["ratio"] > 0
        assert row["met"] == (row["ratio"] >= row["goal"])
        assert f"{row['ratio']:.2f}" in printed


def test_the_drawing_benchmark_measures_updates_in_a_browser(tmp_path):
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        pytest.skip("Chromium is missing; on Debian and Ubuntu type: apt-get install chromium")
    file = tmp_path / "drawing.json"
    run(ROOT / "benchmarks" / "drawing.py", "--json", file)
    rows = json.loads(file.read_text())["rows"]
    assert 0 < rows["median ms"] <= rows["95 of 100 ms"]


def test_the_panel_benchmark_measures_ratios_and_a_frame(tmp_path):
    file = tmp_path / "panel.json"
    run(ROOT / "benchmarks" / "panel.py", "--pairs", 1, "--epochs", 2, "--json", file)
    rows = json.loads(file.read_text())["rows"]
    assert {"torch, panel on / off", "jax, panel on / off", "frame ms"} <= set(rows)
    assert 0 < rows["frame bytes"] < rows["wire bytes"] <= 1000


def test_the_import_benchmark_names_what_it_measured():
    assert "import maasnb" in run(ROOT / "benchmarks" / "imports.py", "--runs", 1)


def test_the_long_run_says_what_it_leaves_and_how_long_a_step_takes():
    printed = run(ROOT / "benchmarks" / "long_run.py", "--steps", 2048)
    assert "jax: 2,048 steps" in printed
    assert "events.jsonl has" in printed


def test_the_benchmark_of_characters_measures_nats_on_the_end_of_the_text(tmp_path):
    file = tmp_path / "characters.json"
    words = ["--epochs", 0.05, "--model", "lstm", "--backend", "torch", "--json", file]
    run("-m", "benchmarks.characters", *words)
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["model"], row["backend"]) == ("lstm", "torch")
    assert 2 < row["nats"] < 5  # few steps know little more than which characters are frequent
    assert row["met"] == (row["nats"] < row["goal"])


def test_every_side_of_a_comparison_can_be_prepared_and_has_a_goal():
    sides = {(framework, name) for framework, names in AGAINST.items() for name in names}
    assert sides | {("torch", "maasnb"), ("jax", "maasnb")} == set(SIDES)
    for _, framework, against in GOALS:
        assert (framework, against) in sides


@pytest.mark.parametrize("name", WORKLOADS)
def test_both_libraries_train_models_of_the_same_form(name):
    workload = load(name, "torch", quick=True)
    inputs, targets = workload.inputs[:2], workload.targets[:2]
    by_torch = torch_models.make_model(workload)
    by_flax = flax_models.make_model(workload)
    expected = (*targets.shape, workload.classes)
    assert tuple(by_torch(torch.tensor(inputs)).shape) == expected
    assert by_flax(inputs).shape == expected
    counts = [
        sum(parameter.numel() for parameter in by_torch.parameters()),
        sum(leaf.size for leaf in jax.tree.leaves(nnx.state(by_flax, nnx.Param))),
    ]
    biases = 4 * 128 * 2 if name == "lstm-text" else 0  # torch's LSTM has each twice
    assert counts[0] - biases == counts[1]


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_validation_split_leaves_as_many_rows_to_train_on(name):
    workload = load(name, "torch", quick=True)
    inputs, targets, split = with_validation(workload)
    labels = [str(number) for number in range(workload.classes)]
    data = mb.data(inputs, targets, labels=labels, split=split)
    assert len(data.train) == len(workload.inputs)
    assert len(data.validation) == len(workload.inputs) // 8


def test_a_serving_row_is_the_median_of_the_rounds_ratios():
    from benchmarks.serving import Goal, row_of

    rounds = [(100.0, 50.0), (90.0, 30.0), (400.0, 100.0)]
    found = {
        "maasnb": [{"rps": mine, "p99": 1.0} for mine, _ in rounds],
        "mlserver": [{"rps": theirs, "p99": 2.0} for _, theirs in rounds],
    }
    row = row_of("mlp-json-c1", Goal(metric="rps", against="mlserver", wanted=5.0), found)
    assert (row.ratio, row.rounds, row.ours, row.other, row.met) == (3.0, 3, 100.0, 50.0, False)
    less = Goal(metric="p99", against="mlserver", wanted=1.0, at_most=True)
    assert row_of("mlp-json-c1", less, found).met


def test_a_figure_with_a_limit_meets_it_only_if_every_round_does():
    from benchmarks.serving import limited

    assert limited("publish", "seconds", [0.2, 0.9], 1.0).met
    assert not limited("publish", "seconds", [0.2, 1.1], 1.0).met


def test_the_readme_tells_every_case_of_serving():
    from benchmarks.serving import ALONE, CASES

    text = (ROOT / "benchmarks" / "README.md").read_text()
    assert [name for name in [*CASES, *ALONE] if f"`{name}`" not in text] == []


def test_the_load_counts_whole_answers_and_failures(tmp_path):
    import http.server
    import json
    import subprocess
    import sys
    import threading

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name):
            if name != "do_POST":
                raise AttributeError(name)
            return self.answer

        def answer(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200 if self.path == "/good" else 503)
            self.send_header("content-length", "100000")
            self.end_headers()
            self.wfile.write(b"x" * 100_000)

        def log_message(self, *_):
            pass

    (tmp_path / "body").write_bytes(b"{}")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for path, counted in [("/good", "requests"), ("/bad", "failed")]:
            command = [sys.executable, str(ROOT / "benchmarks/servers/load.py"), "--path", path]
            command += ["--host", "127.0.0.1", "--port", str(server.server_port)]
            command += ["--body", str(tmp_path / "body"), "--connections", "3"]
            done = subprocess.run(
                [*command, "--seconds", "0.3", "--warm", "0.1"], capture_output=True, check=True
            )
            said = json.loads(done.stdout)
            assert said[counted] > 0
            assert said["requests" if counted == "failed" else "failed"] == 0
        server.shutdown()
        thread.join()
