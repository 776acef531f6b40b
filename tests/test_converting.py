"""`mb.convert`: a built model becomes the same function in the other framework."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.backends import backend_named
from maasnb.errors import ModelError, UnknownNameError
from tests.backends.layered import inputs_for

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")

LAYERS = [
    mb.Inputs(
        text=[mb.Input(7), mb.Embed(11, 8, padding=True), mb.Transformer(8), mb.LSTM(4, layers=2)],
        image=[mb.Input((8, 8)), mb.Conv(4), mb.BatchNorm(), mb.Pool(2), mb.Flatten()],
    ),
    mb.Residual([mb.LayerNorm(), mb.Dense(68)]),
    mb.Dense(3),
]


def outputs_of(model, inputs):
    model.eval()
    if isinstance(model, nnx.Module):
        return np.asarray(model(**inputs))
    with torch.no_grad():
        return model(**{name: torch.tensor(part) for name, part in inputs.items()}).numpy()


@pytest.mark.parametrize(("there", "back"), [("torch", "jax"), ("jax", "torch")])
def test_a_model_goes_to_the_other_framework_and_comes_back(there, back):
    model = mb.build(LAYERS, backend=there, seed=3)
    twin = mb.convert(model, back)
    again = mb.convert(twin, there)
    inputs = inputs_for(backend_named(there).spec(model))
    expected = outputs_of(model, inputs)
    np.testing.assert_allclose(outputs_of(twin, inputs), expected, atol=1e-5)
    np.testing.assert_array_equal(outputs_of(again, inputs), expected)


def test_a_converted_model_is_a_copy(backend):
    model = mb.build([mb.Input(4), mb.Dense(3)], backend=backend.name)
    twin = mb.convert(model, backend.name)
    before = backend.weights(model)
    backend.set_shared_weights(
        twin, {name: array + 1 for name, array in backend.shared_weights(twin).items()}
    )
    for name, weight in backend.weights(model).items():
        np.testing.assert_array_equal(weight, before[name])


def test_a_trained_model_goes_on_in_the_other_framework():
    data = mb.data("digits")
    model = mb.build([mb.Dense(32, "relu"), mb.Dense(10)], data=data)
    mb.train(model, data, epochs=2, lr=0.01)
    twin = mb.convert(model, "jax")
    inputs = data.validation.inputs
    with torch.no_grad():
        expected = model.eval()(torch.tensor(inputs)).numpy()
    np.testing.assert_allclose(twin(inputs), expected, atol=1e-4)
    mb.train(twin, data, epochs=1, lr=0.01)
    classes = np.asarray(twin(inputs)).argmax(axis=1)
    assert (classes == data.validation.targets).mean() >= (
        expected.argmax(axis=1) == data.validation.targets
    ).mean()


def test_a_module_of_ones_own_is_refused():
    with pytest.raises(ModelError, match="This Linear cannot be converted: only models that mb"):
        mb.convert(torch.nn.Linear(4, 3), "jax")
    with pytest.raises(ModelError, match="This Linear cannot be converted"):
        mb.convert(nnx.Linear(4, 3, rngs=nnx.Rngs(0)), "torch")


def test_a_model_that_was_changed_after_it_was_built_is_refused():
    model = mb.build([mb.Input(4), mb.Dense(3)])
    model.add_module("more", torch.nn.Linear(3, 2))
    with pytest.raises(ModelError, match=r"do not fit the model: more\.\w+ .* changed after"):
        mb.convert(model, "jax")


def test_an_unknown_framework_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="no backend 'flax'"):
        mb.convert(mb.build([mb.Input(4), mb.Dense(3)]), "flax")
