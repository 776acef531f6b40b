"""Small trained runs and their artifacts, real in every part, made once a session."""

import dataclasses
import functools
import tempfile

import pytest

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.freezing import freeze
from maasnb.building import build
from maasnb.datasets.loading import data
from maasnb.layers import Dense
from maasnb.records.run import Run
from maasnb.training.starting import train


@functools.cache
def small_run(backend: str = "torch", dataset: str = "digits") -> Run:
    """Return a run of one epoch of a small network."""
    examples = data(dataset)
    width = len(examples.labels) or examples.target_width
    model = build([Dense(16, "relu"), Dense(width)], backend=backend, data=examples)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", folder)
        return train(model, examples, epochs=1)


@functools.cache
def small_artifact(backend: str = "torch", dataset: str = "digits") -> Artifact:
    """Return that run frozen under the name `small`."""
    return freeze(small_run(backend, dataset), "small")


def with_only(program_format: str, artifact: Artifact) -> Artifact:
    """Return an artifact with one of its programs."""
    program = artifact.manifest.program((program_format,))
    return Artifact(
        manifest=dataclasses.replace(artifact.manifest, programs=(program,)),
        blobs=artifact.blobs,
    )


def changed(run, **fields):
    """Return a run that differs from another in some fields."""
    return _Changed(run, fields)


class _Changed:
    def __init__(self, run, fields):
        self._run, self._fields = run, fields

    def __getattr__(self, name):
        return self._fields[name] if name in self._fields else getattr(self._run, name)
