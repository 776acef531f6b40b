"""Models of every kind of layer train in both frameworks, and what is measured names the layers."""

import numpy as np
import pytest

import maasnb as mb
from maasnb.backends import backend_named
from maasnb.errors import ModelError
from maasnb.events import Measured
from maasnb.records.record import read_events

RANDOM = np.random.default_rng(0)
IMAGES = mb.data(RANDOM.random((40, 8, 8)), np.arange(40) % 3)
TEXTS = mb.data(RANDOM.integers(0, 20, (40, 6)), np.arange(40) % 3)
NEXT = mb.data(RANDOM.integers(0, 20, (40, 6)), RANDOM.integers(0, 20, (40, 6)))
BOTH = mb.data(
    {"text": RANDOM.integers(0, 20, (40, 6)), "image": RANDOM.random((40, 8, 8))},
    np.arange(40) % 3,
)

MODELS = {
    "images": (
        IMAGES,
        [
            mb.Conv(4, 3, "relu"),
            mb.BatchNorm(),
            mb.Residual([mb.Conv(4, 3, "relu")]),
            mb.Parallel([mb.Pool(2), mb.Flatten()], [mb.GlobalPool()]),
            mb.Dense(3),
        ],
        {"conv1", "batch_norm1", "residual1.conv1", "dense1"},
    ),
    "texts": (
        TEXTS,
        [
            mb.Embed(20, 4, padding=True),
            mb.LSTM(3, sequences=True),
            mb.RNN(3, sequences=True, bidirectional=True),
            mb.GRU(3),
            mb.Dense(3),
        ],
        {"embed1", "lstm1", "rnn1", "rnn1.back1", "gru1", "dense1"},
    ),
    "what comes next": (
        NEXT,
        [
            mb.Embed(20, 4),
            mb.Transformer(4, heads=2, causal=True, dropout=0.1),
            mb.Residual([mb.LayerNorm(), mb.Attention(2, causal=True)]),
            mb.Dense(20),
        ],
        {"embed1", "transformer1.block1.attention.qkv", "residual1.attention1.out", "dense1"},
    ),
    "several inputs": (
        BOTH,
        [
            mb.Inputs(text=[mb.Embed(20, 4), mb.GlobalPool()], image=[mb.Flatten(), mb.Dense(4)]),
            mb.Dense(3),
        ],
        {"inputs1.branch_text.embed1", "inputs1.branch_image.dense1", "dense1"},
    ),
}


@pytest.mark.coverage("A4", "A5", "A6", "A7", "A8")
@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_of_these_layers_learns_and_is_measured(name, backend):
    data, layers, named = MODELS[name]
    model = mb.build(layers, backend=backend.name, data=data)
    before = backend.weights(model)
    run = mb.train(model, data, epochs=8, batch=12, lr=0.01)
    losses = run.history.losses.reshape(8, -1).mean(axis=1)
    assert losses[-1] < losses[0]
    for weight, array in backend.weights(model).items():
        assert np.isfinite(array).all(), weight
        assert not np.array_equal(array, before[weight]), weight
    measured = [event for event in read_events(run.folder) if isinstance(event, Measured)]
    layers = {weight.rpartition(".")[0] for weight in measured[-1].gradient_norm}
    assert named <= {_without_state(layer) for layer in layers}


def _without_state(layer):
    """Return a layer's name without what flax's recurrent modules have inside."""
    return layer.removesuffix(".inputs").removesuffix(".state").removesuffix(".ahead1")


def test_a_batch_norm_that_is_given_one_example_says_what_to_change():
    """21 rows in batches of 10: the last batch has 1, of which torch takes no deviation."""
    inputs = RANDOM.normal(size=(21, 4)).astype(np.float32)
    data = mb.data(inputs, np.arange(21) % 2, split=(1, 0, 0))
    model = mb.build([mb.BatchNorm(), mb.Dense(2)], backend="torch", data=data)
    with pytest.raises(ModelError, match="cannot learn from a single example.*Type: batch=48"):
        mb.train(model, data, epochs=3, batch=10)
    assert mb.train(model, data, epochs=3, batch=7).steps == 9


def test_padded_rows_are_no_part_of_what_batch_norm_learns():
    """25 rows in batches of 10: the last batch has 5, in JAX padded to 10."""
    inputs = RANDOM.normal(size=(25, 4)).astype(np.float32)
    data = mb.data(inputs, np.arange(25) % 2, split=(1, 0, 0))
    found = {}
    for name in ("torch", "jax"):
        pytest.importorskip({"torch": "torch", "jax": "flax"}[name])
        model = mb.build([mb.BatchNorm(), mb.Dense(2)], backend=name, data=data)
        mb.train(model, data, epochs=3, batch=10, device="cpu")
        backend = backend_named(name)
        found[name] = backend.shared_weights(model)["batch_norm1.mean"]
    np.testing.assert_allclose(found["jax"], found["torch"], atol=1e-6)
