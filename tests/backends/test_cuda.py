"""What only a GPU shows: recorded steps, whole float32 in predictions, runs that change devices."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

import maasnb as mb
from maasnb.errors import TrainingError
from maasnb.events import Warned
from maasnb.records.record import read_events

ROWS, WIDTH, CLASSES = 330, 12, 3


def has_gpu(backend):
    return any(device.name.startswith(("cuda", "gpu")) for device in backend.devices())


@pytest.fixture(autouse=True)
def _needs_a_gpu(request):
    names = request.fixturenames
    found = request.getfixturevalue("backend") if "backend" in names else None
    if not (torch.cuda.is_available() if found is None else has_gpu(found)):
        pytest.skip("needs a CUDA GPU")


def rows():
    x = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    return mb.data(x, x[:, :CLASSES].argmax(1), labels=["a", "b", "c"])


def layers():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(WIDTH, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, CLASSES)
    )


class Own(nn.Module):
    """The same layers in a class of one's own, whose steps are not recorded."""

    def __init__(self):
        super().__init__()
        self.layers = layers()

    def forward(self, x):
        return self.layers(x)


def steer(event, run):
    """Change what a recorded step must not have kept."""
    if run.steps >= 40 and run.knobs["clip"] is None:
        run.set(clip=0.5)
    if run.steps >= 80 and run.knobs["lr"] == 0.001:
        run.set(lr=0.01)


OPTIONS = [
    {},
    {"optimizer": "adamw", "schedule": "cosine", "warmup": 5},
    {"l2": 1e-3, "l1": 1e-4, "clip": 0.1, "class_weights": {"a": 2.0, "b": 1.0, "c": 0.5}},
    {"freeze": ["*0.weight"]},
    {"precision": "bfloat16"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_replayed_steps_have_the_bits_of_computed_ones(options):
    replayed = mb.train(layers(), rows(), epochs=20, **options)
    computed = mb.train(Own(), rows(), epochs=20, **options)
    assert (replayed.settings["mode"], computed.settings["mode"]) == ("graphs", "loop")
    assert_array_equal(replayed.history.losses, computed.history.losses)
    for one, other in zip(
        replayed.model.state_dict().values(), computed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_no_bit_of_a_replayed_run_depends_on_what_is_measured():
    full, off = (mb.train(layers(), rows(), epochs=20, record=record) for record in ("full", "off"))
    assert_array_equal(full.history.losses, off.history.losses)


def test_a_replayed_run_is_steered_and_repeated():
    run = mb.train(layers(), rows(), epochs=40, on_event=steer)
    assert run.knobs == {"lr": 0.01, "clip": 0.5}
    again = mb.replay(run)
    assert_array_equal(again.history.losses, run.history.losses)


def test_a_changed_dropout_is_seen():
    def none_any_more(event, run):
        run.model[3].p = 0.0

    model, same = layers(), layers()
    run = mb.train(model, rows(), epochs=20, on_event=none_any_more)
    other = mb.train(same, rows(), epochs=20)
    assert not np.array_equal(run.history.losses, other.history.losses)


def test_a_model_that_cannot_be_recorded_is_computed():
    model = nn.Sequential(
        nn.Linear(WIDTH, 32), nn.BatchNorm1d(32, momentum=None), nn.Dropout(0.2), nn.Linear(32, 3)
    )
    run = mb.train(model, rows(), epochs=5)
    assert run.status == "finished"
    assert run.history.losses[-1] < run.history.losses[0]


def test_a_hooked_model_has_its_hooks_called_in_each_step():
    model, calls = layers(), []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    run = mb.train(model, rows(), epochs=5)
    assert len(calls) >= run.steps


IMAGES = [mb.Conv(16, 3, "relu"), mb.Pool(2), mb.Conv(32, 3, "relu"), mb.Flatten(), mb.Dense(10)]
WIDE = [mb.Dense(256, "relu"), mb.Dense(256, "tanh"), mb.Dense(10)]


@pytest.mark.parametrize("kind", ["wide", "images"])
def test_a_gpu_predicts_what_the_cpu_does(backend, kind):
    digits = mb.data("digits")
    x = digits.train.x if kind == "wide" else digits.train.x.reshape(-1, 8, 8)
    data = mb.data(x, digits.train.y, labels=[str(number) for number in range(10)])
    model = mb.build(WIDE if kind == "wide" else IMAGES, backend=backend.name, data=data)
    run = mb.train(model, data, epochs=3)
    gpu = run.predict(data.test.x)
    here = mb.train(mb.build(WIDE if kind == "wide" else IMAGES, backend=backend.name, data=data),
                    data, epochs=1, device="cpu")  # fmt: skip
    backend.bind(here.model, backend.weights(model))
    np.testing.assert_allclose(here.predict(data.test.x), gpu, atol=5e-6)


def test_a_run_goes_on_on_another_device(backend):
    def stop(event, run):
        if run.steps >= 20:
            run.stop()

    def network(data):
        return mb.build([mb.Dense(16, "relu"), mb.Dropout(0.2), mb.Dense(CLASSES)],
                        backend=backend.name, data=data)  # fmt: skip

    data = rows()
    for first, then in (("gpu", "cpu"), ("cpu", "cuda")):
        begun = mb.train(network(data), data, epochs=30, device=first, on_event=stop, name=first)
        assert begun.status == "stopped"
        run = mb.train(network(data), data, resume=first, device=then)
        assert (run.status, run.steps) == ("finished", run.total_steps)
        said = [event.message for event in read_events(run.folder) if isinstance(event, Warned)]
        assert any("began on" in words and "goes on on" in words for words in said)


def test_a_gpu_without_memory_left_is_explained():
    class Greedy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(WIDTH, CLASSES)

        def forward(self, x):
            waste = torch.zeros(2**40 if self.training else 1, device=x.device)
            return self.layer(x) + waste.sum()

    with pytest.raises(TrainingError, match="ran out of memory at step"):
        mb.train(Greedy(), rows(), epochs=1)
