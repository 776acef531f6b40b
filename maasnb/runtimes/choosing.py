"""Which of a model's programs is the faster one here: measured, because it depends on the model.

onnxruntime is usually ahead for dense and convolutional networks, XLA for recurrent ones and
Transformers, and for some it turns with the size of the batch. So each is run with one example and
with many, and the means are compared.
"""

import math
import time
from collections.abc import Mapping

import numpy as np

from maasnb.runtimes.protocol import Array, Session

__all__ = ["BATCHES", "measure"]

BATCHES = (1, 32)
"""One request alone, and about what gathers under load."""
RUNS = 5
LONGEST_S = 0.2
"""A program that takes longer than this is measured once."""


def measure(sessions: Mapping[str, Session], inputs: Array) -> dict[str, float]:
    """Return what an answer takes by each program, microseconds.

    Args:
        sessions: loaded programs of one model, by format.
        inputs: prepared examples [n, ...]; repeated where a batch has more.

    Returns:
        By format, the geometric mean over the sizes of batch of the fastest of several runs, so
        that a busy machine changes little and neither size outweighs the other.
    """
    found: dict[str, list[float]] = {name: [] for name in sessions}
    for rows in BATCHES:
        batch = np.resize(inputs, (rows, *inputs.shape[1:]))
        for name, session in sessions.items():
            found[name].append(_fastest(session, batch))
    return {name: round(1e6 * _geometric_mean(times), 1) for name, times in found.items()}


def _fastest(session: Session, batch: Array) -> float:
    session.run(batch)  # compiles, where that is needed
    best, spent = math.inf, 0.0
    for _ in range(RUNS):
        began = time.perf_counter()
        session.run(batch)
        took = time.perf_counter() - began
        best, spent = min(best, took), spent + took
        if spent > LONGEST_S:
            break
    return best


def _geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))
