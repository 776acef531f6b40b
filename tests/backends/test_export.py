"""Exported programs answer what `predict` does, for a batch of any size."""

import importlib.util

import numpy as np
import onnxruntime
import pytest
from jax import export
from numpy.testing import assert_allclose

from maasnb.backends import backend_named
from maasnb.layers import ACTIVATIONS, Activation, Dense, Dropout, Spec
from tests.backends.models import CLASSES, examples


def run(program, inputs):
    """Run a program without the framework's model."""
    if program.format == "onnx":
        session = onnxruntime.InferenceSession(program.content)
        return session.run(["probabilities"], {"inputs": inputs})[0]
    return np.asarray(export.deserialize(bytearray(program.content)).call(inputs))


@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_the_program_takes_a_batch_of_any_size(backend, count):
    model = backend.build(Spec(input=(4,), layers=(Dense(8, "relu"), Dropout(0.3), Dense(3))), 0)
    inputs, _ = examples(count)
    for program in backend.export(model, CLASSES, examples()[0]).programs:
        assert_allclose(run(program, inputs), backend.predict(model, CLASSES, inputs), atol=1e-5)


def test_every_activation_can_be_exported(backend):
    layers = [Dense(6)]
    for name in ACTIVATIONS:
        layers += [Activation(name), Dense(6)]
    model = backend.build(Spec(input=(4,), layers=(*layers, Dense(3))), 0)
    inputs, _ = examples(5)
    for program in backend.export(model, CLASSES, inputs).programs:
        assert_allclose(run(program, inputs), backend.predict(model, CLASSES, inputs), atol=1e-5)


def test_exporting_leaves_the_model_as_it_was(backend):
    model = backend.build(Spec(input=(4,), layers=(Dense(8), Dropout(0.3), Dense(3))), 0)
    before = backend.weights(model)
    backend.export(model, CLASSES, examples()[0])
    for name, weight in backend.weights(model).items():
        np.testing.assert_array_equal(weight, before[name])


def test_torch_exports_onnx_and_jax_exports_onnx_and_stablehlo_for_all_platforms():
    for name, expected in (("torch", ["onnx"]), ("jax", ["onnx", "stablehlo"])):
        backend = backend_named(name)
        model = backend.build(Spec(input=(4,), layers=(Dense(3),)), 0)
        exported = backend.export(model, CLASSES, examples()[0])
        assert [program.format for program in exported.programs] == expected
        assert exported.missing == {}
    platforms = export.deserialize(bytearray(exported.programs[-1].content)).platforms
    assert platforms == ("cpu", "cuda", "tpu")


def test_the_same_model_gives_the_same_bytes(backend):
    model = backend.build(Spec(input=(4,), layers=(Dense(8, "gelu"), Dense(3))), 0)
    first, second = (backend.export(model, CLASSES, examples()[0]) for _ in range(2))
    assert first == second


def test_without_the_converter_a_jax_model_is_exported_and_the_extra_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    backend = backend_named("jax")
    model = backend.build(Spec(input=(4,), layers=(Dense(3),)), 0)
    exported = backend.export(model, CLASSES, examples()[0])
    assert [program.format for program in exported.programs] == ["stablehlo"]
    assert "pip install 'maasnb[jax-onnx]'" in exported.missing["onnx"]
