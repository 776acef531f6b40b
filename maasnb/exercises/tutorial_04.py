"""The exercises of tutorial 04: one trace for every length, a scan, a donation.

JAX itself is taken from the notebook, which has imported it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.exercises.exercise import Exercise, Wrong

__all__ = ["EXERCISES"]

_JAX = {"jax": "import jax"}


def _check_one_trace(names: Mapping[str, Any]) -> None:
    seen, mean = names["seen"], names["padded_mean"]
    random = np.random.default_rng(2)
    # Traces of earlier calls count too: what is compiled already is not traced again.
    for length in (1, 5, 64, 17, 5):
        values = random.normal(size=length).astype(np.float32)
        found = float(mean(values))
        if not np.isclose(found, values.mean(), atol=1e-5):
            message = (
                f"The mean of {length} numbers is not right: {found:.3f}, expected "
                f"{values.mean():.3f}. Divide the sum by `count`, not by the padded length."
            )
            raise Wrong(message)
    if len({tuple(shape) for shape in seen}) > 1:
        message = (
            f"It was traced for {len(seen)} shapes: {', '.join(map(str, seen[:3]))}, ... Pad every "
            "input to 64 numbers before you call `mean_of_first`."
        )
        raise Wrong(message)
    if len(seen) > 1:
        message = (
            f"It was traced {len(seen)} times for one shape: `count` must be an input like any "
            "other, not a static one."
        )
        raise Wrong(message)


def _check_scan(names: Mapping[str, Any]) -> None:
    jax, smooth = names["jax"], names["smooth"]
    values = np.random.default_rng(3).normal(size=50).astype(np.float32)
    found = smooth(values)
    if found is ...:
        raise Wrong("`smooth` still returns `...`, the dots that stand for your answer.")
    if isinstance(found, tuple):
        raise Wrong("`scan` returns two things: what is carried at the end, and all averages.")
    expected, average = [], 0.0
    for value in values:
        average = 0.9 * average + 0.1 * float(value)
        expected.append(average)
    found = np.asarray(found)
    if found.shape != (50,):
        raise Wrong(f"`smooth` returns the shape {found.shape}; expected one average a value.")
    if not np.allclose(found, expected, atol=1e-5):
        message = (
            "The averages are not right. Begin with 0, and return the new average twice: to be "
            "carried along, and to be kept."
        )
        raise Wrong(message)
    if "scan" not in str(jax.make_jaxpr(smooth)(values)):
        raise Wrong("The numbers are right, but there is no `jax.lax.scan` in `smooth` yet.")


def _check_donation(names: Mapping[str, Any]) -> None:
    jax, shrink = names["jax"], names["shrink"]
    weight = jax.numpy.arange(6.0) + 1
    found = np.asarray(shrink(weight))
    if not np.allclose(found, 0.5 * (np.arange(6.0) + 1)):
        raise Wrong("`shrink` is to return 0.5 * w.")
    if not weight.is_deleted():
        message = (
            "`w` is still there after the call. Tell jit to donate it: "
            "`@functools.partial(jax.jit, donate_argnums=0)`"
        )
        raise Wrong(message)


EXERCISES = {
    "04.1": Exercise(
        task="Have the mean of arrays of every length computed with one trace.",
        needs={"seen": "seen = []", "padded_mean": "def padded_mean(values):"},
        check=_check_one_trace,
        praise="One program for all lengths.",
    ),
    "04.2": Exercise(
        task="Write the running average with jax.lax.scan.",
        needs={**_JAX, "smooth": "def smooth(values):"},
        check=_check_scan,
        praise="The loop is inside the program now.",
    ),
    "04.3": Exercise(
        task="Have `shrink` donate its input.",
        needs={**_JAX, "shrink": "def shrink(w):"},
        check=_check_donation,
        praise="The memory of `w` holds the result now.",
    ),
}
