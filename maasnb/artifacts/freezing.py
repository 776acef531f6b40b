"""Freezing: a trained run becomes an artifact.

Beside the program go golden pairs: a few raw examples of the test split with the outputs that the
notebook computes for them. Whoever runs the program later, the notebook before sending and the
server before listing, must reproduce them. A summary of the training data and a card for people go
along, both made from the run alone.
"""

import dataclasses
import inspect
import math
import re
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.blobs import Blob, bytes_from_arrays, digest_of
from maasnb.artifacts.card import Facts, model_card
from maasnb.artifacts.distributions import (
    FEWEST_ROWS,
    MOST_ROWS,
    Summary,
    kind_of,
    summarise,
)
from maasnb.artifacts.manifest import Framework, Manifest, ProgramEntry, check_name
from maasnb.backends.protocol import Array, Backend
from maasnb.datasets.recipes import Recipe
from maasnb.errors import ExportError
from maasnb.metrics import classes_of, measure
from maasnb.tasks import Task
from maasnb.tensors import Signature, Tensor, datatype_of, packed_texts

__all__ = ["GOLDEN_ROWS", "INPUT_NAME", "PublishableData", "PublishableRun", "Split", "freeze"]

INPUT_NAME = "x"
GOLDEN_ROWS = 8
ANSWERED_ROWS = 2000
"""So many examples are answered at most to learn what the model's answers look like."""
MEASURED_ROWS = 10_000
MOST_GOLDEN_NUMBERS = 1 << 20  # 4 MB: windows over a large vocabulary have many


class Split(Protocol):
    """The part of a split that publishing reads."""

    @property
    def x(self) -> Array:
        """Return the raw inputs [n, ...]."""
        ...

    @property
    def y(self) -> Array:
        """Return the raw targets [n, ...]."""
        ...

    def __len__(self) -> int:
        """Return the number of examples."""
        ...


class PublishableData(Protocol):
    """The part of a run's data that publishing reads."""

    @property
    def name(self) -> str:
        """Return the data's name."""
        ...

    @property
    def recipe(self) -> Recipe:
        """Return the fitted recipe."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Return the columns' names; empty where they have none."""
        ...

    @property
    def fingerprint(self) -> str:
        """Return the digest of the arrays."""
        ...

    @property
    def seed(self) -> int:
        """Return the seed of the split."""
        ...

    @property
    def test(self) -> Split:
        """Return the test split."""
        ...

    @property
    def train(self) -> Split:
        """Return the training split."""
        ...

    @property
    def validation(self) -> Split:
        """Return the validation split."""
        ...


class PublishableRun(Protocol):
    """The part of a run that publishing reads."""

    @property
    def name(self) -> str:
        """Return the run's name."""
        ...

    @property
    def model(self) -> Any:  # noqa: ANN401 - a native module of any framework
        """Return the user's own model."""
        ...

    @property
    def backend(self) -> Backend:
        """Return the model's backend."""
        ...

    @property
    def data(self) -> PublishableData:
        """Return the data that the model was trained on."""
        ...

    @property
    def task(self) -> Task:
        """Return what the model was trained for."""
        ...

    @property
    def metrics(self) -> Mapping[str, float]:
        """Return what was measured on the test split."""
        ...

    @property
    def steps(self) -> int:
        """Return the number of training steps taken."""
        ...

    @property
    def status(self) -> str:
        """Return how the run ended, or `"running"`."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return how it was trained, as JSON data."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the versions of the packages that trained it."""
        ...

    @property
    def code(self) -> Mapping[str, str]:
        """Return the cell, the model's source and the git commit, where they are known."""
        ...

    def predict(self, x: ArrayLike) -> Array:
        """Return probabilities or values for raw examples [n, ...]."""
        ...


