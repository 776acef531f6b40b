"""Each layer is the same function in torch and in flax: outputs, gradients, training, export."""

import numpy as np
import pytest

from maasnb.backends import backend_named
from maasnb.layers import (
    LAYERS,
    Attention,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Embed,
    Flatten,
    GlobalPool,
    Input,
    LayerNorm,
    Pool,
    Residual,
    Transformer,
    make_spec,
)
from maasnb.layers.layer import Layer
from tests.backends.layered import LAYERED, inputs_for

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")

TOLERANCE = 1e-5


def twins(layers, seed=0):
    """Return the spec, a torch model and the flax model with the same weights."""
    spec = make_spec(layers)
    ours, theirs = (backend_named(name).build(spec, seed) for name in ("torch", "jax"))
    perturb(ours)
    backend_named("jax").set_shared_weights(theirs, backend_named("torch").shared_weights(ours))
    return spec, ours, theirs


def perturb(model):
    """Move weights off the zeros and ones that they begin with, so that each counts."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.state_dict().values():
            if weight.is_floating_point():
                weight += 0.1 * torch.rand(weight.shape, generator=generator)


def factors(output):
    """Return a number for each output, so that their gradients do not cancel out in a norm."""
    return np.random.default_rng(2).normal(size=output.shape).astype(np.float32)


def by_torch(model, inputs):
    """Return the output and the gradients, under shared names, of a weighted sum."""
    given = as_tensors(inputs)
    output = model(**given) if isinstance(given, dict) else model(given)
    (output * torch.tensor(factors(output))).sum().backward()
    backend = backend_named("torch")
    names = backend.shared_weights(model)
    with torch.no_grad():
        for buffer in model.buffers():
            buffer.zero_()
        for weight in model.parameters():
            weight.copy_(torch.zeros_like(weight) if weight.grad is None else weight.grad)
    return output.detach().numpy(), {name: backend.shared_weights(model)[name] for name in names}


def by_flax(model, inputs):
    """Return the output and the gradients by name."""
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def loss(params):
        merged = nnx.merge(graph, params, rest, copy=True)
        output = merged(**inputs) if isinstance(inputs, dict) else merged(inputs)
        return (output * factors(output)).sum(), output

    gradients, output = jax.jit(jax.grad(loss, has_aux=True))(params)
    flat = nnx.to_flat_state(gradients)
    return np.asarray(output), {".".join(map(str, path)): np.asarray(leaf) for path, leaf in flat}


def as_tensors(inputs):
    if isinstance(inputs, dict):
        return {name: as_tensors(part) for name, part in inputs.items()}
    return torch.tensor(inputs).long() if inputs.dtype.kind == "i" else torch.tensor(inputs)


def test_every_layer_is_among_the_models():
    def inside(layer):
        yield type(layer)
        for value in (getattr(layer, name, ()) for name in ("layers", "branches")):
            for each in value if isinstance(value, tuple) else ():
                yield from inside(each) if isinstance(each, Layer) else ()

    found = {kind for layers in LAYERED.values() for layer in layers for kind in inside(layer)}
    assert set(LAYERS.values()) <= found


@pytest.mark.coverage("A2", "A3", "A4", "A5", "A6", "A7", "A8", backends=["torch", "jax"])
@pytest.mark.parametrize(
    ("layers", "mode"),
    [
        *((layers, "train") for layers in LAYERED.values()),
        *((layers, "eval") for name, layers in LAYERED.items() if "batch norm" in name),
    ],
    ids=[*LAYERED, *(f"{name}, evaluated" for name in LAYERED if "batch norm" in name)],
)
def test_outputs_and_gradients_agree_with_equal_weights(layers, mode):
    spec, ours, theirs = twins(layers)
    getattr(ours, mode)(), getattr(theirs, mode)()
    inputs = inputs_for(spec)
    one, our_gradients = by_torch(ours, inputs)
    other, their_gradients = by_flax(theirs, inputs)
    assert one.shape == (6, *spec.output_shape())
    np.testing.assert_allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)
    for name, gradient in their_gradients.items():
        scale = max(float(np.abs(gradient).max()), 1.0)
        np.testing.assert_allclose(
            our_gradients[name] / scale, gradient / scale, atol=TOLERANCE, err_msg=name
        )


@pytest.mark.parametrize("name", [name for name in LAYERED if "padded" in name])
def test_what_is_real_does_not_depend_on_what_stands_in_the_padding(name, backend):
    """More padding behind a sequence changes nothing."""
    spec = make_spec(LAYERED[name])
    model = backend.build(spec, 0)
    tokens = inputs_for(spec)[1:]  # without the sequence that is all padding
    run = outputs_of(backend, model, tokens)
    longer = np.concatenate([tokens, np.zeros((len(tokens), 2), tokens.dtype)], axis=1)
    if "transformer" in name and "sinusoidal" not in name:
        pytest.skip("learned positions have the length of the spec")
    again = outputs_of(backend, model, longer)
    if run.ndim == 2:
        np.testing.assert_allclose(again, run, atol=TOLERANCE)
    else:
        for row, real in enumerate((tokens != 0).sum(axis=1)):
            np.testing.assert_allclose(again[row, :real], run[row, :real], atol=TOLERANCE)


def outputs_of(backend, model, inputs):
    model.eval()
    if backend.name == "jax":
        return np.asarray(model(inputs))
    with torch.no_grad():
        return model(as_tensors(inputs)).numpy()


@pytest.mark.coverage("A7")
@pytest.mark.parametrize(
    "layers",
    [
        [Input(7), Embed(11, 8), Transformer(8, heads=2, layers=2, causal=True)],
        [Input(7), Embed(11, 8), Attention(2, causal=True)],
    ],
    ids=["transformer", "attention"],
)
def test_a_causal_layer_does_not_see_what_comes_later(layers, backend):
    spec = make_spec(layers)
    model, tokens = backend.build(spec, 0), inputs_for(spec)
    other = tokens.copy()
    other[:, 4:] = 11 - tokens[:, 4:].clip(1)
    one, two = (outputs_of(backend, model, each) for each in (tokens, other))
    np.testing.assert_allclose(one[:, :4], two[:, :4], atol=1e-6)
    assert np.abs(one[:, 4:] - two[:, 4:]).max() > 1e-3


def test_a_sequence_of_padding_alone_gives_numbers(backend):
    spec = make_spec([Input(7), Embed(11, 8, padding=True), Transformer(8), GlobalPool()])
    outputs = outputs_of(backend, backend.build(spec, 0), np.zeros((2, 7), np.int32))
    assert np.isfinite(outputs).all()


def test_flattening_puts_the_channel_last_in_both_backends(backend):
    spec = make_spec([Input((4, 3, 2)), Pool(1), Flatten()])
    inputs = inputs_for(spec)
    outputs = outputs_of(backend, backend.build(spec, 0), inputs)
    np.testing.assert_array_equal(outputs, inputs.reshape(6, -1))


def test_batch_norm_learns_the_mean_and_variance_of_its_batches(backend):
    spec = make_spec([Input((5, 4)), BatchNorm()])
    model, inputs = backend.build(spec, 0), 3 + 2 * inputs_for(spec, rows=2000)
    model.train()
    for _ in range(100):
        model(inputs if backend.name == "jax" else torch.tensor(inputs))
    weights = backend.shared_weights(model)
    np.testing.assert_allclose(weights["batch_norm1.mean"], inputs.mean((0, 1)), rtol=1e-3)
    np.testing.assert_allclose(weights["batch_norm1.var"], inputs.var((0, 1)), rtol=1e-3)


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ([Input((8, 8)), Conv(4), BatchNorm(), Flatten(), Dense(2)], "conv1 batch_norm1 dense1"),
        (
            [Input(7), Embed(11, 8), Transformer(8, heads=2), Residual([LayerNorm()])],
            "embed1 transformer1.positions transformer1.block1.norm1 transformer1.norm "
            "transformer1.block1.attention.qkv transformer1.block1.attention.out "
            "transformer1.block1.norm2 transformer1.block1.up transformer1.block1.down "
            "residual1.layer_norm1",
        ),
    ],
    ids=["convolution", "transformer"],
)
def test_the_parameters_are_named_after_the_layers(layers, names, backend):
    found = {each.layer for each in backend.parameters(backend.build(make_spec(layers), 0))}
    assert found == set(names.split())


def test_dropout_inside_a_transformer_only_works_in_training(backend):
    spec = make_spec([Input(7), Embed(11, 8), Transformer(8, heads=2, dropout=0.5)])
    model, tokens = backend.build(spec, 0), inputs_for(spec)
    still = outputs_of(backend, model, tokens)
    np.testing.assert_array_equal(outputs_of(backend, model, tokens), still)
    model.train()
    given = tokens if backend.name == "jax" else as_tensors(tokens)
    moved = np.asarray(model(given) if backend.name == "jax" else model(given).detach())
    assert np.abs(moved - still).max() > 0.1


def test_noise_is_no_part_of_an_evaluated_model(backend):
    spec = make_spec([Input(4), Dropout(0.9)])
    inputs = inputs_for(spec)
    np.testing.assert_array_equal(outputs_of(backend, backend.build(spec, 0), inputs), inputs)
