"""Compare the accuracy of the articles' examples with that of the same models in Keras.

Run `.venv-bench/bin/python -m benchmarks.articles --json FILE`; `make bench` makes that folder.
Both sides get the same prepared examples, layers of the same sizes, and the same optimiser; each
starts from its own library's initial weights. A row holds the mean accuracy over the seeds on the
test split, which is half of the examples. Keras runs on its torch backend.
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
os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers as k

import maasnb as mb
from benchmarks.sides.articles import ARTICLES, WORDS_S0, WORDS_S3, Article
from maasnb.datasets.loading import Data

GOAL = 0.005


def ours(article: Article, data: Data, backend: str, seed: int) -> float:
    """Return the test accuracy of maasnb's model."""
    model = mb.build(article.layers(), backend=backend, data=data, seed=seed)
    return mb.evaluate(mb.train(model, data, seed=seed, **article.options))["accuracy"]


def theirs(name: str, article: Article, data: Data, seed: int) -> float:
    """Return the test accuracy of Keras's model."""
    keras.utils.set_random_seed(seed)
    options = article.options
    model = keras.Sequential(_layers(name, options))
    last = data.train.targets
    two = len(data.labels) == 2
    if options["optimizer"] == "momentum":
        optimizer = keras.optimizers.SGD(options["lr"], momentum=0.9)
    else:
        optimizer = keras.optimizers.Adam(options["lr"])
    # Article 1 has one-hot targets, the others class numbers: two names for one loss.
    hot = name == "S0"
    loss = "binary_crossentropy" if two else "sparse_categorical_crossentropy"
    model.compile(optimizer, "categorical_crossentropy" if hot else loss)
    targets = keras.utils.to_categorical(last) if hot else np.asarray(last)
    model.fit(
        np.asarray(data.train.inputs), targets,
        batch_size=options["batch"], epochs=options["epochs"], verbose=0,
    )  # fmt: skip
    outputs = model.predict(np.asarray(data.test.inputs), verbose=0)
    found = outputs[:, 0] > 0.5 if two else outputs.argmax(axis=1)
    return float((found == np.asarray(data.test.targets)).mean())


def _layers(name: str, options: Any) -> list[Any]:
    if name == "S0":
        return [
            k.Embedding(WORDS_S0, 32), k.LSTM(64), k.Dropout(0.5), k.Dense(3, "softmax"),
        ]  # fmt: skip
    if name == "S1":
        return [k.Dense(10, "relu"), k.Dense(1, "sigmoid")]
    if name == "S2":
        small = keras.regularizers.L1L2(options["l1"], options["l2"])
        return [
            k.Dense(16, "relu", kernel_regularizer=small),
            k.Dense(1, "sigmoid", kernel_regularizer=small),
        ]
    if name == "S3":
        return [
            k.Embedding(WORDS_S3, 32), k.LSTM(128, return_sequences=True), k.LSTM(128),
            k.Dense(4, "softmax"),
        ]  # fmt: skip
    return [k.Dense(64, "relu"), k.Dense(32, "relu"), k.Dense(10, "softmax")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--article", choices=list(ARTICLES), action="append")
    parser.add_argument("--examples", type=int, help="fewer examples, to see that it runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["MAASNB_HOME"] = home
        for name in options.article or ARTICLES:
            row = _row(name, options.seeds, options.examples)
            rows.append(row)
            numbers = "  ".join(f"{side} {row[side]:.4f}" for side in ("keras", "torch", "jax"))
            print(
                f"{name}  {numbers}  goal met: {row['met']}  ({ARTICLES[name].title})", flush=True
            )
    if options.json:
        machine = {"platform": platform.platform(), "cores": os.cpu_count()}
        versions = {"keras": keras.__version__, "maasnb": mb.__version__}
        found = {"machine": machine, "versions": versions, "seeds": options.seeds, "rows": rows}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def _row(name: str, seeds: int, examples: int | None) -> dict[str, Any]:
    article = ARTICLES[name]
    found: dict[str, list[float]] = {"keras": [], "torch": [], "jax": []}
    for seed in range(seeds):
        data = article.data(seed, examples or article.examples)
        found["keras"].append(theirs(name, article, data, seed))
        for backend in ("torch", "jax"):
            found[backend].append(ours(article, data, backend, seed))
    means = {side: float(np.mean(values)) for side, values in found.items()}
    met = min(means["torch"], means["jax"]) >= means["keras"] - GOAL
    return {"article": name, "title": article.title, **means, "met": met, "each": found}


if __name__ == "__main__":
    main()
