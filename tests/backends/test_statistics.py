"""What a measured step shows: norms, histograms, and what activation functions put out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from numpy.testing import assert_array_equal
from torch.nn import functional

from maasnb.backends import backend_named, backend_of
from maasnb.backends.protocol import PLAIN
from maasnb.datasets.batches import Batches
from maasnb.datasets.loading import data
from maasnb.events import HISTOGRAM_BINS, HISTOGRAM_LOW
from maasnb.layers import Activation, Dense, Spec
from maasnb.rules import Rule
from maasnb.tasks import make_optimizer
from maasnb.training import train as train_run
from tests.backends.models import CLASSES, SPEC, examples, same_weights, train

RELU = Spec(input=(4,), layers=(Dense(8, "relu"), Dense(6, "tanh"), Dense(3)))


def measure(model, *, step=0, size=30, full=True, rule=PLAIN, inputs=None):
    """Return the statistics of one step, with a batch of 10 rows."""
    backend = backend_of(model)
    batches = Batches(size=size, batch=10, seed=0)
    given, classes = examples(size)
    given = given if inputs is None else inputs[:size]
    program = backend.compile(
        model,
        CLASSES,
        make_optimizer("sgd"),
        inputs=given[:2],
        targets=classes[:2],
        batch=10,
        ragged=batches.ragged,
        device="cpu",
        rule=rule,
    )
    placed = program.place(given, classes)
    _, _, found = program.statistics(program.init(0), placed, batches.rows(step, 1), 0.1, full=full)
    return program.host_statistics(found)


def batch_of(step, size=30):
    rows = Batches(size=size, batch=10, seed=0).rows(step, 1)
    return examples(size)[0][rows.indices[0, : rows.counts[0]]]


def histogram(values):
    """Count sizes by NumPy's own histogram, with the edges that the page on runs tells."""
    edges = 2.0 ** np.arange(HISTOGRAM_LOW, HISTOGRAM_LOW + HISTOGRAM_BINS - 1)
    sizes = np.abs(np.asarray(values, np.float64)).ravel()
    return tuple(np.histogram(sizes, [-1.0, *edges, np.inf])[0].tolist())


def weights_of(model):
    """Return kernels [in, out] and biases by layer."""
    found = {}
    for name, weight in backend_of(model).weights(model).items():
        layer, _, kind = name.rpartition(".")
        found[layer, "bias" if weight.ndim == 1 else "kernel"] = (
            weight.T if kind == "weight" else weight
        )
    return found


def hidden(model, x):
    weights = weights_of(model)
    first = np.maximum(x @ weights["dense1", "kernel"] + weights["dense1", "bias"], 0)
    return first, np.tanh(first @ weights["dense2", "kernel"] + weights["dense2", "bias"])


@pytest.mark.parametrize("step", [0, 3], ids=["a full batch", "three rows and seven padded ones"])
def test_activations_are_those_that_numpy_computes(backend, step):
    model = backend.build(RELU, 0)
    first, second = hidden(model, batch_of(step, size=33))
    found = measure(model, step=step, size=33)
    assert list(found.activations) == ["dense1.relu", "dense2.tanh"]
    for values, name in ((first, "dense1.relu"), (second, "dense2.tanh")):
        expected = {
            "mean": values.mean(),
            "std": values.std(),
            "zero": (values == 0).mean(),
            "dead": (values == 0).all(axis=0).mean(),
            "saturated": (np.abs(values) > 0.98).mean() if name.endswith("tanh") else 0,
        }
        assert found.activations[name] == pytest.approx(expected, abs=1e-6)
        counts = np.array(found.histograms[f"activation/{name}"])
        assert counts.sum() == values.size
        assert np.abs(counts - histogram(values)).sum() <= 2  # one value at the edge of two bins


