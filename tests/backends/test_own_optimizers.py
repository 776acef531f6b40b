"""Optimisers of the library's own, against the same one used by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx
from numpy.testing import assert_allclose

from maasnb.backends import backend_named
from maasnb.datasets.batches import Batches
from maasnb.errors import OptionError
from maasnb.tasks import make_optimizer
from tests.backends.models import SPEC, examples, train

STEPS = 20


def rows():
    return Batches(size=30, batch=10, seed=0).rows(0, STEPS).indices


def by_hand_in_torch(make):
    """Train with an optimiser of torch, as a person would write it."""
    model = backend_named("torch").build(SPEC, 0)
    optimizer = make(model.parameters())
    inputs, classes = map(torch.tensor, examples())
    losses = []
    for indices in rows():
        loss = torch.nn.functional.cross_entropy(model(inputs[indices]), classes[indices].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def by_hand_in_jax(transformation):
    """Train with a transformation of optax, as a person would write it."""
    graph, params = nnx.split(backend_named("jax").build(SPEC, 0))
    memory = transformation.init(params)
    inputs, classes = map(jnp.asarray, examples())

    @jax.value_and_grad
    def objective(params, x, y):
        logits = nnx.merge(graph, params)(x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    losses = []
    for indices in rows():
        loss, gradients = objective(params, inputs[indices], classes[indices])
        updates, memory = transformation.update(gradients, memory, params)
        params = optax.apply_updates(params, updates)
        losses.append(float(loss))
    return losses


TORCH = {
    "RAdam": (torch.optim.RAdam, 0.01, lambda p: torch.optim.RAdam(p, lr=0.01)),
    "SGD": (torch.optim.SGD, 0.1, lambda p: torch.optim.SGD(p, lr=0.1)),
    "a factory": (lambda p: torch.optim.NAdam(p, lr=0.02), 1.0, None),
    "two groups": (
        lambda p: torch.optim.SGD(
            [{"params": list(p)[:2], "lr": 0.1}, {"params": list(p)[2:]}], lr=0.01
        ),
        1.0,
        None,
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_an_optimizer_of_torch_takes_the_steps_that_it_takes_by_hand(name):
    own, lr, make = TORCH[name]
    make = make or (lambda p, own=own: own(list(p)))
    model = backend_named("torch").build(SPEC, 0)
    _, _, losses = train(
        backend_named("torch"), model, steps=STEPS, chunk=6, optimizer=own, lr=lr, measured={3}
    )
    assert_allclose(losses, by_hand_in_torch(make), atol=1e-6)


OPTAX = {
    "adamax": optax.adamax(0.01),
    "chained": optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.1, momentum=0.5)),
    "scheduled": optax.adam(optax.cosine_decay_schedule(0.05, STEPS)),
}


@pytest.mark.parametrize("name", OPTAX)
def test_a_transformation_of_optax_takes_the_steps_that_it_takes_by_hand(name):
    backend = backend_named("jax")
    model = backend.build(SPEC, 0)
    _, _, losses = train(
        backend, model, steps=STEPS, chunk=6, optimizer=OPTAX[name], lr=1.0, measured={3}
    )
    assert_allclose(losses, by_hand_in_jax(OPTAX[name]), atol=1e-5)


OWN = {"torch": lambda p: torch.optim.SGD(p, lr=0.1), "jax": optax.sgd(0.1)}


def test_the_learning_rate_is_a_factor_on_that_of_an_object(backend):
    rates = np.linspace(1.0, 0.1, STEPS)
    _, _, own = train(
        backend, backend.build(SPEC, 0), steps=STEPS, chunk=6, optimizer=OWN[backend.name], lr=rates
    )
    _, _, named = train(
        backend, backend.build(SPEC, 0), steps=STEPS, chunk=6, optimizer="sgd", lr=0.1 * rates
    )
    assert_allclose(own, named, atol=1e-6)


def test_an_own_optimizers_state_can_be_restored(backend):
    own = {"torch": torch.optim.NAdam, "jax": optax.nadam(0.01)}[backend.name]
    _, _, losses = train(backend, backend.build(SPEC, 0), steps=20, chunk=5, optimizer=own)
    half, middle, _ = train(backend, backend.build(SPEC, 0), steps=9, chunk=3, optimizer=own)
    other = train(backend, backend.build(SPEC, 5), steps=1, chunk=1, optimizer=own)[0]
    state = other.restore(other.init(0), half.snapshot(middle))
    batches = Batches(size=30, batch=10, seed=0)
    _, rest = other.chunk(state, other.place(*examples()), batches.rows(9, 11), 0.01)
    np.testing.assert_array_equal(other.host(rest).means, losses[9:])


REFUSED = [
    ("torch", optax.adam(1e-3), "is a GradientTransformation.*torch.optim.RAdam"),
    ("torch", optax.adam, "The optimizer adam .*torch.optim.RAdam"),
    ("torch", 3, "is a int, which torch does not know"),
    ("torch", torch.optim.LBFGS, "several looks at a batch"),
    ("torch", torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))]), "made already.*its class"),
    ("torch", lambda p: None, "made a NoneType, none of torch's"),
    ("jax", torch.optim.RAdam, r"is RAdam, no optax transformation.*optax\.adam\(1e-3\)"),
    ("jax", optax.adam, "is adam, no optax transformation"),
    ("jax", optax.contrib.reduce_on_plateau(), "cannot be used for this model's step"),
]


@pytest.mark.parametrize(("name", "own", "words"), REFUSED)
def test_an_object_that_is_no_optimizer_of_the_library_is_refused(name, own, words):
    backend = backend_named(name)
    with pytest.raises(OptionError, match=words):
        train(backend, backend.build(SPEC, 0), steps=1, chunk=1, optimizer=own)


def test_a_weight_decay_beside_an_object_is_refused():
    with pytest.raises(OptionError, match="weight_decay= is for optimizers by name; give it to"):
        make_optimizer(torch.optim.SGD, 0.1)
