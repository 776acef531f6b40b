"""The way of one batch, walked: each station of docs/tour.md looks at the thing itself.

The batch is the second of a run on digits. The first is measured, and read at once; the second goes
with a chunk, as nearly all batches do. A station is a function here, a heading in the tour, and a
room of the house; they stand in one order in all three.
"""

import asyncio
import json
import re
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from maasnb.artifacts.blobs import arrays_from_bytes
from maasnb.artifacts.freezing import freeze
from maasnb.artifacts.manifest import FORMATS
from maasnb.backends import backend_of
from maasnb.datasets.batches import Batches
from maasnb.events import Stepped, decode
from maasnb.magics.calling import prepare
from maasnb.magics.parsing import parse_words, split_words
from maasnb.magics.verbs import verb_named
from maasnb.panels.twins import number, run_twin
from maasnb.records.run import observe
from maasnb.registry.models import open_registry
from maasnb.serve.embedded import live_server, stop_server
from maasnb.serve.gate import Gate
from maasnb.serve.models import Models
from maasnb.serve.wire import decode_infer, encode_infer
from maasnb.training.pacing import Pacer
from maasnb.training.recovery import KeptStates
from tests.cells import opened

TOUR = Path(__file__).parents[1] / "docs" / "tour.md"

SEED, BATCH, LR = 7, 32, 0.1
STEP = 1  # counted from 0: the batch that we follow is the second


@pytest.fixture
def walk(backend, workspace, monkeypatch):
    """Yield what a walker carries: a notebook, and what was overheard on the way."""
    heard = SimpleNamespace(calls=[], told=[], sent=[], answered=[])
    _overhear_program(backend, heard, monkeypatch)
    _overhear_http(heard, monkeypatch)
    # The clock would choose other steps to measure in each run; here it is the first one and the
    # ends of epochs, and no state is kept between, which would read early too.
    monkeypatch.setattr(Pacer, "wants_statistics", lambda self: False)
    monkeypatch.setattr(KeptStates, "is_due", lambda self: False)
    end = observe(lambda run: run.subscribe(lambda event, run: heard.told.append(event)))
    with opened() as cells:
        yield SimpleNamespace(
            backend=backend, workspace=workspace, cells=cells, names=cells.names, heard=heard
        )
    end()
    stop_server(workspace)


def _overhear_program(backend, heard, monkeypatch):
    """Note each call of a program's steps and each reading of losses, in order."""
    compile_it = type(backend).compile

    class Overheard:
        def __init__(self, program):
            self.program = program

        def __getattr__(self, name):
            return getattr(self.program, name)

        def chunk(self, state, placed, rows, lr, clip):
            state, losses = self.program.chunk(state, placed, rows, lr, clip)
            heard.calls.append(("chunk", rows, losses))
            return state, losses

        def host(self, losses):
            found = self.program.host(losses)
            heard.calls.append(("host", losses, found.means))
            return found

    monkeypatch.setattr(
        type(backend), "compile", lambda *args, **options: Overheard(compile_it(*args, **options))
    )


def _overhear_http(heard, monkeypatch):
    """Note the bytes of each inference request and of its answer."""
    send = httpx.Client.send

    def noted(self, request, **options):
        response = send(self, request, **options)
        if request.url.path.endswith("/infer"):
            heard.sent.append(parted(request))
            heard.answered.append(parted(response))
        return response

    monkeypatch.setattr(httpx.Client, "send", noted)


def parted(message):
    """Return a message's JSON, the binary data behind it, and its bytes."""
    size = int(message.headers["inference-header-content-length"])
    return json.loads(message.content[:size]), message.content[size:], message.content


def layers_of(weights):
    """Return (W [inputs, units], b [units]) of each layer, however a framework stores them."""
    names = sorted({name.rpartition(".")[0] for name in weights})
    arrays = [[weights[each] for each in weights if each.startswith(name)] for name in names]
    pairs, width = [], 64
    for bias, matrix in (sorted(both, key=np.ndim) for both in arrays):
        matrix = matrix if len(matrix) == width else matrix.T
        pairs.append((matrix.astype(np.float64), bias.astype(np.float64)))
        width = len(bias)
    return pairs


def numpy_step(layers, x, classes):
    """Return a batch's mean cross-entropy, and the layers after one step of plain descent."""
    (w1, b1), (w2, b2) = layers
    hidden = np.maximum(x @ w1 + b1, 0)
    logits = hidden @ w2 + b2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(x)), classes]).mean()
    d_logits = (p - np.eye(10)[classes]) / len(x)
    d_hidden = d_logits @ w2.T * (hidden > 0)
    after = [
        (w1 - LR * x.T @ d_hidden, b1 - LR * d_hidden.sum(axis=0)),
        (w2 - LR * hidden.T @ d_logits, b2 - LR * d_logits.sum(axis=0)),
    ]
    return loss, after


