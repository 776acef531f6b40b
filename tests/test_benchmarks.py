"""The benchmarks run and write what others read; their figures are not judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True, text=True, env=environment, timeout=240, check=True,
    ).stdout  # fmt: skip


def test_the_training_benchmark_writes_a_row_for_each_loop(tmp_path):
    file = tmp_path / "rows.json"
    printed = run(ROOT / "benchmarks" / "training.py", "--pairs", 1, "--json", file)
    written = json.loads(file.read_text())
    assert set(written) == {"machine", "rows"}
    assert written["machine"]["cores"] == os.cpu_count()
    found = {(row["framework"], row["against"]) for row in written["rows"]}
    assert found == {
        (f, a) for f in ("torch", "jax") for a in ("hand-written", "best-hand-written")
    }
    for row in written["rows"]:
        assert set(row) == {"workload", "framework", "subject", "against", "ratio", "pairs"}
        assert row["ratio"] > 0
        assert f"{row['ratio']:.2f}" in printed


def test_the_panel_benchmark_measures_ratios_and_a_frame(tmp_path):
    file = tmp_path / "panel.json"
    run(ROOT / "benchmarks" / "panel.py", "--pairs", 1, "--epochs", 2, "--json", file)
    rows = json.loads(file.read_text())["rows"]
    assert {"torch, panel on / off", "jax, panel on / off", "frame ms"} <= set(rows)
    assert 0 < rows["frame bytes"] < rows["wire bytes"] <= 1000


def test_the_import_benchmark_names_what_it_measured():
    assert "import maasnb" in run(ROOT / "benchmarks" / "imports.py", "--runs", 1)
