"""Models of every kind of layer become programs that take a batch of any size."""

import numpy as np
import pytest

from maasnb.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Attention,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    GlobalPool,
    LayerNorm,
    Parallel,
    Pool,
    Residual,
    Transformer,
    make_spec,
)
from maasnb.runtimes.served import runtime_for
from maasnb.tasks import Task
from tests.backends.layered import LAYERED, PADDED, PICTURE, TOKENS, inputs_for

# Several layers in one network, because an export takes seconds however small it is.
NETWORKS = {
    "convolutions and pools of a picture": [
        PICTURE,
        Conv(4, 4),
        BatchNorm(),
        Activation("relu"),
        Pool((2, 3), "mean", stride=1),
        Conv(4, (2, 5), stride=(3, 2)),
        Flatten(),
        Dense(3),
    ],
    "convolutions of a sequence": LAYERED["conv of a sequence"],
    "recurrent layers, padded": [
        *PADDED,
        RNN(5, sequences=True, bidirectional=True),
        GRU(5, sequences=True, bidirectional=True, layers=2),
        LSTM(5, bidirectional=True, layers=2),
    ],
    "recurrent layers": [*TOKENS, GRU(5, sequences=True, layers=2), LSTM(5)],
    "attention, padded and causal": [
        *PADDED,
        Attention(2, causal=True),
        Transformer(8, heads=2, positions="sinusoidal"),
        GlobalPool(),
    ],
    "transformer, causal": LAYERED["transformer, causal"],
    "branches of a picture": [
        PICTURE,
        Conv(4, 3),
        Residual([LayerNorm(), Conv(4, 1)]),
        Parallel([GlobalPool()], [Flatten(), Dense(3)]),
        Dense(3),
    ],
    "branches, padded": LAYERED["parallel, padded"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_program_answers_what_the_model_does(name, backend):
    spec = make_spec(NETWORKS[name])
    inputs = inputs_for(spec)
    task = Task(
        kind="regression",
        loss="mse",
        outputs=spec.output_shape()[-1],
        given="values",
        takes="int32" if inputs.dtype.kind == "i" else "float32",
    )
    model = backend.build(spec, 0)
    for program in backend.export(model, task, inputs).programs:
        for rows in (1, 4, 6):
            given = inputs[-rows:]
            expected = backend.predict(model, task, given)
            np.testing.assert_allclose(answer(program, given), expected, atol=1e-5)


def answer(program, inputs):
    return runtime_for(program.format).load(program.content).run(inputs)
