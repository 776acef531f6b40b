"""Short runs of both backends, trained once for the tests of a module."""

import numpy as np
import pytest

from maasnb.backends import BACKENDS, backend_named
from maasnb.building import build
from maasnb.datasets.loading import data
from maasnb.datasets.recipes import standardize, standardize_target
from maasnb.errors import MissingPackageError
from maasnb.layers import Dense
from maasnb.training import train


def classes(*, count=3, rows=90, seed=0):
    """Return data of which the class follows, not quite surely, from the first column."""
    random = np.random.default_rng(seed)
    x = random.normal(5, 3, size=(rows, 4))
    y = np.digitize(x[:, 0] + random.normal(size=rows), np.linspace(3, 7, count - 1))
    return data(x, y, prep=[standardize()], labels=["low", "middle", "high"][:count])


def values():
    """Return data of two targets, in units far from 1."""
    x = np.random.default_rng(0).normal(size=(90, 4))
    return data(x, 1000 + 50 * x[:, :2], prep=[standardize_target()])


@pytest.fixture(scope="module", params=sorted(BACKENDS, reverse=True))
def framework(request):
    """Run a module's tests with each backend, by its name."""
    try:
        backend_named(request.param)
    except MissingPackageError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture(scope="module")
def trained(framework, tmp_path_factory):
    """Return a function that trains a small model for two epochs with each backend."""

    def train_on(made, *layers, **options):
        layers = layers or (Dense(8, "tanh"), Dense(len(made.labels) or made.target_width))
        model = build(layers, backend=framework, data=made)
        return train(model, made, **{"epochs": 2, "batch": 16, "lr": 0.01, **options})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", str(tmp_path_factory.mktemp("maas")))
        yield train_on


@pytest.fixture(scope="module")
def classifier(trained):
    """Return a run on three classes."""
    return trained(classes())


@pytest.fixture(scope="module")
def regressor(trained):
    """Return a run on two values."""
    return trained(values())
