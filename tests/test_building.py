"""`mb.build`: layers as data become the same function in torch and in flax."""

import importlib
import json

import numpy as np
import pytest

import maasnb as mb
from maasnb.backends import BACKENDS, backend_named
from maasnb.building import build
from maasnb.datasets.loading import data
from maasnb.errors import (
    DataError,
    MissingPackageError,
    OptionError,
    ShapeError,
    UnknownNameError,
)
from maasnb.layers import ACTIVATIONS, Activation, Dense, Dropout, Input, Spec
from maasnb.tasks import make_task

LAYERS = [Input(4), Dense(8, "relu"), Dropout(0.5), Dense(3)]


def inputs(*, rows=16, columns=4):
    return np.random.default_rng(0).normal(0, 2, size=(rows, columns)).astype(np.float32)


def values_task(outputs):
    """Return a regression: there, what the model returns is what `predict` returns."""
    return make_task(
        kind="regression",
        labels=(),
        targets=outputs,
        output_shape=(outputs,),
        final_activation=None,
    )


def outputs_of(backend, model, x, outputs):
    return backend.predict(model, values_task(outputs), x)


def copy_weights(torch_model, flax_model):
    """Write torch's weights into the flax module of the same layers."""
    for name, parameter in torch_model.named_parameters():
        layer, part = name.split(".")
        array = parameter.detach().numpy()
        variable = getattr(flax_model, layer)
        if part == "weight":
            variable.kernel[...] = array.T
        else:
            variable.bias[...] = array


def by_numpy(weights, x):
    """Return what `LAYERS` compute, of torch's weights; dropout does nothing outside training."""
    hidden = np.maximum(x @ weights["dense1.weight"].T + weights["dense1.bias"], 0)
    return hidden @ weights["dense2.weight"].T + weights["dense2.bias"]


def test_layers_become_a_module_of_the_frameworks_own(backend):
    kinds = {"torch": ("torch.nn", "Module"), "jax": ("flax.nnx", "Module")}
    module, name = kinds[backend.name]
    model = build(LAYERS, backend=backend.name)
    assert isinstance(model, getattr(importlib.import_module(module), name))


@pytest.mark.coverage("A3", backends=["torch"])
def test_a_model_computes_what_its_layers_say():
    pytest.importorskip("torch")
    torch = backend_named("torch")
    model, x = build(LAYERS), inputs()
    expected = by_numpy(torch.weights(model), x)
    np.testing.assert_allclose(outputs_of(torch, model, x, 3), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.coverage("A2", backends=["torch", "jax"])
@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("place", ["within a Dense", "by itself"])
def test_with_the_same_weights_both_backends_answer_alike(activation, place):
    pytest.importorskip("torch"), pytest.importorskip("flax")
    if place == "within a Dense":
        layers = [Input(4), Dense(8, activation), Dense(3, activation)]
    else:
        between = [] if activation is None else [Activation(activation)]
        layers = [Input(4), Dense(8, bias=False), *between, Dense(3), *between]
    torch_model, flax_model = (build(layers, backend=name) for name in ("torch", "jax"))
    copy_weights(torch_model, flax_model)
    x = inputs()
    one = outputs_of(backend_named("torch"), torch_model, x, 3)
    other = outputs_of(backend_named("jax"), flax_model, x, 3)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_a_model_from_json_is_the_same_function(backend):
    spec = Spec(input=(4,), layers=(Dense(8, "gelu"), Dropout(0.1), Dense(3, "softmax")))
    again = Spec.from_json(json.loads(json.dumps(spec.to_json())))
    one, other = (build(each, backend=backend.name, seed=7) for each in (spec, again))
    x = inputs()
    np.testing.assert_array_equal(outputs_of(backend, one, x, 3), outputs_of(backend, other, x, 3))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(backend):
    one, same, other = (
        backend.weights(build(LAYERS, backend=backend.name, seed=seed)) for seed in (1, 1, 2)
    )
    for name, weights in one.items():
        np.testing.assert_array_equal(weights, same[name])
    assert any(not np.array_equal(weights, other[name]) for name, weights in one.items())


def test_building_leaves_the_random_numbers_of_torch_as_they_were():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    expected = torch.rand(3).tolist()
    torch.manual_seed(0)
    build(LAYERS)
    assert torch.rand(3).tolist() == expected


def test_initial_weights_are_as_large_as_the_framework_makes_them(backend):
    weights = backend.weights(build([Input(400), Dense(300)], backend=backend.name))
    matrix = next(array for array in weights.values() if array.ndim == 2)
    # torch: uniform within 1/sqrt(inputs); flax: a truncated normal of variance 1/inputs.
    expected = {"torch": 1 / np.sqrt(3 * 400), "jax": 1 / np.sqrt(400)}[backend.name]
    assert matrix.std() == pytest.approx(expected, rel=0.02)


def test_layers_keep_their_names(backend):
    model = build(LAYERS, backend=backend.name)
    layers = {info.layer for info in backend.parameters(model)}
    assert layers == {"dense1", "dense2"}


def test_the_data_gives_the_shape_of_the_input(backend):
    made = data(np.zeros((20, 7)), np.arange(20) % 2)
    model = build([Dense(2)], backend=backend.name, data=made)
    assert outputs_of(backend, model, inputs(columns=7), 2).shape == (16, 2)


def test_layers_may_come_from_a_generator(backend):
    layers = (layer for layer in LAYERS)
    assert len(backend.parameters(build(layers, backend=backend.name))) == 4


def test_without_a_shape_the_message_names_both_ways_to_give_it(backend):
    with pytest.raises(ShapeError, match=r"not known. Begin with the line Input\(64\), or name"):
        build([Dense(2)], backend=backend.name)


@pytest.mark.parametrize("layers", [[Input(5), Dense(2)], Spec(input=(5,), layers=(Dense(2),))])
def test_a_shape_that_is_not_the_datas_is_refused(layers):
    made = data(np.zeros((20, 7)), np.arange(20) % 2)
    with pytest.raises(ShapeError, match=r"says Input\(5,\), but the data has .* \(7,\)"):
        build(layers, data=made)


def test_an_unknown_backend_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="no backend 'pytorch'. Did you mean 'torch'"):
        build(LAYERS, backend="pytorch")


