"""Modules that people write themselves, behind the seam."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from maasnb.backends import backend_named, backend_of
from maasnb.errors import ExportError, ModelError, ShapeError
from maasnb.tasks import Task
from tests.backends.models import CLASSES, examples, train


class TorchNet(torch.nn.Module):
    """Normalise, and branch on nothing."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.last = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.first(x))))


class FlaxNet(nnx.Module):
    """Normalise, and branch on nothing."""

    def __init__(self, rngs):
        self.first = nnx.Linear(4, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.relu(self.norm(self.first(x))))


MODELS = [TorchNet, lambda: FlaxNet(nnx.Rngs(0))]


@pytest.mark.coverage("A10", backends=["torch", "jax"])
@pytest.mark.parametrize("make", MODELS)
def test_a_module_with_batch_norm_is_trained_in_place(make):
    model = make()
    backend = backend_of(model)
    before = backend.weights(model)
    program, state, losses = train(backend, model, steps=60, chunk=8)
    program.update(state)
    after = backend.weights(model)
    means = [name for name in after if "mean" in name]
    assert len(means) == 1
    assert not np.array_equal(before[means[0]], after[means[0]])
    assert losses[-5:].mean() < losses[:5].mean() / 2


@pytest.mark.parametrize("make", MODELS)
def test_predicting_changes_no_weight_and_no_mode(make):
    model = make()
    backend = backend_of(model)
    before = backend.weights(model)
    inputs, _ = examples()
    whole = backend.predict(model, CLASSES, inputs)
    one = backend.predict(model, CLASSES, inputs[:1])
    np.testing.assert_allclose(whole[:1], one, atol=1e-6)  # the batch's statistics are not used
    for name, weight in backend.weights(model).items():
        np.testing.assert_array_equal(weight, before[name])
    if isinstance(model, torch.nn.Module):
        assert model.training


def test_an_object_that_is_no_model_is_refused():
    with pytest.raises(ModelError, match=r"int object 3 is not a model.*mb\.build"):
        backend_of(3)


def test_each_backend_owns_its_own_models_only():
    torch_backend, jax_backend = backend_named("torch"), backend_named("jax")
    models = [make() for make in MODELS]
    assert [torch_backend.owns(model) for model in models] == [True, False]
    assert [jax_backend.owns(model) for model in models] == [False, True]


@pytest.mark.parametrize("make", MODELS)
def test_inputs_of_another_width_are_refused(make):
    model = make()
    with pytest.raises(ShapeError, match=r"cannot take examples of shape \(5,\)"):
        backend_of(model).ask(model, np.zeros((2, 5), np.float32))


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (x, "more"),
        lambda x: {"hidden": None, "logits": x},
        lambda x: [None, x],
        lambda x: SimpleNamespace(logits=x),
    ],
)
def test_the_output_is_found_among_what_a_module_returns(answer):
    class Several(torch.nn.Module):
        def forward(self, x):
            return answer(2 * x)

    class Others(nnx.Module):
        def __call__(self, x):
            return answer(2 * x)

    x = np.ones((2, 3), np.float32)
    for model in (Several(), Others()):
        backend = backend_of(model)
        assert backend.ask(model, x).output_shape == (3,)
        values = Task(kind="regression", loss="mse", outputs=3, given="values")
        np.testing.assert_array_equal(backend.predict(model, values, x), 2 * x)


@pytest.mark.parametrize("make", MODELS)
def test_a_module_of_no_one_array_has_no_output_shape(make):
    class Several(type(make())):
        def forward(self, x):
            return {}

        def __call__(self, *args):
            return {}

    model = Several() if make is TorchNet else Several(nnx.Rngs(0))
    assert backend_of(model).ask(model, np.zeros((2, 4), np.float32)).output_shape is None


def test_a_torch_module_that_branches_on_values_cannot_be_exported(capfd):
    class Branching(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.linear(x) if x.sum() > 0 else self.linear(-x)

    with pytest.raises(ExportError, match=r"Branching cannot be exported to ONNX: .*torch\.where"):
        backend_named("torch").export(Branching(), CLASSES, np.zeros((2, 4), np.float32))
    assert capfd.readouterr() == ("", "")


def test_a_flax_module_that_branches_on_values_cannot_be_exported():
    class Branching(nnx.Module):
        def __init__(self):
            self.weight = nnx.Param(jnp.ones((4, 3)))

        def __call__(self, x):
            return x @ self.weight[...] if x.sum() > 0 else x @ -self.weight[...]

    with pytest.raises(ExportError, match=r"Branching cannot be exported to StableHLO: .*jax\.jit"):
        backend_named("jax").export(Branching(), CLASSES, np.zeros((2, 4), np.float32))
