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


ROWS = {"workload", "framework", "subject", "against", "ratio", "pairs", "quartiles", "seconds"}
ROWS |= {"other_seconds", "steps", "goal", "met"}


def test_the_training_benchmark_writes_a_row_for_each_loop(tmp_path):
    file = tmp_path / "rows.json"
    words = ["--quick", "--pairs", 1, "--workload", "digits-mlp", "--json", file]
    words += ["--against", "hand-written", "--against", "best-hand-written"]
    printed = run(ROOT / "benchmarks" / "training.py", *words)
    written = json.loads(file.read_text())
    assert set(written) == {"machine", "options", "rows"}
    assert written["machine"]["cores"] == os.cpu_count()
    found = {(row["framework"], row["against"]) for row in written["rows"]}
    assert found == {
        (f, a) for f in ("torch", "jax") for a in ("hand-written", "best-hand-written")
    }
    for row in written["rows"]:
        assert set(row) == ROWS
        assert row["ratio"] > 0
        assert row["met"] == (row["ratio"] >= row["goal"])
        assert f"{row['ratio']:.2f}" in printed


def test_the_import_benchmark_names_what_it_measured():
    assert "import maasnb" in run(ROOT / "benchmarks" / "imports.py", "--runs", 1)