@pytest.mark.parametrize("layers", [Dense(3), "Dense(3)", 3])
def test_what_is_no_list_of_layers_is_refused(layers):
    with pytest.raises(OptionError, match="Expected a list of layers, got .* Type: mb.build"):
        build(layers)


def test_what_is_no_layer_is_refused():
    with pytest.raises(OptionError, match="Expected layers, got 'relu'"):
        build([Input(4), Dense(3), "relu"])


def test_arrays_are_no_data():
    with pytest.raises(DataError, match=r"is a ndarray; expected what mb.data returns. Type: data"):
        build([Dense(3)], data=inputs())


@pytest.mark.parametrize("seed", ["one", -1, 2**32, 0.5])
def test_a_seed_is_a_whole_number(backend, seed):
    with pytest.raises(OptionError, match=f"seed={seed!r} cannot be used"):
        build(LAYERS, backend=backend.name, seed=seed)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_that_is_not_installed_names_the_pip_command(name, monkeypatch):
    backend_named.cache_clear()
    monkeypatch.setattr("maasnb.backends.importlib.util.find_spec", lambda package: None)
    with pytest.raises(MissingPackageError, match=rf"%pip install 'maasnb\[{name}\]'"):
        build(LAYERS, backend=name)


def texts_of(words):
    return data(words, [0, 1] * (len(words) // 2), prep=[mb.tokens()], split=(1, 0, 0))


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_an_embedding_must_know_every_token_of_the_data(backend):
    layers = [mb.Embed(5, 4), mb.LSTM(4), Dense(2)]
    x, y = np.array([[0, 4, 1], [2, 3, 0]] * 4), [0, 1] * 4
    known = data(x, y, split=(1, 0, 0))
    net = build(layers, backend=backend, data=known)
    more, below = data(x + 1, y, split=(1, 0, 0)), data(x - 1, y, split=(1, 0, 0))
    with pytest.raises(ShapeError, match=r"tokens 0 to 5, but Embed\(5, 4\) .*Type: Embed\(6, 4\)"):
        build(layers, backend=backend, data=more)
    with pytest.raises(ShapeError, match=r"the token -1, but Embed\(5, 4\) numbers tokens from 0"):
        mb.train(net, below, epochs=1)
    with pytest.raises(ShapeError, match=r"tokens 0 to 5"):
        mb.train(net, more, epochs=1)


def test_an_embedding_must_know_the_whole_vocabulary_of_a_recipe():
    with pytest.raises(ShapeError, match=r"Type: Embed\(6, 4\)"):
        build([mb.Embed(5, 4), mb.LSTM(4), Dense(2)], data=texts_of(["good film", "bad day"] * 4))
    spec = [mb.Inputs(a=[mb.Embed(2, 4), mb.LSTM(2)], b=[Dense(2)]), Dense(2)]
    parts = {"a": np.array([[0, 1], [2, 0]]), "b": np.zeros((2, 1), np.float32)}
    with pytest.raises(ShapeError, match=r"Type: Embed\(3, 4\)"):
        build(spec, data=data(parts, [0, 1], split=(1, 0, 0)))


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_run_is_asked_about_tokens_that_it_knows(backend):
    x, y = np.array([[0, 4, 1], [2, 3, 0]] * 4), [0, 1] * 4
    known = data(x, y, split=(1, 0, 0))
    net = build([mb.Embed(5, 4), mb.LSTM(4), Dense(2)], backend=backend, data=known)
    run = mb.train(net, known, epochs=1)
    for token in (5, -1, 1.5):
        with pytest.raises(DataError, match=f"x holds the token {token}; expected whole .* 0 to 4"):
            run.predict([[token, 0, 0]])
    np.testing.assert_array_equal(run.predict(x.astype(float)), run.predict(x))


def test_images_with_their_channels_first_are_told_where_they_belong():
    images = data(np.zeros((2, 3, 8, 8), np.uint8), [0, 1], split=(1, 0, 0))
    layers = [mb.Conv(4), mb.Flatten(), Dense(2)]
    with pytest.raises(ShapeError, match=r"\(3, 8, 8\), which look like .*np.moveaxis\(x, 1, -1\)"):
        build(layers, data=images)
    build([Input((3, 8, 8)), *layers], data=images)
    build([mb.Flatten(), Dense(2)], data=images)
    build(layers, data=data(np.zeros((2, 8, 8, 3), np.uint8), [0, 1], split=(1, 0, 0)))