def test_weights_and_gradients_are_counted_as_numpy_counts_them(backend):
    model = backend.build(SPEC, 1)
    before = backend.weights(model)
    found = measure(backend.build(SPEC, 1))
    step_size = 0.1
    program, state, _ = train(backend, model, steps=1, chunk=1, optimizer="sgd", lr=step_size)
    program.update(state)
    after = backend.weights(model)
    for name, weight in before.items():
        assert found.histograms[f"weight/{name}"] == histogram(weight)
        gradient = (weight.astype(np.float64) - after[name]) / step_size
        counts = np.array(found.histograms[f"gradient/{name}"])
        assert counts.sum() == weight.size
        assert np.abs(counts - histogram(gradient)).sum() <= 4  # of a difference of float32
        assert found.gradient_norm[name] == pytest.approx(np.linalg.norm(gradient), rel=1e-3)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (0.0, 0),
        (2.0**-24 * 0.999, 0),
        (2.0**-24, 1),
        (-0.5, 24),
        (0.75, 24),
        (1.0, 25),
        (127.9, 31),
        (128.0, 32),
        (1e30, 32),
        (np.inf, 32),
        (1e-42, 0),
    ],
)
def test_a_number_has_its_bin_in_both_backends(value, place):
    from maasnb.backends.jax import measuring as by_jax
    from maasnb.backends.torch import measuring as by_torch

    numbers = np.full((1, 3), value, np.float32)
    expected = np.zeros(HISTOGRAM_BINS, int)
    expected[place] = 3
    assert_array_equal(by_torch.counts_of([torch.tensor(numbers)])[0], expected)
    assert_array_equal(by_jax.counts_of([jnp.asarray(numbers)])[0], expected)


def test_both_backends_show_the_same():
    torch_model = backend_named("torch").build(RELU, 1)
    flax_model = backend_named("jax").build(RELU, 2)
    same_weights(torch_model, flax_model)
    one, other = measure(torch_model), measure(flax_model)
    assert list(one.activations) == list(other.activations)
    for name, values in one.activations.items():
        assert values == pytest.approx(other.activations[name], abs=1e-6)
    named = {name.replace("weight", "kernel"): norm for name, norm in one.gradient_norm.items()}
    assert named == pytest.approx(other.gradient_norm, rel=1e-4)
    for name, counts in one.histograms.items():
        kind, _, parameter = name.partition("/")
        theirs = other.histograms[f"{kind}/{parameter.replace('.weight', '.kernel')}"]
        assert np.abs(np.array(counts) - theirs).sum() <= 4, name


def test_norms_alone_are_the_same_norms(backend):
    full, light = (measure(backend.build(RELU, 0), full=full) for full in (True, False))
    assert (light.activations, light.histograms) == ({}, {})
    assert light.gradient_norm == pytest.approx(full.gradient_norm, rel=1e-5)
    assert light.update_ratio == pytest.approx(full.update_ratio, rel=1e-5)


@pytest.mark.parametrize("step", [0, 3])
def test_a_batch_in_parts_shows_what_the_whole_one_shows(backend, step):
    whole = measure(backend.build(RELU, 0), step=step, size=33)
    parts = measure(backend.build(RELU, 0), step=step, size=33, rule=Rule(accumulate=5))
    for name, values in whole.activations.items():
        assert parts.activations[name] == pytest.approx(values, abs=1e-6)
        assert parts.histograms[f"activation/{name}"] == whole.histograms[f"activation/{name}"]


def test_half_precision_and_frozen_layers_are_watched_too(backend):
    name = {"torch": "dense1.weight", "jax": "dense1.kernel"}[backend.name]
    rule = Rule(frozen=(name,), precision="bfloat16")
    whole, half = measure(backend.build(RELU, 0)), measure(backend.build(RELU, 0), rule=rule)
    assert list(half.activations) == list(whole.activations)
    assert half.activations["dense1.relu"] == pytest.approx(
        whole.activations["dense1.relu"], abs=0.02
    )
    assert name not in half.gradient_norm


def test_a_model_without_activation_functions_shows_none(backend):
    found = measure(backend.build(Spec(input=(4,), layers=(Dense(3),)), 0))
    assert found.activations == {}
    assert len(found.histograms) == 4


class TorchNet(torch.nn.Module):
    """Call activation functions in every way there is."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 8)
        self.norm = torch.nn.LayerNorm(8)
        self.act = torch.nn.ReLU(inplace=True)
        self.own = TorchOwn()
        self.last = torch.nn.Linear(8, 3)

    def forward(self, x):
        x = torch.tanh(x)
        x = self.act(self.first(x))
        x = functional.relu(self.first(x[:, :4]))
        x = self.norm(x).relu()
        x = functional.gelu(self.own(x))
        x = self.last(x).clamp(min=0)
        return x * torch.sigmoid(x)


class TorchOwn(torch.nn.Module):
    """Hold a parameter of its own and call a function in the middle."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(8))

    def forward(self, x):
        return functional.silu(x * self.scale) + 1


