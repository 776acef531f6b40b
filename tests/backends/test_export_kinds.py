"""Every kind of network becomes a program that answers as the notebook does, for any batch."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
from jax import export
from numpy.testing import assert_allclose

from maasnb.backends import backend_named
from tests.backends.models import CLASSES
from tests.backends.networks import FLAX, LENGTH, TORCH, WORDS

SHAPES = {"MLP": {"torch": (8,), "jax": (8,)}, "CNN": {"torch": (1, 16, 16), "jax": (16, 16, 1)}}
MADE = {"torch": TORCH, "jax": FLAX}


def subject(backend, kind):
    """Return a model with random weights, its task, and a function that makes examples."""
    import torch

    torch.manual_seed(0)
    tokens = kind not in SHAPES
    task = dataclasses.replace(CLASSES, takes="int32" if tokens else "float32")

    def examples(count):
        chance = np.random.default_rng(count)
        if tokens:
            return chance.integers(0, WORDS, (count, LENGTH)).astype(np.int32)
        return chance.normal(size=(count, *SHAPES[kind][backend.name])).astype(np.float32)

    return MADE[backend.name][kind](), task, examples


@pytest.mark.parametrize("kind", TORCH)
def test_the_programs_answer_as_the_notebook_for_a_batch_of_any_size(backend, kind):
    model, task, examples = subject(backend, kind)
    exported = backend.export(model, task, examples(4))
    expected_formats = {"torch": ["onnx"], "jax": ["onnx", "stablehlo"]}[backend.name]
    assert [program.format for program in exported.programs] == expected_formats, exported.missing
    for program in exported.programs:
        run = runner(program)
        for count in (1, 2, 3, 64):
            inputs = examples(count)
            expected = backend.predict(model, task, inputs)
            assert_allclose(run(inputs), expected, atol=1e-5, err_msg=f"{program.format} {count}")


def runner(program):
    """Return a program as a function that needs no module."""
    if program.format == "stablehlo":
        return export.deserialize(bytearray(program.content)).call
    session = onnxruntime.InferenceSession(program.content)
    given = session.get_inputs()[0]
    dtype = {"tensor(float)": np.float32, "tensor(int64)": np.int64}.get(given.type, np.int32)
    return lambda inputs: session.run(None, {"inputs": inputs.astype(dtype)})[0]


def test_a_torch_operator_that_onnx_does_not_have_is_named():
    import torch

    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, x):
            return torch.special.bessel_j0(self.layer(x))

    from maasnb.errors import ExportError

    with pytest.raises(ExportError, match=r"Odd cannot be exported to ONNX.*bessel_j0"):
        backend_named("torch").export(Odd(), CLASSES, np.zeros((2, 4), np.float32))


def test_a_jax_operator_that_onnx_does_not_have_is_named_and_the_model_still_exported():
    import jax
    from flax import nnx

    class Odd(nnx.Module):
        def __init__(self):
            self.layer = nnx.Linear(4, 3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return jax.scipy.special.bessel_jn(self.layer(x), v=1)[1]

    exported = backend_named("jax").export(Odd(), CLASSES, np.ones((2, 4), np.float32))
    assert [program.format for program in exported.programs] == ["stablehlo"]
    assert "Odd" in exported.missing["onnx"]
    assert "--runtimes onnx,stablehlo" in exported.missing["onnx"]
