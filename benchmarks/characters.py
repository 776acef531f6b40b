"""Measure how well models of characters learn CPython's help texts in a minute or two.

Run `python -m benchmarks.characters --json FILE`. Each model is trained on the first 80 % of the
text and judged on the last 10 %, in nats a character; the seconds are those of the training. Pairs
of characters, counted, take 2.32 nats. The models are those of tutorial 07.
"""

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MAASNB_PANEL", "static")

import maasnb as mb

GOALS = {"lstm": 2.0, "transformer": 1.9}
MOST_SECONDS = 120


def layers_of(model: str, known: int) -> list[Any]:
    """Return the layers of a model for a vocabulary."""
    if model == "lstm":
        return [mb.Embed(known, 32), mb.LSTM(128, sequences=True), mb.Dense(known)]
    body = mb.Transformer(64, heads=4, layers=2, causal=True)
    return [mb.Embed(known, 64), body, mb.Dense(known)]


def measure(model: str, backend: str, epochs: float) -> dict[str, Any]:
    """Train a model, and return its row."""
    topics = mb.data("topics")
    net = mb.build(layers_of(model, len(topics.labels)), backend=backend, data=topics)
    steps = max(1, round(epochs * len(topics.train) / 32))
    lr = 0.01 if model == "lstm" else 0.004
    run = mb.train(net, topics, steps=steps, lr=lr, schedule="onecycle", clip=1.0)
    nats = mb.evaluate(run)["log_loss"]
    met = nats < GOALS[model] and run.seconds <= MOST_SECONDS
    return {
        "model": model, "backend": backend, "steps": steps, "nats": round(nats, 4),
        "seconds": round(run.seconds, 1), "goal": GOALS[model], "met": met,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--model", choices=list(GOALS), action="append")
    parser.add_argument("--backend", choices=["torch", "jax"], action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["MAASNB_HOME"] = home
        for model in options.model or GOALS:
            for backend in options.backend or ["torch", "jax"]:
                row = measure(model, backend, options.epochs)
                rows.append(row)
                print(
                    f"{model:<12} {backend:<6} {row['nats']:.3f} nats a character after "
                    f"{row['seconds']:.0f} s, goal below {row['goal']}: {row['met']}",
                    flush=True,
                )
    if options.json:
        machine = {"platform": platform.platform(), "cores": os.cpu_count()}
        found = {"machine": machine, "maasnb": mb.__version__, "rows": rows}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