class FlaxNet(nnx.Module):
    """Call activation functions in every way there is."""

    def __init__(self, rngs):
        self.first = nnx.Linear(4, 8, rngs=rngs)
        self.norm = nnx.LayerNorm(8, rngs=rngs)
        self.own = FlaxOwn()
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        x = jnp.tanh(x)
        x = nnx.relu(self.first(x))
        x = jax.jit(jax.nn.relu)(self.first(x[:, :4]))
        x = jax.checkpoint(nnx.relu)(self.norm(x))
        x = nnx.gelu(self.own(x))
        x = jnp.maximum(self.last(x), 0)
        return x * nnx.sigmoid(x)


class FlaxOwn(nnx.Module):
    """Hold a parameter of its own and call a function in the middle."""

    def __init__(self):
        self.scale = nnx.Param(jnp.ones(8))

    def __call__(self, x):
        return nnx.silu(x * self.scale) + 1


@pytest.mark.parametrize("make", [TorchNet, lambda: FlaxNet(nnx.Rngs(0))], ids=["torch", "jax"])
def test_functions_are_seen_however_they_are_called(make):
    found = measure(make())
    assert list(found.activations) == [
        "tanh",
        "first.relu",
        "first.relu-2",
        "norm.relu",
        "own.silu",
        "own.gelu",
        "last.relu",
        "last.sigmoid",
    ]
    assert set(found.activations["own.gelu"]) == {"mean", "std"}
    assert found.activations["first.relu"]["zero"] > 0.1


@pytest.mark.parametrize("approximate", [True, False])
def test_the_tanh_inside_of_a_gelu_is_none_of_its_own(approximate):
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.layer = nnx.Linear(4, 3, rngs=rngs)

        def __call__(self, x):
            return nnx.gelu(self.layer(x), approximate=approximate)

    model = Net(nnx.Rngs(0))
    found = measure(model).activations
    weights = weights_of(model)
    raw = batch_of(0) @ weights["layer", "kernel"] + weights["layer", "bias"]
    expected = functional.gelu(
        torch.tensor(raw), approximate="tanh" if approximate else "none"
    ).numpy()
    assert list(found) == ["layer.gelu"]
    assert found["layer.gelu"] == pytest.approx(
        {"mean": expected.mean(), "std": expected.std()}, abs=1e-5
    )


class TorchConv(torch.nn.Module):
    """Convolve an image, in torch's order of axes."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3)
        self.out = torch.nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x[:, None]))
        return self.out(x.mean((2, 3)))


class FlaxConv(nnx.Module):
    """Convolve an image, in flax's order of axes."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), padding="VALID", rngs=rngs)
        self.out = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.conv(x[..., None]))
        return self.out(x.mean((1, 2)))


def with_a_dead_channel(model):
    if isinstance(model, TorchConv):
        with torch.no_grad():
            model.conv.bias[:] = torch.tensor([-100.0, 1.0, 1.0, 1.0])
    else:
        model.conv.bias[...] = jnp.array([-100.0, 1.0, 1.0, 1.0])
    return model


@pytest.mark.parametrize("make", [TorchConv, lambda: FlaxConv(nnx.Rngs(0))], ids=["torch", "jax"])
def test_a_unit_of_a_convolution_is_a_channel(make):
    images = np.random.default_rng(0).normal(size=(30, 6, 6)).astype(np.float32)
    found = measure(with_a_dead_channel(make()), inputs=images)
    assert found.activations["conv.relu"]["dead"] == 0.25


