"""The workloads' models as flax modules, the same for maasnb and the loops by hand."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.sides.workloads import CONTEXT, VOCABULARY, Workload

__all__ = ["loss_of", "make_model"]


class Perceptron(nnx.Module):
    """Two hidden layers, 64-64-32-10."""

    def __init__(self, classes: int, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(64, 64, rngs=rngs)
        self.second = nnx.Linear(64, 32, rngs=rngs)
        self.head = nnx.Linear(32, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(nnx.relu(self.second(nnx.relu(self.first(x)))))


class TextClassifier(nnx.Module):
    """An embedding of 64 numbers and two LSTM layers of 128, of which the last output is used."""

    def __init__(self, classes: int, rngs: nnx.Rngs) -> None:
        self.embedding = nnx.Embed(VOCABULARY, 64, rngs=rngs)
        cells = [
            nnx.OptimizedLSTMCell(width, 128, keep_rngs=False, rngs=rngs) for width in (64, 128)
        ]
        self.first, self.second = (nnx.RNN(cell, rngs=False) for cell in cells)
        self.head = nnx.Linear(128, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        nothing = jnp.zeros((len(x), 128))
        x = self.first(self.embedding(x), initial_carry=(nothing, nothing))
        return self.head(self.second(x, initial_carry=(nothing, nothing))[:, -1])


class Convolutional(nnx.Module):
    """Two convolutions of 8 and 16 channels, each with pooling, on images [batch, 28, 28]."""

    def __init__(self, classes: int, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(1, 8, (3, 3), rngs=rngs)
        self.second = nnx.Conv(8, 16, (3, 3), rngs=rngs)
        self.head = nnx.Linear(16 * 7 * 7, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.max_pool(nnx.relu(self.first(x[..., None])), (2, 2), strides=(2, 2))
        x = nnx.max_pool(nnx.relu(self.second(x)), (2, 2), strides=(2, 2))
        return self.head(x.reshape(len(x), -1))


class Block(nnx.Module):
    """Causal attention with 4 heads and a layer of 256, each after a norm and beside a shortcut."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.norm, self.other_norm = (nnx.LayerNorm(width, rngs=rngs) for _ in range(2))
        self.asked = nnx.Linear(width, 3 * width, rngs=rngs)
        self.joined = nnx.Linear(width, width, rngs=rngs)
        self.wide = nnx.Linear(width, 4 * width, rngs=rngs)
        self.narrow = nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        batch, length, width = x.shape
        parts = self.asked(self.norm(x)).reshape(batch, length, 3, 4, width // 4)
        query, key, value = (parts[:, :, number] for number in range(3))
        seen = jax.nn.dot_product_attention(query, key, value, is_causal=True)
        x = x + self.joined(seen.reshape(batch, length, width))
        return x + self.narrow(nnx.gelu(self.wide(self.other_norm(x)), approximate=False))


class TinyGPT(nnx.Module):
    """Two blocks of width 64 that say of each character which one comes next."""

    def __init__(self, classes: int, rngs: nnx.Rngs) -> None:
        self.tokens = nnx.Embed(classes, 64, rngs=rngs)
        self.places = nnx.Embed(CONTEXT, 64, rngs=rngs)
        self.one, self.other = (Block(64, rngs) for _ in range(2))
        self.norm = nnx.LayerNorm(64, rngs=rngs)
        self.head = nnx.Linear(64, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.tokens(x) + self.places(jnp.arange(x.shape[1]))
        return self.head(self.norm(self.other(self.one(x))))


_MODELS = {
    "digits-mlp": Perceptron,
    "lstm-text": TextClassifier,
    "cnn": Convolutional,
    "tiny-gpt": TinyGPT,
}


def make_model(workload: Workload) -> nnx.Module:
    """Return a workload's model with the initial weights of seed 0."""
    return _MODELS[workload.name](workload.classes, nnx.Rngs(0))


def loss_of(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the mean cross entropy over examples, and over their tokens where there are some."""
    return optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean()
