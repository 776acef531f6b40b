"""What a panel is told only when it asks: histograms, hard examples, states to go back to.

Each answer is a frame of its own, made in the thread that the question came in, from what the run's
history holds at that moment.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.events import HISTOGRAM_LOW, Measured
from maasnb.language.translating import translated
from maasnb.panels.feed import Frame
from maasnb.parts import Parts, leaves, mapped
from maasnb.records.checkpoints import checkpoint_steps
from maasnb.records.run import Run
from maasnb.study.findings import findings

__all__ = ["examples_frame", "findings_frame", "histograms_frame", "steps_frame"]

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
        example = _row(split.x, number)
        picture = thumbnail(example, run.data.features)
        target = _row(split.y, number)
        row: dict[str, Any] = {
            "number": number,
            "loss": float(f"{mean[number]:.4g}"),
            "seen": int(losses.count[number]),
            "target": _target(target, labels),
        }
        if picture is None:
            row["words"] = _words(example, run.data.features)
        else:
            row["size"] = [picture.shape[1], picture.shape[0]]
            pictures.append(picture.tobytes())
        rows.append(row)
    return Frame(content={"type": "examples", "rows": rows}, buffers=tuple(pictures))


def findings_frame(run: Any) -> Frame:  # noqa: ANN401 - a run, by its attributes
    """Return what is wrong with a run, in words; nothing of one that is only read."""
    found = findings(run) if isinstance(run, Run) and run.history.measured else ()
    told = [
        {
            "severity": each.severity,
            "title": translated(each.title),
            "words": " ".join(map(translated, (each.words, each.evidence, each.remedy))),
        }
        for each in found
    ]
    return Frame(content={"type": "findings", "findings": told})


def _row(parts: Parts, number: int) -> Any:  # noqa: ANN401 - an array, or parts
    return mapped(lambda part: part[number], parts)


def _target(target: Any, labels: Sequence[str]) -> str:  # noqa: ANN401 - a number, an array, or parts
    if labels and np.ndim(target) == 0:
        return labels[int(target)]
    if labels and np.shape(target) == (len(labels),):  # any number of them
        return ", ".join(name for name, has in zip(labels, target, strict=True) if has) or "none"
    return _words(target, ())


def thumbnail(example: Any, features: Sequence[str]) -> Array | None:  # noqa: ANN401 - a raw example
    """Return an example as a small picture [height, width], 0 to 255; None if it is none.

    Two axes are a picture, three one with channels first or last, and one axis where the columns'
    names say that they are pixels of a square.
    """
    if not isinstance(example, np.ndarray) or example.dtype.kind not in "biuf":
        return None
    shape = example.shape
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


def _words(example: Any, features: Sequence[str]) -> str:  # noqa: ANN401 - a raw example
    parts = leaves(example)
    if len(parts) > 1:
        text = "; ".join(_words(part, ()) for part in parts)
    elif np.ndim(parts[0]) == 0:
        text = str(parts[0])
    else:
        example = parts[0]
        values = [
            f"{each:.30}" if isinstance(each, str) else f"{each:.3g}"
            for each in np.ravel(example)[:12].tolist()
        ]
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
