"""Modules that people bring: tokens, several inputs and outputs, sequences, losses of their own."""

import json
import types

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx
from torch.nn import functional

import maasnb as mb
from maasnb.errors import DataError, ExportError, OptionError, ShapeError
from maasnb.training import train

VOCABULARY, LENGTH = 11, 6


class TorchTagger(torch.nn.Module):
    """Say something of each token."""

    def __init__(self, outputs=VOCABULARY):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCABULARY, 16)
        self.rnn = torch.nn.GRU(16, 24, batch_first=True)
        self.head = torch.nn.Linear(24, outputs)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


class FlaxTagger(nnx.Module):
    """Say something of each token."""

    def __init__(self, outputs=VOCABULARY):
        rngs = nnx.Rngs(0)
        self.embed = nnx.Embed(VOCABULARY, 16, rngs=rngs)
        self.rnn = nnx.RNN(nnx.GRUCell(16, 24, rngs=rngs))
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.head = nnx.Linear(24, outputs, rngs=rngs)

    def __call__(self, ids):
        return self.head(self.drop(self.rnn(self.embed(ids))))


TAGGERS = {"torch": TorchTagger, "jax": FlaxTagger}


def tokens(count=80):
    """Return sequences [count, LENGTH] in which each token is the one before plus two."""
    start = np.random.default_rng(0).integers(VOCABULARY, size=(count, 1))
    whole = (start + 2 * np.arange(LENGTH + 1)) % VOCABULARY
    return whole[:, :-1], whole[:, 1:]


def test_a_language_model_learns_the_next_token(backend):
    torch.manual_seed(0)
    data = mb.data(*tokens())
    model = TAGGERS[backend.name]()
    run = train(model, data, epochs=30, batch=16, lr=0.01)
    assert (run.task.positions, run.task.takes) == ((LENGTH,), "int32")
    assert run.metrics["accuracy"] == 1.0
    assert run.metrics["loss"] < 0.2
    found = run.predict(data.test.x)
    assert found.shape == (8, LENGTH, VOCABULARY)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert mb.evaluate(run)["accuracy"] == 1.0


def test_the_loss_of_a_sequence_is_the_mean_over_its_positions(backend):
    data = mb.data(*tokens(), split=(1, 0, 0))
    model = TAGGERS[backend.name]()
    if backend.name == "jax":
        model.drop.rate = 0.0
    task = train(model, data, epochs=1, lr=1e-12, batch=80).task
    p = backend.predict(model, task, data.train.inputs)
    chosen = np.take_along_axis(p, data.train.y[..., None], -1)
    run = train(model, data, epochs=1, lr=1e-12, batch=80)
    assert run.history.losses[0] == pytest.approx(-np.log(chosen).mean(), rel=1e-4)
    each = -np.log(chosen[..., 0]).mean(axis=1)
    np.testing.assert_allclose(run.history.examples.last, each, rtol=1e-3)


@pytest.mark.parametrize("outputs", [VOCABULARY - 1, VOCABULARY + 3])
def test_a_language_model_of_another_vocabulary_is_refused(backend, outputs):
    with pytest.raises(ShapeError, match=f"{outputs} outputs for each example.*has 11 classes"):
        train(TAGGERS[backend.name](outputs), mb.data(*tokens()))


