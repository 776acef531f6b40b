"""Rules behind the seam: schedules, penalties, clipping, accumulation and more, against NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from maasnb.backends import backend_named
from maasnb.datasets.batches import Batches
from maasnb.errors import OptionError
from maasnb.layers import BatchNorm, Dense, Dropout, Spec
from maasnb.rules import Rule
from tests.backends.models import CLASSES, NOISY, SPEC, examples, same_weights, train

LINEAR = Spec(input=(4,), layers=(Dense(3),))
EVERYTHING = {
    "optimizer": "nesterov",
    "weight_decay": 0.02,
    "lr": np.linspace(0.05, 0.001, 24),
    "clip": 0.3,
    "rule": Rule(l1=1e-3, l2=1e-3, clip_value=0.2, accumulate=2, class_weights=(1.0, 2.0, 0.5)),
}


def after(backend, spec, **options):
    """Train a model of a spec; return its weights and the losses."""
    model = backend.build(spec, seed=1)
    program, state, losses = train(backend, model, **options)
    program.update(state)
    return backend.weights(model), losses


def in_numpy(backend, steps, lr, step, size=30, weights=(1, 1, 1), batch=10):
    """Take steps of a linear classifier in float64; `step` makes an update of gradients."""
    found = backend.weights(backend.build(LINEAR, seed=1))
    bias = next(w for w in found.values() if w.ndim == 1).astype(np.float64)
    weight = next(w for w in found.values() if w.ndim == 2).astype(np.float64)
    weight = weight.T if backend.name == "torch" else weight
    inputs, classes = examples(size)
    rows = Batches(size=size, batch=batch, seed=0).rows(0, steps)
    weights, memory, losses = np.asarray(weights, float), {}, []
    for k in range(steps):
        indices = rows.indices[k][: rows.counts[k]]
        x, y = inputs[indices].astype(np.float64), np.eye(3)[classes[indices]]
        counts = weights[classes[indices]]
        logits = x @ weight + bias
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append((-np.log((p * y).sum(1)) * counts).mean())
        gap = (p - y) * counts[:, None] / len(x)
        rate = np.broadcast_to(lr, steps)[k]
        weight, bias = step([weight, bias], [x.T @ gap, gap.sum(0)], rate, memory)
    return losses


def sgd(params, gradients, lr, memory):
    return [p - lr * g for p, g in zip(params, gradients, strict=True)]


def nesterov(params, gradients, lr, memory):
    new = []
    for number, (p, g) in enumerate(zip(params, gradients, strict=True)):
        memory[number] = 0.9 * memory.get(number, 0) + g
        new.append(p - lr * (g + 0.9 * memory[number]))
    return new


def lion(params, gradients, lr, memory):
    new = []
    for number, (p, g) in enumerate(zip(params, gradients, strict=True)):
        m = memory.get(number, 0)
        new.append(p - lr * np.sign(0.9 * m + 0.1 * g) - lr * 0.1 * p)
        memory[number] = 0.99 * m + 0.01 * g
    return new


def decayed(params, gradients, lr, memory):
    return [p - lr * g - lr * 0.1 * p for p, g in zip(params, gradients, strict=True)]


def penalised(params, gradients, lr, memory):
    weight, bias = params
    gradient = gradients[0] + 0.02 * np.sign(weight) + 2 * 0.05 * weight
    return [weight - lr * gradient, bias - lr * gradients[1]]


def clipped(params, gradients, lr, memory):
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    return sgd(params, [g * min(1, 0.1 / norm) for g in gradients], lr, memory)


def cut(params, gradients, lr, memory):
    return sgd(params, [np.clip(g, -0.02, 0.02) for g in gradients], lr, memory)


RULES = {
    "nesterov": ({"optimizer": "nesterov"}, nesterov),
    "lion": ({"optimizer": "lion", "weight_decay": 0.1, "lr": 0.01}, lion),
    "weight_decay": ({"weight_decay": 0.1}, decayed),
    "a rate a step": ({"lr": np.linspace(0.2, 0.01, 50)}, sgd),
    "l1 and l2": ({"rule": Rule(l1=0.02, l2=0.05)}, penalised),
    "clip": ({"clip": 0.1}, clipped),
    "clip_value": ({"rule": Rule(clip_value=0.02)}, cut),
    "accumulate": ({"rule": Rule(accumulate=5)}, sgd),
    "accumulate, ragged": ({"rule": Rule(accumulate=5), "size": 33}, sgd),
    "class_weights": ({"rule": Rule(class_weights=(1.0, 3.0, 0.5))}, sgd),
}


@pytest.mark.coverage("C1", "C2", "C5")
@pytest.mark.parametrize("name", RULES)
def test_fifty_steps_by_a_rule_agree_with_numpy(backend, name):
    given, step = RULES[name]
    options = {"optimizer": "sgd", "lr": 0.1, "size": 30, **given}
    _, losses = after(backend, LINEAR, steps=50, chunk=7, **options)
    weights = options.get("rule", Rule()).class_weights or (1, 1, 1)
    expected = in_numpy(backend, 50, options["lr"], step, options["size"], weights)
    assert_allclose(losses, expected, atol=2e-5)


@pytest.mark.parametrize("size", [30, 33])
def test_with_every_rule_neither_chunks_nor_measuring_change_a_bit(backend, size):
    alone, losses = after(backend, NOISY, steps=24, chunk=1, size=size, **EVERYTHING)
    together, same = after(
        backend, NOISY, steps=24, chunk=10, size=size, measured={0, 5, 6}, **EVERYTHING
    )
    assert_array_equal(losses, same)
    for name, weight in alone.items():
        assert_array_equal(weight, together[name])


@pytest.mark.parametrize("size", [30, 33])
def test_torch_and_jax_take_the_same_steps_with_every_rule(size):
    torch, jax = backend_named("torch"), backend_named("jax")
    torch_model, flax_model = torch.build(SPEC, 1), jax.build(SPEC, 2)
    same_weights(torch_model, flax_model)
    options = {**EVERYTHING, "steps": 24, "chunk": 7, "size": size}
    _, _, one = train(torch, torch_model, **options)
    _, _, other = train(jax, flax_model, **options)
    assert_allclose(one, other, atol=1e-3)


@pytest.fixture
def compiled(caplog):
    """Yield what says which steps and statistics JAX compiled from now on."""
    import jax

    def steps():
        lines = [record.getMessage() for record in caplog.records]
        lines = [line for line in lines if line.startswith("Compiling")]
        return [line for line in lines if "_step" in line or "_statistics" in line]

    jax.config.update("jax_log_compiles", True)  # in every thread, unlike jax.log_compiles()
    yield steps
    jax.config.update("jax_log_compiles", False)


def test_changed_rates_and_norms_compile_nothing_again(caplog, compiled):
    backend = backend_named("jax")
    model = backend.build(Spec(input=(4,), layers=(Dense(7, "tanh"), Dense(3))), 0)
    train(backend, model, steps=8, chunk=4, clip=1.0, measured={0})
    assert len(compiled()) == 2
    caplog.clear()
    rates = np.linspace(0.01, 0.02, 12)
    train(backend, model, steps=12, chunk=5, lr=rates, clip=0.5, measured={2, 3})
    assert compiled() == []


def test_a_smaller_last_batch_and_chunks_of_other_lengths_compile_no_second_step(compiled):
    backend = backend_named("jax")
    model = backend.build(Spec(input=(4,), layers=(Dense(9, "tanh"), Dense(3))), 0)
    train(backend, model, steps=16, chunk=3, size=33)
    assert len(compiled()) == 1


def test_the_recorded_gradient_norm_is_the_one_before_clipping(backend):
    found = []
    for clip in (None, 1e-3):
        model = backend.build(SPEC, 1)
        program = train(backend, model, steps=1, chunk=1, lr=0.0, optimizer="sgd")[0]
        placed, rows = program.place(*examples()), Batches(size=30, batch=10, seed=0).rows(0, 1)
        _, _, statistics = program.statistics(program.init(0), placed, rows, 0.1, clip)
        found.append(program.host_statistics(statistics))
    assert found[0].gradient_norm == pytest.approx(found[1].gradient_norm)
    name = {"torch": "dense1.weight", "jax": "dense1.kernel"}[backend.name]
    assert found[1].update_ratio[name] < found[0].update_ratio[name] / 10


def test_frozen_parameters_stay_and_take_no_memory(backend):
    name = {"torch": "dense1.weight", "jax": "dense1.kernel"}[backend.name]
    before = backend.weights(backend.build(NOISY, seed=1))
    rule = Rule(frozen=(name,), l2=0.01)
    weights, losses = after(backend, NOISY, steps=20, chunk=6, rule=rule, measured={3})
    assert_array_equal(weights[name], before[name])
    assert all(not np.array_equal(weights[each], before[each]) for each in weights if each != name)
    assert losses[-3:].mean() < losses[:3].mean()
    sizes = []
    for each in (Rule(), rule):
        program, state, _ = train(backend, backend.build(NOISY, 1), steps=1, chunk=1, rule=each)
        sizes.append(sum(array.size for array in program.snapshot(state).values()))
    assert sizes[0] - sizes[1] >= 2 * before[name].size  # Adam holds two moments


def test_a_frozen_torch_parameter_can_be_trained_again():
    backend = backend_named("torch")
    model = backend.build(SPEC, 1)
    train(backend, model, steps=3, chunk=3, rule=Rule(frozen=("dense1.weight",)))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.dense1.weight.grad is None


@pytest.mark.coverage("C7")
def test_bfloat16_learns_about_the_same_with_float32_parameters(backend):
    half, losses = after(backend, SPEC, steps=60, chunk=7, rule=Rule(precision="bfloat16"))
    whole, exact = after(backend, SPEC, steps=60, chunk=7)
    assert not np.array_equal(losses, exact)
    assert_allclose(losses, exact, atol=0.03)
    assert {weight.dtype for weight in half.values()} == {np.dtype(np.float32)}
    assert whole.keys() == half.keys()


def test_bfloat16_keeps_a_batch_norms_statistics_in_float32(backend):
    import torch
    from flax import nnx

    if backend.name == "torch":
        model = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3)
        )
    else:
        rngs = nnx.Rngs(0)
        model = nnx.Sequential(
            nnx.Linear(4, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
        )
    program, state, losses = train(
        backend, model, steps=40, chunk=8, rule=Rule(precision="bfloat16", accumulate=2)
    )
    program.update(state)
    found = [weight for name, weight in backend.weights(model).items() if "mean" in name]
    assert found[0].dtype == np.float32
    assert losses[-5:].mean() < losses[:5].mean()


@pytest.mark.parametrize(("size", "accumulate"), [(37, 1), (37, 2), (32, 5), (34, 3)])
def test_batch_norm_sees_no_padded_row_of_a_smaller_batch(backend, size, accumulate):
    spec = Spec(input=(4,), layers=(BatchNorm(), Dense(3)))
    model = backend.build(spec, 0)
    part = -(-10 // accumulate)
    rows = Batches(size=size, batch=10, seed=0).rows(0, 4)
    inputs, mean = examples(size)[0], np.zeros(4)
    for indices, count in zip(rows.indices, rows.counts, strict=True):
        for first in range(0, count, part):
            batch = inputs[indices[first : min(first + part, count)]]
            mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
    program, state, _ = train(
        backend, model, steps=4, chunk=3, lr=0.0, size=size, rule=Rule(accumulate=accumulate)
    )
    program.update(state)
    (found,) = [weight for name, weight in backend.weights(model).items() if "mean" in name]
    assert_allclose(found, mean, atol=1e-6)


@pytest.mark.parametrize("size", [30, 37])
def test_torch_and_jax_normalise_parts_of_a_batch_alike(size):
    torch, jax = backend_named("torch"), backend_named("jax")
    spec = Spec(input=(4,), layers=(Dense(8), BatchNorm(), Dense(3)))
    one, other = torch.build(spec, 1), jax.build(spec, 2)
    jax.set_shared_weights(other, torch.shared_weights(one))
    options = {"steps": 24, "chunk": 7, "size": size, "measured": {3, 8}}
    options["rule"] = Rule(accumulate=2)
    _, _, losses = train(torch, one, **options)
    _, _, same = train(jax, other, **options)
    assert_allclose(losses, same, atol=1e-3)


def test_parts_of_a_batch_draw_different_dropout(backend):
    model = backend.build(Spec(input=(4,), layers=(Dropout(0.5), Dense(3))), 0)
    inputs, classes = examples(1)
    same = np.repeat(inputs, 4, axis=0), np.repeat(classes, 4)
    rule = Rule(accumulate=4)
    program = train(backend, model, steps=1, chunk=1, lr=0.0, batch=4, size=4, rule=rule)[0]
    losses = []
    for seed in range(6):
        rows = Batches(size=4, batch=4, seed=seed).rows(0, 1)
        found = program.chunk(program.init(0), program.place(*same), rows, 0.0)[1]
        losses.append(program.host(found).means[0])
    # Four equal draws would have the loss of one of the sixteen masks.
    weights = sorted(backend.weights(model).values(), key=np.ndim)
    weight = weights[1].T if backend.name == "torch" else weights[1]
    masks = np.array(list(np.ndindex(2, 2, 2, 2))) * 2.0
    logits = (inputs[0] * masks) @ weight + weights[0]
    of_masks = np.log(np.exp(logits).sum(1)) - logits[:, classes[0]]
    assert max(np.abs(of_masks - loss).min() for loss in losses) > 1e-3


# Losses of the user's own.


def own_losses(backend):
    """Return cross entropy, written by hand: an example each, and as a mean."""
    import jax
    import jax.numpy as jnp
    import torch

    if backend.name == "torch":
        each = lambda out, to: -torch.log_softmax(out, -1)[torch.arange(len(to)), to]
    else:
        each = lambda out, to: -jax.nn.log_softmax(out)[jnp.arange(len(to)), to]
    return each, lambda out, to: each(out, to).mean()


@pytest.mark.coverage("C6")
@pytest.mark.parametrize("size", [30, 33])
def test_a_loss_of_ones_own_is_the_same_as_the_named_one(backend, size):
    each, mean = own_losses(backend)
    options = {"steps": 20, "chunk": 6, "size": size}
    _, named = after(backend, SPEC, **options)
    _, own = after(backend, SPEC, rule=Rule(loss=each), **options)
    assert_allclose(own, named, atol=1e-5)
    if size == 30:
        _, scalar = after(backend, SPEC, rule=Rule(loss=mean), **options)
        assert_allclose(scalar, named, atol=1e-5)


def test_a_validation_uses_the_loss_of_ones_own_without_class_weights(backend):
    each, _ = own_losses(backend)
    double = lambda out, to: 2 * each(out, to)
    model = backend.build(SPEC, 0)
    rule = Rule(loss=double, class_weights=(5.0, 5.0, 5.0))
    found = []
    for given in (rule, Rule()):
        program, state, losses = train(backend, model, steps=1, chunk=1, lr=0.0, rule=given)
        found.append((program.evaluate(state, program.place(*examples())).loss, losses[0]))
    (own, weighted), (named, plain) = found
    assert own == pytest.approx(2 * named, rel=1e-5)
    assert weighted == pytest.approx(10 * plain, rel=1e-5)


def test_a_scalar_loss_is_refused_where_the_loss_of_each_example_is_needed(backend):
    _, mean = own_losses(backend)
    rule = Rule(loss=mean, class_weights=(1.0, 2.0, 1.0))
    with pytest.raises(OptionError, match="class weights need the loss of each example"):
        train(backend, backend.build(SPEC, 0), steps=1, chunk=1, rule=rule)


def test_a_scalar_loss_of_a_smaller_last_batch_is_the_mean_of_its_own_examples(backend):
    each, mean = own_losses(backend)
    curves = [
        train(backend, backend.build(SPEC, 0), steps=12, chunk=5, rule=Rule(loss=loss), size=33)[2]
        for loss in (each, mean)
    ]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)


@pytest.mark.parametrize("size", [30, 33, 37])
def test_a_scalar_loss_of_parts_is_the_mean_of_all_examples_of_the_batch(backend, size):
    each, mean = own_losses(backend)
    rules = [Rule(loss=each), Rule(loss=mean, accumulate=2)]
    options = {"steps": 12, "chunk": 5, "size": size}
    curves = [after(backend, SPEC, rule=rule, **options)[1] for rule in rules]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)


def test_a_loss_of_an_unfitting_shape_is_refused(backend):
    rule = Rule(loss=lambda outputs, targets: outputs)
    with pytest.raises(OptionError, match=r"returned \(10, 3\) for 10 examples; expected \[10\]"):
        train(backend, backend.build(SPEC, 0), steps=1, chunk=1, rule=rule)


def test_class_weights_work_with_two_classes_and_one_output(backend):
    from dataclasses import replace

    from maasnb.tasks import make_optimizer

    task = replace(CLASSES, loss="binary_cross_entropy", outputs=1, labels=("no", "yes"))
    model = backend.build(Spec(input=(4,), layers=(Dense(1),)), 0)
    inputs, classes = examples(40)
    yes = (classes == 1).astype(np.int32)
    program = backend.compile(
        model,
        task,
        make_optimizer("sgd"),
        inputs=inputs[:2],
        targets=yes[:2],
        batch=len(inputs),
        ragged=False,
        device=None,
        rule=Rule(class_weights=(1.0, 4.0)),
    )
    p = backend.predict(model, task, inputs)[:, 0].astype(np.float64)
    expected = (np.where(yes, -np.log(p), -np.log1p(-p)) * np.where(yes, 4.0, 1.0)).mean()
    rows = Batches(size=40, batch=40, seed=0).rows(0, 1)
    _, losses = program.chunk(program.init(0), program.place(inputs, yes), rows, 0.0)
    assert program.host(losses).means[0] == pytest.approx(expected, rel=1e-4)
