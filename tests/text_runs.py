"""Small runs that learnt to write, real in every part, made once a session for each backend."""

import functools
import tempfile

import pytest

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.freezing import freeze
from maasnb.datasets.loading import Data, data
from maasnb.datasets.recipes import chars
from maasnb.records.run import Run
from maasnb.training.starting import train

WORDS = (
    "the cat sat on the mat: a 猫坐在垫子上。\n"  # 33 characters, so that windows begin anywhere
)


@functools.cache
def text_data(length: int = 16) -> Data:
    """Return windows of a text that repeats itself."""
    return data(WORDS * 60, prep=[chars(length)], name="cats")


def writer(backend: str, vocabulary: int):
    """Return an untrained recurrent network over characters, written in the framework itself."""
    return _torch_writer(vocabulary) if backend == "torch" else _flax_writer(vocabulary)


def _torch_writer(vocabulary: int):
    import torch
    from torch import nn

    class Writer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(vocabulary, 16)
            self.lstm = nn.LSTM(16, 48, batch_first=True)
            self.out = nn.Linear(48, vocabulary)

        def forward(self, tokens):
            return self.out(self.lstm(self.embed(tokens))[0])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Writer()


def _flax_writer(vocabulary: int):
    from flax import nnx

    class Writer(nnx.Module):
        def __init__(self, rngs):
            self.embed = nnx.Embed(vocabulary, 16, rngs=rngs)
            self.lstm = nnx.RNN(nnx.OptimizedLSTMCell(16, 48, rngs=rngs))
            self.out = nnx.Linear(48, vocabulary, rngs=rngs)

        def __call__(self, tokens):
            return self.out(self.lstm(self.embed(tokens)))

    return Writer(nnx.Rngs(0))


@functools.cache
def text_run(backend: str = "torch") -> Run:
    """Return a run that learnt the text nearly by heart."""
    examples = text_data()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", folder)
        model = writer(backend, len(examples.labels))
        return train(model, examples, epochs=12, lr=0.01, batch=16)


@functools.cache
def text_artifact(backend: str = "torch") -> Artifact:
    """Return that run frozen under the name `cats`."""
    return freeze(text_run(backend), "cats")
