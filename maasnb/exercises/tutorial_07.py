"""The exercises of tutorial 07: text generation."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong

__all__ = ["EXERCISES"]

Names = Mapping[str, Any]


def _check_bits(names: Names) -> None:
    nats, bits = names["nats"], names["bits"]
    if "LSTM" not in nats:
        raise Wrong('`nats` does not know the LSTM yet. Run the cell that sets `nats["LSTM"]`.')
    right = nats["LSTM"] / math.log(2)
    if math.isclose(bits, nats["LSTM"] * math.log(2), rel_tol=1e-6):
        raise Wrong("`bits` is too small: a bit is less than a nat, so there are more of them.")
    if math.isclose(bits, 2 ** nats["LSTM"], rel_tol=1e-6):
        raise Wrong("2 to the power of nats is no number of bits. How many nats does a bit have?")
    if not math.isclose(bits, right, rel_tol=1e-6):
        raise Wrong(
            f"`bits` is {float(bits):.3f}, which is not the LSTM's number. A bit is the logarithm "
            "of 2 in nats: divide by it."
        )


def _check_top_k(names: Names) -> None:
    top_k = names["top_k"]
    if not callable(top_k):
        raise Wrong(f"`top_k` is {top_k!r:.40}, not a function. Begin with: def top_k(p, k):")
    p = np.random.default_rng(0).permutation(np.arange(1, 11)) / 55
    before = p.copy()
    for k in (1, 3, 10):
        found = np.asarray(top_k(p, k), dtype=float)
        if not np.array_equal(p, before):
            raise Wrong("`top_k` changes the probabilities that it is given. Work on a copy.")
        if found.shape != p.shape:
            raise Wrong(
                f"Of {len(p)} probabilities `top_k` returns the shape {found.shape}; expected one "
                "for each character, 0 for those that are left out."
            )
        if np.count_nonzero(found) != k:
            raise Wrong(
                f"With k={k}, {np.count_nonzero(found)} characters are left; expected {k}. "
                "np.argsort(-p)[:k] are the places of the most probable ones."
            )
        if set(np.flatnonzero(found)) != set(np.argsort(-p)[:k]):
            raise Wrong("The characters that are left are not the most probable ones.")
        if not math.isclose(found.sum(), 1, rel_tol=1e-6):
            raise Wrong(
                f"With k={k} the probabilities add up to {found.sum():.2f}; expected 1. Divide by "
                "their sum."
            )
        if not np.allclose(found, np.where(found > 0, p, 0) / p[found > 0].sum()):
            raise Wrong("What is left must keep its proportions: only divide by the sum.")


def _check_line(names: Names) -> None:
    line = names["line"]
    finish = getattr(line, "finish", None)
    if not isinstance(line, str) or finish is None:
        raise Wrong("`line` is not what mb.generate returns. Type: line = mb.generate(...)")
    if "\n" in line:
        raise Wrong('There is a line end in `line`, so the writing went on. Give stop="\\n".')
    if finish != "stop":
        raise Wrong(
            f"The writing ended after {len(line)} characters because of `max_tokens`, before a "
            'line ended. Give stop="\\n", and a larger max_tokens.'
        )


EXERCISES = {
    "07.1": Exercise(
        task='How many bits a character does the LSTM need? Compute it from `nats["LSTM"]`.',
        needs={
            "nats": 'nats["LSTM"] = mb.evaluate(lstm_run)["log_loss"]',
            "bits": "bits = ...",
        },
        check=_check_bits,
        praise="So many bits a good compressor built on this model would need for a character.",
    ),
    "07.2": Exercise(
        task="Write a function `top_k(p, k)` that keeps the k most probable characters.",
        needs={"top_k": "top_k = ..."},
        check=_check_top_k,
        praise="That is what `top_k=` of mb.generate does before a character is drawn.",
    ),
    "07.3": Exercise(
        task='Write on behind "The " until the line ends, and keep the text in `line`.',
        needs={"line": "line = ..."},
        check=_check_line,
        praise="A stop is not part of the text; the same option works on the endpoint.",
    ),
}
