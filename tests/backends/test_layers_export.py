"""Models of every kind of layer become programs that take a batch of any size."""

import numpy as np
import pytest

from maasnb.layers import make_spec
from maasnb.runtimes.served import runtime_for
from maasnb.tasks import Task
from tests.backends.layered import LAYERED, inputs_for

NAMES = (
    "conv with an even kernel",
    "conv with other strides",
    "conv of a sequence",
    "pool with a mean",
    "global pool of a padded sequence",
    "flatten",
    "RNN padded, bidirectional",
    "GRU padded, bidirectional",
    "GRU stacked",
    "LSTM padded, bidirectional",
    "LSTM last",
    "attention, padded and causal",
    "transformer, causal",
    "transformer, sinusoidal",
    "batch norm of a picture",
    "residual with a norm",
    "parallel to vectors",
    "parallel, padded",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_program_answers_what_the_model_does(name, backend):
    spec = make_spec(LAYERED[name])
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