class TorchBigram(torch.nn.Module):
    """Predict the next token; return the loss too where targets are given, as nanoGPT does."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(VOCABULARY, VOCABULARY)

    def forward(self, idx, targets=None):
        logits = self.table(idx)
        if targets is None:
            return logits[:, [-1], :], None
        loss = functional.cross_entropy(logits.view(-1, VOCABULARY), targets.view(-1))
        return logits, loss


class FlaxBigram(nnx.Module):
    """Predict the next token; return the loss too where targets are given."""

    def __init__(self):
        self.table = nnx.Embed(VOCABULARY, VOCABULARY, rngs=nnx.Rngs(0))

    def __call__(self, idx, targets=None):
        logits = self.table(idx)
        if targets is None:
            return logits[:, [-1], :], None
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
        return logits, loss


BIGRAMS = {"torch": TorchBigram, "jax": FlaxBigram}


@pytest.mark.coverage("A10")
@pytest.mark.parametrize("size", [16, 13])  # 13 leaves a smaller last batch
def test_a_model_is_trained_by_the_loss_that_it_returns(backend, size):
    torch.manual_seed(0)
    run = train(BIGRAMS[backend.name](), mb.data(*tokens()), epochs=60, batch=size, lr=0.1)
    assert run.task.loss == "model"
    assert run.metrics["accuracy"] == 1.0
    assert run.metrics["loss"] < 0.1
    assert run.history.examples is None or run.history.examples.count.sum() == 0


def test_a_named_loss_takes_the_place_of_the_models_own(backend):
    with pytest.raises(ShapeError, match=r"shape \(1, 11\) for one example; expected \(6, 11\)"):
        train(BIGRAMS[backend.name](), mb.data(*tokens()), loss="cross_entropy")


class TorchWithLoss(torch.nn.Module):
    """Bring a method that is the loss."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, x):
        return self.layer(x)

    def loss(self, x, targets):
        return ((self(x) - targets) ** 2).mean()