# The way in: from a cell to pixels.


def cell(walk):
    """A person types; nothing has happened yet but data and a model with its first weights."""
    walk.cells.run("%maas data digits")
    walk.cells.run(
        f'%%maas build net --backend {walk.backend.name}\nDense(16, "relu")\nDense(10)\n'
    )
    walk.before = layers_of(walk.backend.weights(walk.names["net"]))
    walk.line = (
        f"train net digits --epochs 2 --batch {BATCH} --optimizer sgd --lr {LR} --seed {SEED}"
    )


def magics(walk):
    """Words become the Python call that they stand for; then it is made."""
    verb, *words = split_words(walk.line)
    call = prepare(verb_named(verb), parse_words(verb_named(verb), words), None, walk.names)
    assert call.source == (
        f'run = mb.train(net, digits, epochs=2, batch={BATCH}, optimizer="sgd", '
        f"lr={LR}, seed={SEED})"
    )
    walk.run = walk.cells.run(f"%maas {walk.line}")
    assert walk.names["run"] is walk.run


def training(walk):
    """The loop takes every step in a thread, on the person's own object."""
    run, digits = walk.run, walk.names["digits"]
    assert (run.status, run.steps) == ("finished", 2 * -(-len(digits.train) // BATCH))
    assert run.model is walk.names["net"]
    assert run.task.loss == "cross_entropy"


def datasets(walk):
    """Which rows are in the batch follows from the seed and the step alone."""
    digits = walk.names["digits"]
    walk.rows = Batches(size=len(digits.train), batch=BATCH, seed=SEED).rows(STEP, 1).indices[0]
    shuffled = np.random.default_rng((SEED, 0)).permutation(len(digits.train))
    assert_array_equal(walk.rows, shuffled[STEP * BATCH : (STEP + 1) * BATCH])
    walk.raw, inputs = digits.train.x[walk.rows], digits.train.inputs[walk.rows]
    assert inputs.shape == (BATCH, 64)
    spread = digits.train.x.std(axis=0, dtype=np.float64)
    plain = (walk.raw - digits.train.x.mean(axis=0, dtype=np.float64)) / np.where(spread, spread, 1)
    assert_allclose(inputs, plain, atol=1e-5)


def backends(walk):
    """The compiled program gets the rows in a chunk, and its loss is the one that NumPy finds."""
    assert backend_of(walk.run.model) is walk.backend
    walk.place, (_, rows, walk.on_device) = next(
        (place, call) for place, call in enumerate(walk.heard.calls) if call[0] == "chunk"
    )
    assert (rows.first, rows.seed) == (STEP, SEED)
    assert_array_equal(rows.indices[0], walk.rows)
    train, layers = walk.names["digits"].train, walk.before
    for step in range(STEP + 1):
        taken = Batches(size=len(train), batch=BATCH, seed=SEED).rows(step, 1).indices[0]
        walk.loss, layers = numpy_step(layers, train.inputs[taken], train.targets[taken])


def losses(walk):
    """The loop reads the chunk's losses only when it has sent the next chunk on its way."""
    later = walk.heard.calls[walk.place + 1 :]
    # What is read first is the measured step before it.
    assert [kind for kind, *_ in later[:3]] == ["host", "chunk", "host"]
    _, read, values = later[2]
    assert read is walk.on_device
    assert_allclose(values[0], walk.loss, atol=1e-5)
    walk.read = values


def events(walk):
    """The losses leave the loop as one frozen record."""
    walk.event = next(
        each for each in walk.heard.told if isinstance(each, Stepped) and each.step > STEP + 1
    )
    assert walk.event.step == STEP + len(walk.read)
    assert walk.event.losses == tuple(walk.read)
    assert walk.event.lr == LR


def records(walk):
    """The record is a line in the log, and every subscriber has it, the history first."""
    lines = (walk.run.folder / "events.jsonl").read_text().splitlines()
    assert walk.event in [decode(line) for line in lines]
    assert json.loads((walk.run.folder / "run.json").read_text())["settings"]["seed"] == SEED
    assert walk.run.history.losses[STEP] == walk.event.losses[0]


def panels(walk):
    """What a person sees: a picture, and the same in words."""
    twin = run_twin(walk.run)
    assert f"Run on digits ({walk.backend.name}): finished, 2 epochs" in twin
    last_epoch = walk.run.history.losses[-walk.run.steps_per_epoch :]
    assert f"-> {number(last_epoch.mean())}" in twin
    assert walk.cells.shell.display_formatter.format(walk.run)[0]["text/plain"] == twin


# The way out: from a run to an answer over HTTP.


def run(walk):
    """The run holds the trained model, the recipe, and so an answer to raw examples."""
    walk.answer = walk.run.predict(walk.raw)
    assert walk.answer.shape == (BATCH, 10)
    assert_allclose(walk.answer.sum(axis=1), 1, atol=1e-5)


def artifacts(walk):
    """Frozen, it is a manifest and blobs, with pairs that any runtime must reproduce."""
    walk.artifact = freeze(walk.run, "digits")
    manifest = walk.artifact.manifest
    assert manifest.programs[0].format in FORMATS
    golden = arrays_from_bytes(walk.artifact.blobs[manifest.golden.digest])
    assert_array_equal(golden["x"], walk.names["digits"].test.x[:8])
    assert_allclose(golden["probabilities"], walk.run.predict(golden["x"]), atol=1e-5)


def registry(walk):
    """Published, the same bytes are version 1 of their name."""
    walk.endpoint = walk.cells.run("%maas publish run digits")
    found = open_registry(walk.workspace)
    assert found.versions("digits") == (1,)
    assert found.manifest("digits", 1).to_bytes() == walk.artifact.manifest.to_bytes()


def serve(walk):
    """The workspace's own server runs the program, with the recipe before it."""
    address = live_server(walk.workspace)
    assert address.url == walk.endpoint.server
    registry = open_registry(walk.workspace)
    models = Models(registry, FORMATS, Gate(registry, FORMATS))
    walk.served = asyncio.run(models.get("digits", 1)).served
    answer = walk.served.answer({"x": walk.raw})["probabilities"]
    assert_allclose(answer, walk.answer, atol=1e-5)


def wire(walk):
    """Between cell and server there is the Open Inference Protocol: JSON, and the arrays' bytes."""
    walk.names["batch"] = walk.raw
    walk.got = walk.cells.run("%maas predict endpoint batch")
    (sent,), (answered,) = walk.heard.sent, walk.heard.answered
    asked, content, whole = sent
    (tensor,) = asked["inputs"]
    assert (tensor["name"], tensor["datatype"], tensor["shape"]) == ("x", "FP32", [BATCH, 64])
    assert_array_equal(np.frombuffer(content, np.float32).reshape(BATCH, 64), walk.raw)
    request = decode_infer(whole, walk.served.manifest.signature, len(whole) - len(content))
    assert_array_equal(request.inputs["x"], walk.raw)
    answer = encode_infer("digits", 1, request, walk.served.answer(request.inputs))
    here = json.loads(answer.body[: answer.header_size])
    there, walk.content, _ = answered
    assert (there["model_name"], there["model_version"]) == ("digits", "1")
    assert there == here
    numbers = np.frombuffer(answer.body[answer.header_size :], np.float32)
    assert_allclose(np.frombuffer(walk.content, np.float32), numbers, atol=1e-5)


def client(walk):
    """The endpoint makes an array of the answer, and labels of the array."""
    assert walk.got.dtype == np.float32
    assert_array_equal(walk.got, np.frombuffer(walk.content, np.float32).reshape(BATCH, 10))
    labels = walk.endpoint.classify(walk.raw)
    assert_array_equal(labels, np.array(walk.endpoint.labels)[walk.got.argmax(axis=1)])


def back(walk):
    """In the cell, the answer over HTTP is the notebook's own."""
    assert_allclose(walk.got, walk.answer, atol=1e-5)
    assert walk.names["run"].model is walk.names["net"]


WAY_IN = (cell, magics, training, datasets, backends, losses, events, records, panels)
WAY_OUT = (run, artifacts, registry, serve, wire, client, back)


def test_one_batch_goes_from_a_cell_to_pixels_and_from_a_run_to_an_answer(walk):
    for station in (*WAY_IN, *WAY_OUT):
        station(walk)


def test_the_tour_names_the_same_stations_in_the_same_order():
    headings = re.findall(r"^### (\d+)\. `(\w+)`", TOUR.read_text(), flags=re.MULTILINE)
    names = [station.__name__ for station in (*WAY_IN, *WAY_OUT)]
    assert headings == [(str(place), name) for place, name in enumerate(names, 1)]


def test_each_station_of_the_tour_but_the_cells_links_to_its_room():
    stations = re.split(r"^### \d+\. ", TOUR.read_text(), flags=re.MULTILINE)[1:]
    for text in stations:
        name, links = text.split("`")[1], re.findall(r"\]\((\.\./maasnb/[^)#]+)\)", text)
        assert all((TOUR.parent / link).is_file() for link in links), name
        assert links or name in ("cell", "back"), name
