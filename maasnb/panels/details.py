"""What a panel is told only when it asks: histograms, hard examples, states to go back to.

Each answer is a frame of its own, made in the thread that the question came in, from what the run's
history holds at that moment.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.events import HISTOGRAM_LOW, Measured
from maasnb.panels.feed import Frame
from maasnb.records.checkpoints import checkpoint_steps

__all__ = ["examples_frame", "histograms_frame", "steps_frame"]

MOST_EXAMPLES = 12
MOST_WORDS = 160
MOST_PIXELS = 64
"""A thumbnail is at most so many pixels wide and high."""

Array = np.ndarray[Any, np.dtype[Any]]


def steps_frame(run: Any) -> Frame:  # noqa: ANN401 - a run, by its attributes
    """Return the steps that a run can be taken back to."""
    return Frame(content={"type": "steps", "steps": checkpoint_steps(run.folder)})


def histograms_frame(run: Any, layer: object) -> Frame:  # noqa: ANN401 - a run, by its attributes
    """Return the newest histograms of one layer, and which layers have some.

    Args:
        run: the run.
        layer: a name as in `layers` of an earlier answer; another word means the first one.
    """
    full = _newest(run.history.measured)
    if full is None:
        return Frame(content={"type": "histograms", "layers": []})
    layers = list(dict.fromkeys(name.partition("/")[2] for name in full.histograms))
    chosen = str(layer) if layer in layers else layers[0]
    content = {
        "type": "histograms",
        "layers": layers,
        "layer": chosen,
        "step": full.step,
        "low": HISTOGRAM_LOW,
        "counts": {
            kind: list(full.histograms[f"{kind}/{chosen}"])
            for kind in ("weight", "gradient", "activation")
            if f"{kind}/{chosen}" in full.histograms
        },
        "activations": {name: dict(values) for name, values in full.activations.items()},
    }
    return Frame(content=content)


def examples_frame(run: Any) -> Frame:  # noqa: ANN401 - a run, by its attributes
    """Return the training examples with the greatest mean loss, the hardest first."""
    losses = getattr(run.history, "examples", None)
    if losses is None or run.data is None:
        return Frame(content={"type": "examples", "rows": []})
    mean = np.nan_to_num(losses.mean, nan=-np.inf)
    worst = np.argsort(-mean, kind="stable")[:MOST_EXAMPLES]
    split, labels = run.data.train, run.data.labels
    rows, pictures = [], []
    for number in (int(each) for each in worst if losses.count[each]):
        picture = thumbnail(split.x[number], run.data.features)
        target = split.y[number]
        row: dict[str, Any] = {
            "number": number,
            "loss": float(f"{mean[number]:.4g}"),
            "seen": int(losses.count[number]),
            "target": labels[int(target)] if labels else _words(np.atleast_1d(target), ()),
        }
        if picture is None:
            row["words"] = _words(split.x[number], run.data.features)
        else:
            row["size"] = [picture.shape[1], picture.shape[0]]
            pictures.append(picture.tobytes())
        rows.append(row)
    return Frame(content={"type": "examples", "rows": rows}, buffers=tuple(pictures))


def thumbnail(example: Array, features: Sequence[str]) -> Array | None:
    """Return an example as a small picture [height, width], 0 to 255; None if it is none.

    Two axes are a picture, three one with channels first or last, and one axis where the columns'
    names say that they are pixels of a square.
    """
    shape = example.shape
    if example.dtype.kind not in "biuf":
        return None
    if len(shape) == 1:
        side = round(shape[0] ** 0.5)
        named = len(features) == shape[0] and all("pixel" in name for name in features)
        if not named or side * side != shape[0]:
            return None
        example = example.reshape(side, side)
    elif len(shape) == 3:
        example = example.mean(axis=0 if shape[0] in (1, 3) else 2)
    elif len(shape) != 2 or min(shape) < 4:
        return None
    steps = [-(-size // MOST_PIXELS) for size in example.shape]
    small = np.asarray(example[:: steps[0], :: steps[1]], np.float64)
    low, high = float(small.min()), float(small.max())
    return np.round((small - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def _words(example: Array, features: Sequence[str]) -> str:
    if example.dtype.kind in "OUS":
        text = " ".join(str(each) for each in np.ravel(example))
    else:
        values = [f"{float(each):.3g}" for each in np.ravel(example)[:12]]
        named = len(features) == np.size(example)
        pairs = zip(features, values, strict=False)
        text = ", ".join(f"{name} {value}" for name, value in pairs) if named else ", ".join(values)
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 1] + "…"


def _newest(measured: Sequence[Measured]) -> Measured | None:
    """Return the newest statistics with histograms."""
    for event in reversed(list(measured)):
        histograms: Mapping[str, Any] = event.histograms
        if histograms:
            return event
    return None
