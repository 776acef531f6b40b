"""What is trained: four kinds of data, each with a model of its own in every library."""

import dataclasses
import pydoc_data.topics
from typing import Any

import numpy as np

__all__ = ["LR", "WORKLOADS", "Workload", "load", "with_validation"]

Array = np.ndarray[Any, np.dtype[Any]]

LR = 1e-3
VOCABULARY = 2000  # of lstm-text, and how many words its model knows
CONTEXT = 64  # characters that tiny-gpt sees

WORKLOADS = ("digits-mlp", "lstm-text", "cnn", "tiny-gpt")

# So many that a run takes a second or more; the JAX loops of a small model are ten times as fast.
_EPOCHS = {
    ("digits-mlp", "torch"): 100,
    ("digits-mlp", "jax"): 300,
    ("lstm-text", "torch"): 2,
    ("lstm-text", "jax"): 2,
    ("cnn", "torch"): 10,
    ("cnn", "jax"): 10,
    ("tiny-gpt", "torch"): 2,
    ("tiny-gpt", "jax"): 2,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Hold the training rows of one workload, and how often they are passed over.

    Attributes:
        name: one of `WORKLOADS`.
        inputs: pixels float32, [n, 64] or [n, 28, 28], or tokens int32 [n, length].
        targets: classes int32, one an example [n] or one a token [n, length].
        classes: how many classes there are.
        batch: how many rows make a step.
        epochs: how many passes a run makes.
    """

    name: str
    inputs: Array
    targets: Array
    classes: int
    batch: int
    epochs: int

    @property
    def steps(self) -> int:
        """Return how many steps a run takes."""
        return self.epochs * -(-len(self.inputs) // self.batch)


def load(name: str, framework: str, *, quick: bool = False) -> Workload:
    """Return a workload; a quick one makes one pass over 96 rows."""
    inputs, targets, classes, batch = _DATA[name]()
    if quick:
        inputs, targets = inputs[:96], targets[:96]
    return Workload(
        name=name,
        inputs=inputs,
        targets=targets,
        classes=classes,
        batch=batch,
        epochs=1 if quick else _EPOCHS[name, framework],
    )


def with_validation(workload: Workload) -> tuple[Array, Array, tuple[float, float, float]]:
    """Return inputs and targets with an eighth more rows, and the split that validates on those."""
    more = len(workload.inputs) // 8
    whole = len(workload.inputs) + more
    return (
        np.concatenate([workload.inputs, workload.inputs[:more]]),
        np.concatenate([workload.targets, workload.targets[:more]]),
        (len(workload.inputs) / whole, more / whole, 0.0),
    )


def _digits() -> tuple[Array, Array, int, int]:
    """Return 1,797 digits of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target.astype(np.int32), 10, 32


def _images() -> tuple[Array, Array, int, int]:
    """Return the digits as images of 28 x 28 pixels: each pixel three by three, and a frame."""
    inputs, targets, classes, batch = _digits()
    large = np.kron(inputs.reshape(-1, 8, 8), np.ones((1, 3, 3), np.float32))
    return np.pad(large, ((0, 0), (2, 2), (2, 2))), targets, classes, batch


def _texts() -> tuple[Array, Array, int, int]:
    """Return 1,600 texts of 50 made-up words; a class has words that it uses more often."""
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 4, 1600).astype(np.int32)
    any_words = generator.integers(0, VOCABULARY, (1600, 50))
    own_words = targets[:, None] * 50 + generator.integers(0, 50, (1600, 50))
    own = generator.random((1600, 50)) < 0.1
    return np.where(own, own_words, any_words).astype(np.int32), targets, 4, 32


def _characters() -> tuple[Array, Array, int, int]:
    """Return 1,280 passages of CPython's help texts, and of each character the one after it."""
    text = "".join(pydoc_data.topics.topics.values())
    known = sorted(set(text))
    numbers = np.searchsorted(np.array(known), np.array(list(text))).astype(np.int32)
    rows = numbers[: 1280 * CONTEXT].reshape(1280, CONTEXT)
    after = numbers[1 : 1280 * CONTEXT + 1].reshape(1280, CONTEXT)
    return rows, after, len(known), 16


_DATA = {"digits-mlp": _digits, "lstm-text": _texts, "cnn": _images, "tiny-gpt": _characters}
