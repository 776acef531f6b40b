"""Runs of small models that are built to have exactly one illness, and healthy ones."""

import functools
import importlib
import tempfile

import numpy as np
import pytest

from maasnb.building import build
from maasnb.datasets.loading import data
from maasnb.errors import DivergedError
from maasnb.layers import Dense
from maasnb.training import train

PLAIN = (Dense(16, "relu"), Dense(3))
CENTRES = np.array([[3.0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0]])
WRONG = 18  # of 360 examples


def blobs(counts=(120, 120, 120), wrong=0):
    """Return three classes that lie apart [360, 4]; the targets of the first rows may be wrong."""
    random = np.random.default_rng(0)
    y = random.permutation(np.repeat([0, 1, 2], counts))
    x = CENTRES[y] + 0.7 * random.normal(size=(len(y), 4))
    y[:wrong] = (y[:wrong] + 1) % 3
    return x.astype(np.float32), y


def coins(rows=360):
    """Return inputs that say nothing of their targets."""
    random = np.random.default_rng(0)
    return random.normal(size=(rows, 4)).astype(np.float32), random.integers(0, 3, rows)


def waves(rows=360):
    """Return targets of which a straight line can tell some, but not nearly all."""
    x = np.random.default_rng(0).uniform(-1, 1, size=(rows, 4)).astype(np.float32)
    return x, np.digitize(x[:, 0] + 1.5 * np.sin(9 * x[:, 1]), [-0.7, 0.7])


def change(backend, model, layer, *, bias=None, scale=1.0):
    """Multiply a layer's weights, and set the first numbers of its bias."""
    part = getattr(model, layer)
    if backend == "torch":
        part.weight.data *= scale
        if bias is not None:
            part.bias.data[: len(bias)] = importlib.import_module("torch").tensor(bias)
        return
    part.kernel[...] = part.kernel[...] * scale
    if bias is not None:
        part.bias[...] = part.bias[...].at[: len(bias)].set(bias)


def with_an_unused_layer(backend):
    """Return a module of the user's own that forgets one of its layers."""
    if backend == "torch":
        from torch import nn, relu

        class TorchNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = nn.Linear(4, 16)
                self.lost = nn.Linear(16, 16)
                self.last = nn.Linear(16, 3)

            def forward(self, x):
                hidden = relu(self.first(x))
                return self.last(hidden + self.lost(hidden).detach())

        return TorchNet()
    import jax
    from flax import nnx

    class FlaxNet(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(4, 16, rngs=rngs)
            self.lost = nnx.Linear(16, 16, rngs=rngs)
            self.last = nnx.Linear(16, 3, rngs=rngs)

        def __call__(self, x):
            hidden = nnx.relu(self.first(x))
            return self.last(hidden + jax.lax.stop_gradient(self.lost(hidden)))

    return FlaxNet(nnx.Rngs(0))


DEAD = {"layer": "dense1", "bias": [-100.0] * 12}
PATIENTS = {
    # illness: (layers, (x, y), what is changed in the model, options of train)
    "": (PLAIN, blobs, {}, {}),
    "vanishing_gradient": ((*[Dense(8, "sigmoid")] * 8, Dense(3)), blobs, {}, {}),
    "exploding_gradient": (PLAIN, blobs, {"layer": "dense2", "scale": 300.0}, {"lr": 1e-3}),
    "dead_relu": (PLAIN, blobs, DEAD, {}),
    "saturated": ((Dense(16, "tanh"), Dense(3)), blobs, {"layer": "dense1", "scale": 60.0}, {}),
    "lr_too_high": (PLAIN, blobs, {}, {"lr": 3.0}),
    "lr_too_low": (PLAIN, blobs, {}, {"lr": 1e-6}),
    "chance_level": (PLAIN, coins, {}, {"lr": 1e-3}),
    "overfitting": (
        (Dense(64, "relu"), Dense(3)), functools.partial(coins, 96), {},
        {"epochs": 60, "split": (0.5, 0.5, 0)},
    ),
    "underfitting": ((Dense(3),), waves, {}, {"epochs": 16}),
    "unbalanced_classes": (PLAIN, functools.partial(blobs, (300, 50, 10)), {}, {}),
    "diverged": (PLAIN, blobs, {}, {"optimizer": "sgd", "lr": 1e25}),
    "mislabelled": (PLAIN, functools.partial(blobs, wrong=WRONG), {}, {"epochs": 8}),
    "no_gradient": (with_an_unused_layer, blobs, {}, {}),
}  # fmt: skip


@functools.cache
def patient(backend, illness=""):
    """Return a run with an illness, by its kind; without one, a healthy run."""
    layers, source, changes, options = PATIENTS[illness]
    options = {"epochs": 5, "batch": 16, "lr": 0.01, "split": (2 / 3, 1 / 6, 1 / 6), **options}
    made = data(*source(), split=options.pop("split"), name="blobs")
    if callable(layers):
        model = layers(backend)
    else:
        model = build(layers, backend=backend, data=made)
    if changes:
        change(backend, model, **changes)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", folder)
        try:
            return train(model, made, **options)
        except DivergedError as error:
            return error.run
