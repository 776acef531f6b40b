"""Whether stored weights fit a model: the same names with the same shapes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maasnb.errors import ModelError

__all__ = ["check_fits"]

Array = np.ndarray[Any, np.dtype[Any]]


def check_fits(
    model: str, shapes: Mapping[str, tuple[int, ...]], weights: Mapping[str, Array]
) -> None:
    """Pass if weights are those of a model of this structure.

    Args:
        model: the name of the model's class.
        shapes: the shape of each parameter and buffer that the model has, by name.
        weights: the stored arrays, by name.

    Raises:
        ModelError: they are not; names the first difference.
    """
    missing = [name for name in shapes if name not in weights]
    extra = [name for name in weights if name not in shapes]
    other = [n for n, shape in shapes.items() if n in weights and weights[n].shape != tuple(shape)]
    if not (missing or extra or other):
        return
    if missing:
        what = f"it has {missing[0]!r} {shapes[missing[0]]}, which is not among them"
    elif extra:
        what = f"{extra[0]!r} {weights[extra[0]].shape} is among them, which it does not have"
    else:
        name = other[0]
        what = f"its {name!r} has the shape {tuple(shapes[name])}, stored is {weights[name].shape}"
    count = len(missing) + len(extra) + len(other)
    message = (
        f"The stored weights do not fit this {model}: {what}"
        f"{f' (and {count - 1} more differences)' if count > 1 else ''}. Give a model of the "
        "structure that was trained; nothing was changed."
    )
    raise ModelError(message)
