"""The kinds of network that people publish, in torch and in flax, as modules of their own."""

import jax
import jax.numpy as jnp
import torch
from flax import nnx
from torch import nn

WORDS, LENGTH, WIDTH, CLASSES = 50, 12, 16, 3


class TorchMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.3), nn.BatchNorm1d(16), nn.Linear(16, CLASSES)
        )

    def forward(self, x):
        return self.layers(x)


class TorchCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3)
        self.norm, self.out = nn.BatchNorm2d(4), nn.Linear(8 * 3 * 3, CLASSES)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.norm(self.first(x))), 2)
        return self.out(nn.functional.avg_pool2d(torch.relu(self.second(x)), 2).flatten(1))


class TorchRecurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.layer = getattr(nn, kind)(WIDTH, 10, num_layers=2, batch_first=True)
        self.out = nn.Linear(10, CLASSES)

    def forward(self, x):
        return self.out(self.layer(self.words(x))[0][:, -1])


class TorchTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 32, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        places = self.places(torch.arange(LENGTH, device=x.device))
        mask = nn.Transformer.generate_square_subsequent_mask(LENGTH, device=x.device)
        return self.out(self.layers(self.words(x) + places, mask=mask, is_causal=True).mean(1))


class FlaxMLP(nnx.Module):
    def __init__(self, rngs):
        self.first, self.second = nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, CLASSES, rngs=rngs)
        self.norm, self.drop = nnx.BatchNorm(16, rngs=rngs), nnx.Dropout(0.3, rngs=rngs)

    def __call__(self, x):
        return self.second(self.norm(self.drop(nnx.gelu(self.first(x)))))


class FlaxCNN(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.second = nnx.Conv(4, 8, (3, 3), padding="VALID", rngs=rngs)
        self.norm, self.out = nnx.BatchNorm(4, rngs=rngs), nnx.Linear(8 * 3 * 3, CLASSES, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu(self.norm(self.first(x))), (2, 2), strides=(2, 2))
        x = nnx.avg_pool(nnx.relu(self.second(x)), (2, 2), strides=(2, 2))
        return self.out(x.reshape(x.shape[0], -1))


class FlaxRecurrent(nnx.Module):
    def __init__(self, kind, rngs):
        self.words = nnx.Embed(WORDS, WIDTH, rngs=rngs)
        self.layer = nnx.RNN(getattr(nnx, kind)(WIDTH, 10, rngs=rngs))
        self.out = nnx.Linear(10, CLASSES, rngs=rngs)

    def __call__(self, x):
        return self.out(self.layer(self.words(x))[:, -1])


class FlaxTransformer(nnx.Module):
    def __init__(self, rngs):
        self.words = nnx.Embed(WORDS, WIDTH, rngs=rngs)
        self.places = nnx.Param(jax.random.normal(rngs.params(), (LENGTH, WIDTH)))
        self.attention = nnx.MultiHeadAttention(4, WIDTH, decode=False, rngs=rngs)
        self.before, self.between = nnx.LayerNorm(WIDTH, rngs=rngs), nnx.LayerNorm(WIDTH, rngs=rngs)
        self.wide, self.narrow = nnx.Linear(WIDTH, 32, rngs=rngs), nnx.Linear(32, WIDTH, rngs=rngs)
        self.out = nnx.Linear(WIDTH, CLASSES, rngs=rngs)

    def __call__(self, x):
        hidden = self.words(x) + self.places[...]
        mask = nnx.make_causal_mask(jnp.ones(x.shape))
        hidden = hidden + self.attention(self.before(hidden), mask=mask)
        hidden = hidden + self.narrow(nnx.gelu(self.wide(self.between(hidden))))
        return self.out(hidden.mean(axis=1))


TORCH = {
    "MLP": TorchMLP,
    "CNN": TorchCNN,
    "RNN": lambda: TorchRecurrent("RNN"),
    "LSTM": lambda: TorchRecurrent("LSTM"),
    "GRU": lambda: TorchRecurrent("GRU"),
    "Transformer": TorchTransformer,
}
FLAX = {
    "MLP": lambda: FlaxMLP(nnx.Rngs(0)),
    "CNN": lambda: FlaxCNN(nnx.Rngs(0)),
    "RNN": lambda: FlaxRecurrent("SimpleCell", nnx.Rngs(0)),
    "LSTM": lambda: FlaxRecurrent("LSTMCell", nnx.Rngs(0)),
    "GRU": lambda: FlaxRecurrent("GRUCell", nnx.Rngs(0)),
    "Transformer": lambda: FlaxTransformer(nnx.Rngs(0)),
}
