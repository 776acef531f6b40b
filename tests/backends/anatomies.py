"""Models of both frameworks that are the same on paper, with what their calls cost in closed form.

A linear layer takes inputs x units multiplications at each position, a convolution inputs x filters
x window at each place of its output, attention 2 x length^2 x width, an LSTM its matrices at each
position.
"""

import numpy as np

WIDTH, LENGTH, WORDS = 8, 6, 20
TOKENS = np.ones((2, LENGTH), np.int32)
PICTURES = np.zeros((2, 5, 5, 3), np.float32)


def torch_models():
    """Return the models by their names; pictures come with their channels last."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.skip = nn.Linear(4, 8), nn.Linear(4, 8)
            self.out = nn.Linear(8, 3)

        def forward(self, x):
            return self.out(torch.relu(self.inner(x)) + self.skip(x))

    class Picture(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.out = nn.Linear(4, 2)

        def forward(self, x):
            h = torch.relu(self.norm(self.conv(x.permute(0, 3, 1, 2))))
            return self.out(h.mean((2, 3)))

    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(WORDS, WIDTH)
            self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
            self.out = nn.Linear(WIDTH, 3)

        def forward(self, tokens):
            return self.out(self.lstm(self.embed(tokens))[0][:, -1])

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(WORDS, WIDTH)
            self.attend = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
            self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS)

        def forward(self, tokens):
            x = self.embed(tokens)
            return self.out(self.norm(x + self.attend(x, x, x, need_weights=False)[0]))

    return {"residual": Residual, "picture": Picture, "text": Text, "attention": Attention}


def flax_models():
    """Return flax's counterparts."""
    import jax
    from flax import nnx

    class Residual(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.inner, self.skip = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(4, 8, rngs=rngs)
            self.out = nnx.Linear(8, 3, rngs=rngs)

        def __call__(self, x):
            return self.out(nnx.relu(self.inner(x)) + self.skip(x))

    class Picture(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.out = nnx.Linear(4, 2, rngs=rngs)

        def __call__(self, x):
            return self.out(jax.nn.relu(self.norm(self.conv(x))).mean((1, 2)))

    class Text(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.embed = nnx.Embed(WORDS, WIDTH, rngs=rngs)
            self.lstm = nnx.RNN(nnx.LSTMCell(WIDTH, WIDTH, rngs=rngs))
            self.out = nnx.Linear(WIDTH, 3, rngs=rngs)

        def __call__(self, tokens):
            return self.out(self.lstm(self.embed(tokens))[:, -1])

    class Attention(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.embed = nnx.Embed(WORDS, WIDTH, rngs=rngs)
            self.attend = nnx.MultiHeadAttention(2, WIDTH, decode=False, rngs=rngs)
            self.norm, self.out = (
                nnx.LayerNorm(WIDTH, rngs=rngs),
                nnx.Linear(WIDTH, WORDS, rngs=rngs),
            )

        def __call__(self, tokens):
            x = self.embed(tokens)
            return self.out(self.norm(x + self.attend(x)))

    return {"residual": Residual, "picture": Picture, "text": Text, "attention": Attention}


INPUTS = {
    "residual": np.zeros((2, 4), np.float32),
    "picture": PICTURES,
    "text": TOKENS,
    "attention": TOKENS,
}
COSTS = {
    "residual": 2 * 4 * 8 + 8 * 3,
    "picture": 25 * 9 * 3 * 4 + 4 * 2,
    "text": LENGTH * 4 * (WIDTH * WIDTH + WIDTH * WIDTH) + WIDTH * 3,
    "attention": LENGTH * 4 * WIDTH * WIDTH + 2 * LENGTH**2 * WIDTH + LENGTH * WIDTH * WORDS,
}


def model_named(name, backend):
    """Return a new model."""
    return {"torch": torch_models, "jax": flax_models}[backend.name]()[name]()
