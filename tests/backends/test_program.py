"""What the seam promises of a program, for each backend."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from maasnb.backends import backend_named
from maasnb.datasets.batches import Batches
from maasnb.errors import ModelError, UnknownNameError
from maasnb.layers import LSTM, Dense, Spec
from maasnb.tasks import OPTIMIZERS as NAMES
from maasnb.tasks import Task, make_optimizer
from tests.backends.models import (
    CLASSES,
    EXAMPLE,
    NOISY,
    SPEC,
    TARGETS,
    examples,
    same_weights,
    train,
)

pytestmark = pytest.mark.usefixtures("optimised")

OPTIMIZERS = sorted(NAMES)


def weights_after(backend, spec, **options):
    model = backend.build(spec, seed=1)
    program, state, losses = train(backend, model, **options)
    program.update(state)
    return backend.weights(model), losses


@pytest.mark.parametrize("size", [30, 33])
def test_the_length_of_a_chunk_changes_no_bit(backend, size):
    alone, losses = weights_after(backend, NOISY, steps=24, chunk=1, size=size)
    together, same = weights_after(backend, NOISY, steps=24, chunk=10, size=size)
    assert_array_equal(losses, same)
    for name, weight in alone.items():
        assert_array_equal(weight, together[name])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_measured_step_is_the_same_step(backend, optimizer):
    plain, _ = weights_after(backend, NOISY, steps=12, chunk=4, optimizer=optimizer)
    measured, _ = weights_after(
        backend, NOISY, steps=12, chunk=4, optimizer=optimizer, measured={0, 5, 6}
    )
    for name, weight in plain.items():
        assert_array_equal(weight, measured[name])


def test_dropout_depends_on_the_seed_and_the_step_alone(backend):
    first, losses = weights_after(backend, NOISY, steps=12, chunk=3)
    again, same = weights_after(backend, NOISY, steps=12, chunk=12)
    assert_array_equal(losses, same)
    without, _ = weights_after(backend, SPEC, steps=12, chunk=12)
    name = next(iter(first))
    assert_array_equal(first[name], again[name])
    assert not np.array_equal(first[name], without[name])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("size", [30, 33])
def test_torch_and_jax_take_the_same_steps(optimizer, size):
    torch, jax = backend_named("torch"), backend_named("jax")
    torch_model, flax_model = torch.build(SPEC, 1), jax.build(SPEC, 2)
    same_weights(torch_model, flax_model)
    options = {"steps": 50, "chunk": 7, "optimizer": optimizer, "size": size, "lr": 0.003}
    _, _, one = train(torch, torch_model, **options)
    _, _, other = train(jax, flax_model, **options)
    assert_allclose(one, other, atol=1e-3)


def test_fifty_steps_of_sgd_agree_with_numpy(backend):
    spec = Spec(input=(4,), layers=(Dense(3),))
    model = backend.build(spec, seed=1)
    weights = backend.weights(model)
    bias = next(w for w in weights.values() if w.ndim == 1).astype(np.float64)
    weight = next(w for w in weights.values() if w.ndim == 2).astype(np.float64)
    weight = weight.T if backend.name == "torch" else weight
    _, _, losses = train(backend, model, steps=50, chunk=5, optimizer="sgd", lr=0.1)
    inputs, classes = examples()
    rows = Batches(size=30, batch=10, seed=0).rows(0, 50)
    expected = []
    for indices in rows.indices:
        x, y = inputs[indices].astype(np.float64), np.eye(3)[classes[indices]]
        logits = x @ weight + bias
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        expected.append(-np.log((p * y).sum(1)).mean())
        weight, bias = weight - 0.1 * x.T @ (p - y) / 10, bias - 0.1 * (p - y).mean(0)
    assert_allclose(losses, expected, atol=1e-5)


TASKS = [
    ("cross_entropy", "logits", 3),
    ("cross_entropy", "probabilities", 3),
    ("binary_cross_entropy", "logits", 1),
    ("binary_cross_entropy", "probabilities", 1),
    ("mse", "values", 2),
    ("mae", "values", 2),
]


@pytest.mark.parametrize(("loss", "given", "outputs"), TASKS)
def test_losses_and_predictions_agree_with_their_formulas(backend, loss, given, outputs):
    ends = {3: "softmax", 1: "sigmoid"}.get(outputs) if given == "probabilities" else None
    spec = Spec(input=(4,), layers=(Dense(outputs, ends),))
    kind = "regression" if given == "values" else "classification"
    task = Task(
        kind=kind, loss=loss, outputs=outputs, given=given, labels=("a", "b", "c")[:outputs]
    )
    model = backend.build(spec, seed=0)
    inputs, classes = examples(2000)
    targets = {3: classes, 1: (classes > 1).astype(np.int32), 2: inputs[:, :2] * 2}[outputs]
    program = backend.compile(
        model,
        task,
        make_optimizer("sgd"),
        inputs=EXAMPLE,
        targets=TARGETS,
        batch=10,
        ragged=False,
        device=None,
    )
    found = program.evaluate(program.init(0), program.place(inputs, targets))
    predicted = backend.predict(model, task, inputs)
    assert_allclose(found.outputs, predicted, atol=1e-6)
    out = predicted.astype(np.float64)
    expected = {
        "cross_entropy": lambda: -np.log(out[np.arange(2000), targets]).mean(),
        "binary_cross_entropy": lambda: -np.log(np.where(targets, out[:, 0], 1 - out[:, 0])).mean(),
        "mse": lambda: ((out - targets) ** 2).mean(),
        "mae": lambda: np.abs(out - targets).mean(),
    }[loss]()
    assert_allclose(found.loss, expected, rtol=1e-5)


def test_an_update_is_written_into_the_model_and_its_mode_is_left_alone(backend):
    model = backend.build(NOISY, seed=0)
    before = backend.weights(model)
    program, state, _ = train(backend, model, steps=5, chunk=5)
    program.update(state)
    after = backend.weights(model)
    assert all(not np.array_equal(before[name], after[name]) for name in before)
    inputs, _ = examples()
    assert_allclose(
        backend.predict(model, CLASSES, inputs),
        program.evaluate(state, program.place(*examples())).outputs,
        atol=1e-6,
    )


def test_a_kept_state_can_be_gone_back_to_twice(backend):
    program, state, _ = train(backend, backend.build(SPEC, 0), steps=5, chunk=5)
    placed, batches = program.place(*examples()), Batches(size=30, batch=10, seed=0)
    kept = program.keep(state)
    curves = []
    for _ in range(2):
        state = program.revert(kept)
        _, losses = program.chunk(state, placed, batches.rows(5, 6), 0.01)
        curves.append(program.host(losses).means)
    assert_array_equal(curves[0], curves[1])


def test_a_restored_snapshot_goes_on_with_the_same_bits(backend):
    _, _, losses = train(backend, backend.build(NOISY, 0), steps=20, chunk=5)
    half, middle, _ = train(backend, backend.build(NOISY, 0), steps=9, chunk=3)
    arrays = half.snapshot(middle)
    other = backend.compile(
        backend.build(NOISY, 5),
        CLASSES,
        make_optimizer("adam"),
        inputs=EXAMPLE,
        targets=TARGETS,
        batch=10,
        ragged=False,
        device="cpu",
    )
    state = other.restore(other.init(0), arrays)
    batches = Batches(size=30, batch=10, seed=0)
    _, rest = other.chunk(state, other.place(*examples()), batches.rows(9, 11), 0.01)
    assert_array_equal(other.host(rest).means, losses[9:])


def test_training_leaves_the_random_state_of_the_process_alone():
    import torch

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(backend_named("torch"), backend_named("torch").build(NOISY, 0), steps=5, chunk=5)
    assert_array_equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("layers", "shape", "batch", "mode"),
    [
        ((Dense(64), Dense(3)), (64,), 32, "loop on 1 thread"),
        ((Dense(1024), Dense(1024), Dense(3)), (64,), 512, "loop"),
        # As much work in all as the dense layers have, but in a product for each place.
        ((LSTM(128), Dense(3)), (500, 64), 32, "loop on 1 thread"),
        ((LSTM(256), Dense(3)), (2, 64), 512, "loop"),
    ],
    ids=["small", "large", "small at many places", "large at two places"],
)
def test_torch_computes_on_one_thread_where_its_products_are_small(layers, shape, batch, mode):
    torch = backend_named("torch")
    program = torch.compile(
        torch.build(Spec(input=shape, layers=layers), 0),
        CLASSES,
        make_optimizer("sgd"),
        inputs=np.zeros((2, *shape), np.float32),
        targets=TARGETS,
        batch=batch,
        ragged=False,
        device="cpu",
    )
    assert program.mode == mode


def test_an_unknown_device_is_refused_with_the_known_ones(backend):
    with pytest.raises(UnknownNameError, match="no (torch|jax) device 'gpu9'.*cpu"):
        backend.compile(
            backend.build(SPEC, 0),
            CLASSES,
            make_optimizer("sgd"),
            inputs=EXAMPLE,
            targets=TARGETS,
            batch=10,
            ragged=False,
            device="gpu9",
        )


def test_a_model_without_parameters_is_refused(backend):
    from flax import nnx
    from torch import nn

    model = nn.ReLU() if backend.name == "torch" else nnx.Dropout(0.5, rngs=nnx.Rngs(0))
    with pytest.raises(ModelError, match="no trainable parameters"):
        backend.compile(
            model,
            CLASSES,
            make_optimizer("sgd"),
            inputs=EXAMPLE,
            targets=TARGETS,
            batch=10,
            ragged=False,
            device=None,
        )


def test_a_state_is_kept_in_the_memory_of_an_earlier_copy(backend):
    model = backend.build(NOISY, 0)
    program, state, _ = train(backend, model, steps=3, chunk=3)
    first = program.keep(state)
    rows, placed = Batches(size=30, batch=10, seed=0).rows(3, 5), program.place(*examples())
    state, _ = program.chunk(state, placed, rows, 0.01)
    expected = program.snapshot(state)
    second = program.keep(state, first)
    state, _ = program.chunk(state, placed, rows, 0.01)
    for name, array in program.arrays(second).items():
        assert_array_equal(array, expected[name])
    state = program.revert(second)
    for name, array in program.snapshot(state).items():
        assert_array_equal(array, expected[name])
