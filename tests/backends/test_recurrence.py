"""Recurrent layers of torch become one node each, and answer as torch does."""

import collections

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from maasnb.backends.torch.export import export_onnx
from maasnb.errors import ExportError
from tests.backends.models import CLASSES

KINDS = [("LSTM", {}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})]
OPTIONS = [(True, True, False), (False, True, True), (True, False, True)]


class Recurrent(nn.Module):
    """Answer with the last outputs and the last states of a recurrent layer."""

    def __init__(self, kind, **options):
        super().__init__()
        torch.manual_seed(0)
        self.layer = getattr(nn, kind)(3, 6, num_layers=2, **options)
        self.out = nn.LazyLinear(3)
        self(torch.zeros(2, 5, 3))

    def forward(self, x):
        if not self.layer.batch_first:
            x = x.transpose(0, 1)
        outputs, ends = self.layer(x)
        last = outputs[:, -1] if self.layer.batch_first else outputs[-1]
        ends = [ends] if isinstance(ends, torch.Tensor) else ends
        return self.out(torch.cat([last, *(end.sum(0) for end in ends)], dim=1))


def sequences(count, steps=5):
    return np.random.default_rng(count).normal(size=(count, steps, 3)).astype(np.float32)


def nodes(program):
    graph = onnx.load_model_from_string(program.content).graph
    return collections.Counter(node.op_type for node in graph.node)


def assert_answers_as(model, program, steps=5):
    session = onnxruntime.InferenceSession(program.content)
    for count in (1, 2, 7):
        x = sequences(count, steps)
        with torch.no_grad():
            expected = torch.softmax(model.eval()(torch.from_numpy(x)), dim=1)
        assert_allclose(session.run(None, {"inputs": x})[0], expected, atol=1e-6)


@pytest.mark.parametrize(("bias", "bidirectional", "batch_first"), OPTIONS)
@pytest.mark.parametrize(("kind", "more"), KINDS, ids=["LSTM", "GRU", "RNN", "RNN with relu"])
def test_each_layer_is_one_node_that_answers_as_torch_does(
    kind, more, bias, bidirectional, batch_first
):
    model = Recurrent(kind, bias=bias, bidirectional=bidirectional, batch_first=batch_first, **more)
    program = export_onnx(model, CLASSES, sequences(2))
    assert nodes(program)[kind] == 2
    assert_answers_as(model, program)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_longer_sequence_makes_no_larger_program(kind):
    model = Recurrent(kind, batch_first=True)
    short, long = (export_onnx(model, CLASSES, sequences(2, steps)) for steps in (5, 60))
    assert nodes(short) == nodes(long)
    assert_answers_as(model, long, steps=60)


def test_sequences_of_several_lengths_are_refused_as_the_exporter_does():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.GRU(3, 3, batch_first=True)

        def forward(self, x):
            lengths = torch.full((len(x),), x.shape[1])
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
            return self.layer(packed)[1][0]

    with pytest.raises(ExportError, match="cannot be exported to ONNX"):
        export_onnx(Packed(), CLASSES, sequences(2))