def freeze(run: PublishableRun, name: str) -> Artifact:
    """Turn a trained run into an artifact; the same run gives the same bytes.

    Args:
        run: a run that has taken at least one step and is not running.
        name: the name that the model is to be served under.

    Returns:
        The artifact. Its program has not been run yet.

    Raises:
        ExportError: the run is untrained or running, or the model cannot become a program.
        OptionError: the name cannot be used.
    """
    check_name(name)
    _check_trained(run)
    _check_one_part(run)
    golden = _golden(run)
    raw, expected = golden[INPUT_NAME], golden[run.task.output_name]
    exported = run.backend.export(run.model, run.task, run.data.recipe.inputs(raw))
    gaps = run.data.recipe.fills and raw.dtype.kind == "f"
    taken = dataclasses.replace(_tensor(INPUT_NAME, raw), gaps=gaps)
    signature = Signature(inputs=(taken,), outputs=(_tensor(run.task.output_name, expected),))
    provenance = _provenance(run, exported.missing)
    summary = _summary(run)
    facts = _facts(run, name, signature, provenance, summary)
    formats = tuple(each.format for each in exported.programs)
    card = model_card(dataclasses.replace(facts, formats=formats, example=raw[:1]))
    blobs: dict[str, bytes] = {}

    def keep(content: bytes) -> Blob:
        blob = Blob(digest=digest_of(content), size_bytes=len(content))
        blobs[blob.digest] = content
        return blob

    manifest = Manifest(
        name=name,
        framework=Framework(name=run.backend.name, version=run.backend.version()),
        signature=signature,
        recipe=run.data.recipe,
        task=run.task,
        metrics={key: float(value) for key, value in run.metrics.items()},
        provenance=provenance,
        programs=tuple(
            ProgramEntry(format=each.format, blob=keep(each.content)) for each in exported.programs
        ),
        weights=keep(bytes_from_arrays(run.backend.weights(run.model))),
        golden=keep(bytes_from_arrays({key: _storable(each) for key, each in golden.items()})),
        card=keep(card.encode()),
        summary=None if summary is None else keep(summary.to_bytes()),
        generation=_generation(run),
        tokens=_tokens(run, taken),
    )
    return Artifact(manifest=manifest, blobs=blobs)


def _check_trained(run: PublishableRun) -> None:
    if run.status == "running":
        message = (
            f"The run {run.name!r} is still training (step {run.steps}), and its model changes "
            "with every step. Wait for it or stop it, then publish it."
        )
        raise ExportError(message)
    if run.steps == 0:
        message = (
            f"The run {run.name!r} has taken no training step, so its model would answer at "
            "random; expected a trained run. Train it first: run = mb.train(model, data, epochs=10)"
        )
        raise ExportError(message)


def _check_one_part(run: PublishableRun) -> None:
    several = isinstance(run.data.train.x, dict | tuple)
    if several or not run.task.outputs:
        why = "takes several inputs" if several else "returns no one array of known meaning"
        message = (
            f"The model of the run {run.name!r} {why}; a served model takes one array and returns "
            "one. Wrap it in a module that does, then train and publish that."
        )
        raise ExportError(message)