class FlaxWithLoss(nnx.Module):
    """Bring a method that is the loss."""

    def __init__(self):
        self.layer = nnx.Linear(4, 1, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.layer(x)

    def loss(self, x, targets):
        return ((self(x) - targets) ** 2).mean()


def test_a_method_loss_is_the_models_own(backend):
    x = np.random.default_rng(0).normal(size=(60, 4))
    model = {"torch": TorchWithLoss, "jax": FlaxWithLoss}[backend.name]()
    run = train(model, mb.data(x, x.sum(axis=1)), epochs=80, lr=0.05)
    assert run.task.loss == "model"
    assert run.metrics["loss"] < 1e-3
    assert run.predict(x).shape == (60, 1)


def test_a_model_without_a_loss_of_its_own_says_what_it_would_need(backend):
    with pytest.raises(OptionError, match="takes no targets and has no method loss. Give it a"):
        train(TAGGERS[backend.name](), mb.data(*tokens()), loss="model")


class TorchTwoSides(torch.nn.Module):
    """Take two inputs by name, and answer twice."""

    def __init__(self):
        super().__init__()
        self.left, self.right = torch.nn.Linear(3, 5), torch.nn.Linear(2, 5)
        self.one, self.two = torch.nn.Linear(5, 2), torch.nn.Linear(5, 1)

    def forward(self, left, right):
        hidden = torch.tanh(self.left(left) + self.right(right))
        return {"side": self.one(hidden), "size": self.two(hidden)}


class FlaxTwoSides(nnx.Module):
    """Take two inputs by name, and answer twice."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.left, self.right = nnx.Linear(3, 5, rngs=rngs), nnx.Linear(2, 5, rngs=rngs)
        self.one, self.two = nnx.Linear(5, 2, rngs=rngs), nnx.Linear(5, 1, rngs=rngs)

    def __call__(self, left, right):
        hidden = jnp.tanh(self.left(left) + self.right(right))
        return {"side": self.one(hidden), "size": self.two(hidden)}


SIDES = {"torch": TorchTwoSides, "jax": FlaxTwoSides}


def sides(count=90):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(count, 3)), rng.normal(size=(count, 2))
    side = (left[:, 0] > right[:, 0]).astype(int)
    return {"left": left, "right": right}, {"side": side, "size": right[:, :1]}


def both(outputs, targets):
    """Return the loss of two answers."""
    size = ((outputs["size"] - targets["size"]) ** 2).mean(-1)
    if isinstance(size, torch.Tensor):
        side = functional.cross_entropy(outputs["side"], targets["side"], reduction="none")
    else:
        side = optax.softmax_cross_entropy_with_integer_labels(outputs["side"], targets["side"])
    return side + size


@pytest.mark.coverage("A10")
def test_several_inputs_and_outputs_are_trained_by_a_loss_of_ones_own(backend):
    torch.manual_seed(0)
    x, y = sides()
    data = mb.data(x, y)
    run = train(SIDES[backend.name](), data, epochs=60, lr=0.02, loss=both)
    assert data.kind == "own"
    assert run.metrics.keys() == {"loss"}
    assert run.metrics["loss"] < 0.6
    answer = run.predict(x)
    assert {name: part.shape for name, part in answer.items()} == {"side": (90, 2), "size": (90, 1)}
    assert np.mean(answer["side"].argmax(1) == y["side"]) > 0.85


def test_numbers_of_ones_own_reach_the_loss_as_they_are(backend):
    y = np.array([10, 20] * 20)
    data = mb.data(np.ones((40, 2)), y, kind="own", split=(1, 0, 0))
    assert data.train.targets.tolist() == y.tolist()
    run = train(
        mb.build([mb.Dense(1)], data=data, backend=backend.name), data, epochs=1, lr=1e-9,
        loss=lambda outputs, targets: targets.min() + 0 * outputs.sum(),
    )  # fmt: skip
    assert run.history.losses.tolist() == [10, 10]
    with pytest.raises(DataError, match=r"targets\['y'\]: .* NaN"):
        mb.data(np.ones((2, 2)), [1.0, np.nan], kind="own")


def test_several_inputs_are_given_in_order_as_a_tuple(backend):
    x, y = sides()

    class Ordered(SIDES[backend.name]):
        def forward(self, left, right):
            return super().forward(left, right)["side"]

        def __call__(self, *given):
            answer = super().__call__(*given)
            return answer["side"] if isinstance(answer, dict) else answer

    run = train(Ordered(), mb.data((x["left"], x["right"]), y["side"]), epochs=3)
    assert run.task.takes == "parts"
    assert run.predict((x["left"], x["right"])).shape == (90, 2)
    with pytest.raises(mb.MaasError, match=r"x must have the data's parts: x\[0\], x\[1\]"):
        run.predict(x["left"])
    with pytest.raises(ExportError, match="takes several inputs; a served model takes one array"):
        mb.publish(run, "two-sides")


def test_targets_of_several_parts_need_a_loss(backend):
    with pytest.raises(OptionError, match="Targets of several parts need a loss of your own"):
        train(SIDES[backend.name](), mb.data(*sides()))


def test_parts_have_as_many_examples():
    x, y = sides()
    with pytest.raises(mb.MaasError, match=r"x\['left'\] 80, x\['right'\] 90; expected as many"):
        mb.data({**x, "left": x["left"][:80]}, y)


def test_weights_that_are_used_twice_stay_the_same(backend):
    class TorchTied(TorchTagger):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.GRU(16, 16, batch_first=True)
            self.head = torch.nn.Linear(16, VOCABULARY, bias=False)
            self.head.weight = self.embed.weight

    class FlaxTied(FlaxTagger):
        def __init__(self):
            super().__init__()
            self.rnn = nnx.RNN(nnx.GRUCell(16, 16, rngs=nnx.Rngs(1)))

        def __call__(self, ids):
            return self.embed.attend(self.rnn(self.embed(ids)))

    model = {"torch": TorchTied, "jax": FlaxTied}[backend.name]()
    before = backend.weights(model)
    run = train(model, mb.data(*tokens()), epochs=2)
    after = backend.weights(model)
    name = next(name for name in after if "embed" in name)
    assert not np.array_equal(before[name], after[name])
    if backend.name == "torch":
        assert model.head.weight is model.embed.weight
    assert run.status == "finished"


def test_a_model_of_tokens_is_published_and_answers_as_the_notebook(backend, workspace):
    class Last(TAGGERS[backend.name]):
        def forward(self, ids):
            return super().forward(ids)[:, -1]

        def __call__(self, *given):
            answer = super().__call__(*given)
            return answer if answer.ndim == 2 else answer[:, -1]

    x, y = tokens()
    data = mb.data(x, y[:, -1])
    run = train(Last(), data, epochs=2)
    endpoint = mb.publish(run, "tokens")
    np.testing.assert_allclose(endpoint.predict(x[:9]), run.predict(x[:9]), atol=1e-5)


def test_own_namespaces_with_a_loss_are_taken_apart():
    class Answering(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def forward(self, x, labels=None):
            logits = self.layer(x)
            loss = None if labels is None else functional.cross_entropy(logits, labels)
            return types.SimpleNamespace(loss=loss, logits=logits)

    x = np.random.default_rng(0).normal(size=(60, 4))
    run = train(Answering(), mb.data(x, x[:, 0] > 0), epochs=60, lr=0.05)
    assert run.task.loss == "model"
    assert run.metrics["accuracy"] > 0.8


class TorchReplacing(torch.nn.Module):
    """Make a parameter anew in each call."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4, 3))

    def forward(self, x):
        answer = x @ self.weight
        if self.training:
            self.weight = torch.nn.Parameter(torch.zeros(4, 5))
        return answer


class FlaxReplacing(nnx.Module):
    """Make a parameter anew in each call of the training."""

    def __init__(self):
        self.weight = nnx.Param(jnp.zeros((4, 3)))
        self.training = False

    def train(self, **attributes):
        self.training = True

    def eval(self, **attributes):
        self.training = False

    def __call__(self, x):
        answer = x @ self.weight[...]
        if self.training:
            self.weight = nnx.Param(jnp.zeros((4, 5)))
        return answer


def test_a_model_that_replaces_its_parameters_is_refused(backend):
    x = np.random.default_rng(0).normal(size=(60, 4))
    model = {"torch": TorchReplacing, "jax": FlaxReplacing}[backend.name]()
    with pytest.raises(mb.MaasError, match=r"parameter 'weight' of shape \(4, 3\) is another"):
        train(model, mb.data(x, x.argmax(1) % 3), epochs=2)


class TorchHungry(torch.nn.Module):
    """Ask for more memory than there is while it is trained."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x):
        if self.training:
            x = x + torch.zeros(2**50)[:4]
        return self.layer(x)


class FlaxHungry(nnx.Module):
    """Ask for more memory than there is."""

    def __init__(self):
        self.layer = nnx.Linear(4, 3, rngs=nnx.Rngs(0))

    def __call__(self, x):
        wide = jnp.sin(jnp.arange(2**21)[:, None] * jnp.arange(2**21) * x.sum())
        return self.layer(x) + (wide @ wide.T)[-1, :3]


def test_a_device_without_memory_left_says_what_to_lower(backend, workspace):
    x = np.random.default_rng(0).normal(size=(60, 4))
    model = {"torch": TorchHungry, "jax": FlaxHungry}[backend.name]()
    words = r"ran out of memory at step \d.*Lower batch= \(it is 32\).*accumulate=2 and batch=16"
    with pytest.raises(mb.MaasError, match=words):
        train(model, mb.data(x, x.argmax(1) % 3), epochs=2)
    (row,) = mb.runs().rows
    assert row.status == "failed"
    (record,) = (workspace / "runs").glob("*/run.json")
    assert "Lower batch=" in json.loads(record.read_text())["reason"]


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_a_model_that_torch_compiles_takes_the_same_steps():
    x = np.random.default_rng(0).normal(size=(64, 4))
    data = mb.data(x, x.argmax(1) % 3, split=(1, 0, 0))
    curves = []
    for compiled in (False, True):
        torch.manual_seed(0)
        layers = [torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)]
        model = torch.nn.Sequential(*layers)
        run = train(model, data, epochs=3, batch=32, compile=compiled)
        curves.append(run.history.losses)
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)


@pytest.mark.parametrize("level", ["full", "light", "off"])
def test_what_is_recorded_changes_no_weight(backend, level):
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 4))
    data = mb.data(x, x.argmax(1) % 3, split=(1, 0, 0))
    layers = [mb.Dense(8, "relu"), mb.Dropout(0.3), mb.Dense(3)]
    models = [mb.build(layers, backend=backend.name, data=data) for _ in range(2)]
    plain, run = (
        train(model, data, epochs=4, batch=16, record=record)
        for model, record in zip(models, ("off", level), strict=True)
    )
    for name, weight in backend.weights(models[0]).items():
        np.testing.assert_array_equal(weight, backend.weights(models[1])[name])
    measured = run.history.measured
    assert bool(measured) == (level != "off")
    assert all(bool(event.histograms) == (level == "full") for event in measured)
    assert (run.history.examples is not None) == (level == "full")
    assert not plain.history.measured
