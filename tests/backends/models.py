"""Small models and tasks that the backends' tests share."""

import numpy as np

from maasnb.backends import backend_named
from maasnb.backends.protocol import PLAIN
from maasnb.datasets.batches import Batches
from maasnb.layers import Dense, Dropout, Spec
from maasnb.tasks import Task, make_optimizer

CLASSES = Task(
    kind="classification", loss="cross_entropy", outputs=3, given="logits", labels=("a", "b", "c")
)
SPEC = Spec(input=(4,), layers=(Dense(8, "tanh"), Dense(3)))
EXAMPLE = np.zeros((2, 4), np.float32)
TARGETS = np.zeros(2, np.int32)
NOISY = Spec(input=(4,), layers=(Dense(8, "tanh"), Dropout(0.5), Dense(3)))


def examples(count=30, seed=0):
    """Return inputs [count, 4] and classes [count] that can be learnt."""
    inputs = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return inputs, np.argmax(inputs[:, :3], axis=1).astype(np.int32)


def same_weights(torch_model, flax_model):
    """Copy the weights of a torch Sequential to the flax module of the same spec."""
    from flax import nnx

    weights = backend_named("torch").weights(torch_model)
    state = nnx.state(flax_model, nnx.Param)
    for path, leaf in nnx.to_flat_state(state):
        layer, kind = path[0], path[1]
        weight = weights[f"{layer}.{'weight' if kind == 'kernel' else 'bias'}"]
        leaf[...] = weight.T if kind == "kernel" else weight
    nnx.update(flax_model, state)


def train(
    backend,
    model,
    *,
    steps,
    chunk,
    optimizer="adam",
    weight_decay=None,
    lr=0.01,
    clip=None,
    rule=PLAIN,
    batch=10,
    measured=(),
    size=30,
):
    """Take steps in chunks; return the program, the state and the losses; lr may be one a step."""
    rates = np.broadcast_to(np.asarray(lr), steps)
    batches = Batches(size=size, batch=batch, seed=0)
    program = backend.compile(
        model,
        CLASSES,
        make_optimizer(optimizer, weight_decay),
        inputs=EXAMPLE,
        targets=TARGETS,
        batch=batch,
        ragged=batches.ragged,
        device="cpu",
        rule=rule,
    )
    state, placed = program.init(0), program.place(*examples(size))
    losses, step = [], 0
    while step < steps:
        if step in measured:
            rows = batches.rows(step, 1)
            state, found, _ = program.statistics(state, placed, rows, rates[step], clip)
            step += 1
        else:
            count = min(chunk, steps - step)
            rows, some = batches.rows(step, count), rates[step : step + count]
            state, found = program.chunk(state, placed, rows, some, clip)
            step += count
        losses.append(program.host(found).means)
    return program, state, np.concatenate(losses)