def _golden(run: PublishableRun) -> dict[str, Array]:
    rows = run.data.test.x if len(run.data.test.x) else run.data.train.x
    numbers = max(run.task.outputs * math.prod(run.task.positions), 1)
    raw = np.asarray(rows[: max(1, min(GOLDEN_ROWS, MOST_GOLDEN_NUMBERS // numbers))])
    outputs = _answers(run, raw)
    if not np.isfinite(outputs).all():
        message = (
            f"The model of the run {run.name!r} returns NaN or infinite values; expected finite "
            "ones. Train it again with a smaller learning rate: mb.train(model, data, lr=1e-4)"
        )
        raise ExportError(message)
    return {INPUT_NAME: raw, run.task.output_name: outputs}


def _storable(array: Array) -> Array:
    """Return an array that safetensors can hold: texts as their packed bytes."""
    if array.dtype.kind != "O":
        return array
    return np.frombuffer(packed_texts(array.reshape(-1)), np.uint8)


def _generation(run: PublishableRun) -> dict[str, Any] | None:
    """Return what a server must know to write with a model that says which token comes next."""
    text, task = run.data.recipe.text, run.task
    if text is None or (*task.positions, task.outputs) != (text.length, len(text.vocabulary)):
        return None
    return {"context": text.length, "unit": text.unit}


def _tokens(run: PublishableRun, taken: Tensor) -> int | None:
    """Return how many tokens the model knows, where it takes their numbers as they are."""
    spec = run.backend.spec(run.model)
    whole = taken.dtype.kind in "iu" and not run.data.recipe.steps
    return spec.tokens if whole and spec is not None else None


def _tensor(name: str, array: Array) -> Tensor:
    return Tensor(name=name, datatype=datatype_of(array.dtype), shape=(-1, *array.shape[1:]))


def _provenance(run: PublishableRun, missing: Mapping[str, str]) -> dict[str, Any]:
    return {
        "run": _run_name(run),
        "steps": run.steps,
        "status": run.status,
        "seed": run.data.seed,
        "data": run.data.name,
        "data_fingerprint": run.data.fingerprint,
        "features": list(run.data.features),
        "settings": dict(run.settings),
        "packages": dict(run.environment),
        "code": dict(run.code),
        **({"not_exported": dict(missing)} if missing else {}),
    }


def _run_name(run: PublishableRun) -> str:
    """Return a run's name; without its number where nobody gave the name.

    A notebook that is run again, to the same weights, is to give the same artifact.
    """
    given = re.fullmatch(rf"(.*-{re.escape(run.backend.name)})-\d+", run.name)
    return given[1] if given else run.name


def _summary(run: PublishableRun) -> Summary | None:
    """Return how the training data and the model's answers to it are distributed."""
    train = run.data.train
    if len(train) < FEWEST_ROWS:
        return None
    x = np.asarray(train.x)[:: -(-len(train) // MOST_ROWS)]
    asked = x[:: -(-len(x) // ANSWERED_ROWS)]
    outputs = _answers(run, asked)
    classes = None
    if run.task.kind == "classification":
        named = classes_of(outputs).ravel()
        classes = np.bincount(named, minlength=max(outputs.shape[-1], len(run.task.labels)))
    return summarise(
        x,
        outputs,
        of=kind_of(x, tokens=run.task.takes == "int32"),
        features=run.data.features,
        classes=classes,
    )


def _answers(run: PublishableRun, raw: Array) -> Array:
    recipe = run.data.recipe
    answers = run.backend.predict(run.model, run.task, recipe.inputs(raw))
    return recipe.outputs(np.asarray(answers))


def _facts(
    run: PublishableRun,
    name: str,
    signature: Signature,
    provenance: Mapping[str, Any],
    summary: Summary | None,
) -> Facts:
    data, task = run.data, run.task
    sizes = {split: len(getattr(data, split)) for split in ("train", "validation", "test")}
    classes = None
    if task.kind == "classification" and not task.positions:
        classes = np.bincount(np.asarray(data.train.y).ravel(), minlength=len(task.labels)).tolist()
    own = "model" in run.code  # else the docstring is the framework's
    return Facts(
        name=name,
        framework=run.backend.name,
        model=type(run.model).__name__,
        about=(inspect.cleandoc(type(run.model).__doc__ or "") if own else "")[:2000],
        parameters=sum(info.count for info in run.backend.parameters(run.model)),
        formats=(),
        signature=signature,
        task=task,
        data={"name": data.name, "classes": classes, **sizes},
        features=data.features,
        recipe=tuple(step.kind for step in data.recipe.steps),
        summary=summary,
        metrics={"validation": dict(run.metrics), "test": _test_metrics(run)},
        example=np.zeros(0),
        provenance=provenance,
    )


def _test_metrics(run: PublishableRun) -> dict[str, float]:
    split = run.data.test
    if not len(split):
        return {}
    every = -(-len(split) // MEASURED_ROWS)
    outputs = _answers(run, np.asarray(split.x)[::every])
    targets = np.asarray(split.y)[::every]
    return measure(run.task, classes_of(outputs) if run.task.positions else outputs, targets)