@pytest.mark.parametrize(
    "make", [TorchNet, TorchConv, lambda: FlaxNet(nnx.Rngs(0))], ids=["functions", "conv", "jax"]
)
def test_a_measured_step_of_an_own_module_has_the_same_bits(make):
    plain, measured = make(), make()
    if isinstance(plain, torch.nn.Module):
        measured.load_state_dict(plain.state_dict())
    inputs, classes = examples()
    if isinstance(plain, TorchConv):
        inputs = np.repeat(inputs, 9, axis=1).reshape(-1, 6, 6)
    backend, batches, states = backend_of(plain), Batches(size=30, batch=10, seed=0), []
    for model, at in ((plain, ()), (measured, (0, 2, 3))):
        program = backend.compile(
            model,
            CLASSES,
            make_optimizer("adam"),
            inputs=inputs[:2],
            targets=classes[:2],
            batch=10,
            ragged=False,
            device="cpu",
        )
        state, placed = program.init(0), program.place(inputs, classes)
        for step in range(6):
            rows = batches.rows(step, 1)
            take = program.statistics if step in at else program.chunk
            state = take(state, placed, rows, 0.01)[0]
        states.append(program.snapshot(state))
    for name, array in states[0].items():
        assert_array_equal(array, states[1][name])


def test_watching_leaves_no_hook_behind():
    model = TorchNet()
    measure(model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_compiled_module_of_torch_is_measured_without_its_activations():
    model = torch.nn.Sequential(torch.compile(torch.nn.Linear(4, 3), backend="eager"))
    found = measure(model)
    assert found.activations == {}
    assert len(found.histograms) == 4


def test_of_very_many_functions_the_first_are_measured(backend):
    layers = (Dense(4), *[Activation("relu")] * 70, Dense(3))
    found = measure(backend.build(Spec(input=(4,), layers=layers), 0)).activations
    assert len(found) == 64
    assert list(found)[:2] == ["dense1.relu", "dense1.relu-2"]


def test_zeros_are_counted_as_zeros(backend):
    model = backend.build(Spec(input=(4,), layers=(Dense(8, "relu", bias=False), Dense(3))), 0)
    found = measure(model, inputs=np.zeros((30, 4), np.float32))
    assert found.activations["dense1.relu"] == {
        **dict.fromkeys(("mean", "std", "saturated"), 0),
        **dict.fromkeys(("zero", "dead"), 1),
    }
    assert found.histograms["activation/dense1.relu"] == (80, *[0] * (HISTOGRAM_BINS - 1))


class TorchTwo(torch.nn.Module):
    """Take two inputs by name, and return the loss when the targets are given."""

    def __init__(self):
        super().__init__()
        self.left, self.right = torch.nn.Linear(4, 8), torch.nn.Linear(4, 8)
        self.out = torch.nn.Linear(8, 3)

    def forward(self, a, b, targets=None):
        logits = self.out(torch.relu(self.left(a)) + torch.tanh(self.right(b)))
        if targets is None:
            return logits
        return functional.cross_entropy(logits, targets), logits


class FlaxTwo(nnx.Module):
    """Take two inputs by name, and return the loss when the targets are given."""

    def __init__(self, rngs):
        self.left, self.right = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(4, 8, rngs=rngs)
        self.out = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, a, b, targets=None):
        logits = self.out(nnx.relu(self.left(a)) + nnx.tanh(self.right(b)))
        if targets is None:
            return logits
        chosen = jnp.take_along_axis(nnx.log_softmax(logits), targets[:, None], axis=1)
        return -chosen.mean(), logits


@pytest.mark.parametrize("make", [TorchTwo, lambda: FlaxTwo(nnx.Rngs(0))], ids=["torch", "jax"])
@pytest.mark.parametrize("loss", ["auto", "model"])
def test_modules_of_several_inputs_and_with_a_loss_of_their_own_are_watched(make, loss):
    x, y = examples(60)
    made = data({"a": x, "b": x[:, ::-1].copy()}, y)
    run = train_run(make(), made, epochs=1, batch=16, loss=loss)
    for event in run.history.measured:
        assert list(event.activations) == ["left.relu", "right.tanh"]
        assert sum(event.histograms["activation/left.relu"]) == 16 * 8
        assert set(event.activations["right.tanh"]) == {"mean", "std", "zero", "dead", "saturated"}


@pytest.mark.parametrize("record", ["light", "off"])
def test_what_is_recorded_changes_no_bit(backend, record):
    made, weights = data(*examples(60)), []
    for level in ("full", record):
        model = backend.build(RELU, 0)
        run = train_run(model, made, epochs=2, batch=16, record=level)
        assert bool(run.history.measured) == (level != "off")
        weights.append(backend.weights(model))
    for name, weight in weights[0].items():
        assert_array_equal(weight, weights[1][name])
