"""Small trained runs, real in every part, made once a session."""

import dataclasses
import functools
from typing import Any

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.freezing import freeze
from maasnb.backends import backend_of
from maasnb.building import build
from maasnb.datasets.loading import data
from maasnb.layers import Dense
from maasnb.tasks import make_task


@dataclasses.dataclass
class Run:
    name: str
    model: Any
    backend: Any
    data: Any
    task: Any
    metrics: dict
    steps: int
    status: str
    settings: dict
    environment: dict

    def predict(self, x):
        recipe = self.data.recipe
        return recipe.outputs(self.backend.predict(self.model, self.task, recipe.inputs(x)))


@functools.cache
def small_run(backend: str = "torch", dataset: str = "digits") -> Run:
    examples = data(dataset)
    width = len(examples.labels) or examples.target_width
    model = build([Dense(16, "relu"), Dense(width)], backend=backend, data=examples)
    owner = backend_of(model)
    task = make_task(
        kind=examples.kind,
        labels=examples.labels,
        targets=examples.target_width,
        output_shape=owner.output_shape(model, examples.train.inputs[:2]),
        final_activation=owner.final_activation(model),
    )
    return Run(
        name=f"{dataset}-{backend}",
        model=model,
        backend=owner,
        data=examples,
        task=task,
        metrics={"accuracy": 0.9},
        steps=3,
        status="finished",
        settings={"epochs": 1},
        environment={backend: owner.version()},
    )


@functools.cache
def small_artifact(backend: str = "torch", dataset: str = "digits", name: str = "small") -> Artifact:
    return freeze(small_run(backend, dataset), name)


def changed(run, **fields):
    """Return a copy of a run in which some fields differ."""
    return _Changed(run, fields)


class _Changed:
    def __init__(self, run, fields):
        self._run, self._fields = run, fields

    def __getattr__(self, name):
        return self._fields[name] if name in self._fields else getattr(self._run, name)
