"""A run that was stopped or lost goes on from its record, to the bits of one that never was."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import maasnb as mb
from maasnb.errors import OptionError, TrainingError, UnknownNameError
from maasnb.events import Measured, Stepped, Validated, Warned
from maasnb.records.checkpoints import checkpoint_steps
from maasnb.records.record import read_events, read_summary
from maasnb.training import fork, replay, train
from tests.training.steered import background, end, logged_losses, network, same_weights, small_data

pytestmark = pytest.mark.usefixtures("optimised")


def stopped(backend, *, after=25, **options):
    """Train until some steps are taken, then stop."""

    def stop_after(event, run):
        if isinstance(event, Stepped | Measured) and event.step >= after:
            run.stop()

    data = small_data()
    options = {"epochs": 30, "batch": 8, "name": "long", "seed": 3, **options}
    return train(network(backend, data), data, on_event=stop_after, **options)


def lose(run, *, bytes_after=0):
    """Leave a run's folder as a kernel that was killed would: no status, a torn last line."""
    summary = {name: v for name, v in read_summary(run.folder).items() if name != "status"}
    (run.folder / "run.json").write_text(json.dumps(summary))
    with (run.folder / "events.jsonl").open("ab") as log:
        log.write(b'{"event":"stepped","st' + b"e" * bytes_after)


def test_a_stopped_run_goes_on_to_the_bits_of_an_uninterrupted_one(backend):
    data = small_data()
    whole = train(network(backend, data), data, epochs=30, batch=8, seed=3, name="whole")
    part = stopped(backend)
    assert part.status == "stopped"
    lose(part)
    run = train(network(backend, data, seed=9), data, resume="long")
    assert (run.name, run.status, run.folder) == ("long", "finished", part.folder)
    assert same_weights(backend, run.model, whole.model)
    assert logged_losses(run) == whole.history.losses.tolist()
    np.testing.assert_array_equal(run.history.losses, whole.history.losses)
    assert [e.epoch for e in read_events(run.folder) if isinstance(e, Validated)] == [*range(1, 31)]
    assert len(run.history.validated) == 30
    assert read_summary(run.folder)["status"] == "finished"


@pytest.mark.parametrize("harm", ["truncate", "flip"])
def test_a_damaged_checkpoint_is_passed_over(backend, harm):
    data = small_data()
    whole = train(network(backend, data), data, epochs=30, batch=8, seed=3, name="whole")
    run = background(backend, epochs=30, batch=8, seed=3, name="long", checkpoint_s=0.001)
    run.stop()
    run.wait(60)
    steps = checkpoint_steps(run.folder)
    path = run.folder / "checkpoints" / f"{steps[-1]}.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content[:-9] if harm == "truncate" else content)
    lose(run)
    again = train(network(backend, data), data, resume="long")
    words = [event.message for event in read_events(again.folder) if isinstance(event, Warned)]
    assert any("The one before it is taken" in each for each in words)
    assert same_weights(backend, again.model, whole.model)
    assert logged_losses(again) == whole.history.losses.tolist()


def test_without_any_checkpoint_the_run_begins_anew(backend):
    data = small_data()
    whole = train(network(backend, data), data, epochs=30, batch=8, seed=3, name="whole")
    part = stopped(backend)
    for path in (part.folder / "checkpoints").iterdir():
        path.unlink()
    lose(part)
    run = train(network(backend, data), data, resume="long")
    assert same_weights(backend, run.model, whole.model)
    assert logged_losses(run) == whole.history.losses.tolist()


def test_what_was_set_after_the_last_checkpoint_is_set_again(backend):
    def steer(event, run):
        if isinstance(event, Validated) and event.epoch == 4:
            run.set(lr=0.05)
        if isinstance(event, Validated) and event.epoch == 6:
            run.stop()

    data = small_data()
    options = {"epochs": 10, "batch": 8, "name": "long"}
    part = train(network(backend, data), data, on_event=steer, **options)
    newest = checkpoint_steps(part.folder)[-1]
    (part.folder / "checkpoints" / f"{newest}.safetensors").unlink()
    lose(part)
    run = train(network(backend, data), data, resume="long")
    again = replay(run)
    np.testing.assert_array_equal(run.history.losses[: part.steps], part.history.losses)
    assert logged_losses(run) == again.history.losses.tolist()
    assert same_weights(backend, run.model, again.model)


def test_a_run_can_be_stopped_and_go_on_twice_and_be_repeated(backend):
    data = small_data()
    stopped(backend)
    run = train(network(backend, data), data, resume="long", wait=False)
    run.stop()
    run.wait(60)
    if run.status == "stopped":
        run = train(network(backend, data), data, resume="long")
    assert run.status == "finished"
    again = replay(run)
    assert again.status == "finished"
    assert same_weights(backend, run.model, again.model)


def test_a_fork_can_go_on_too(backend):
    data = small_data()
    first = train(network(backend, data), data, epochs=2, batch=8)
    whole = first.fork(epochs=12, lr=0.02, name="whole")
    seen = []

    def stop_soon(event, run):
        seen.append(event)
        if isinstance(event, Stepped) and event.step > first.steps + 10:
            run.stop()

    first.fork(epochs=12, lr=0.02, name="part", on_event=stop_soon)
    run = train(network(backend, data), data, resume="part")
    assert same_weights(backend, run.model, whole.model)
    assert run.history.losses.tolist() == whole.history.losses.tolist()


def test_other_data_are_refused(backend):
    stopped(backend)
    x = np.random.default_rng(1).normal(size=(90, 4)).astype(np.float32)
    other = mb.data(x, np.argmax(x[:, :3], axis=1), split=(0.8, 0.2, 0), name="small")
    with pytest.raises(
        OptionError, match=r"the data are 'small' with other contents.*mb.fork\('lo"
    ):
        train(network(backend, other), other, resume="long")


def test_a_model_of_another_shape_is_refused(backend):
    stopped(backend)
    data = small_data()
    model = mb.build([mb.Dense(9, "tanh"), mb.Dense(3)], backend=backend.name, data=data)
    with pytest.raises(OptionError, match=r"the model's dense1.\w+ has shape \[.*\], had \["):
        train(model, data, resume="long")


def test_a_model_with_other_options_is_refused(backend):
    stopped(backend)
    data = small_data()
    layers = [mb.Dense(8, "tanh"), mb.Dropout(0.6), mb.Dense(3)]
    model = mb.build(layers, backend=backend.name, data=data)
    with pytest.raises(OptionError, match="the model's layers have other options"):
        train(model, data, resume="long")


def test_other_options_are_refused_and_equal_ones_are_not(backend):
    stopped(backend)
    data = small_data()
    with pytest.raises(
        OptionError, match=r"lr is 0.5, was the default; seed is 4, was 3. Leave it out"
    ):
        train(network(backend, data), data, resume="long", lr=0.5, seed=4)
    assert train(network(backend, data), data, resume="long", seed=3).status == "finished"


def test_a_run_that_began_on_another_device_goes_on_and_says_so(backend):
    run = stopped(backend)
    lose(run)
    record = read_summary(run.folder)
    assert record["device"] == "cpu"
    elsewhere = {**record, "device": "cuda:0", "settings": {**record["settings"], "mode": "graphs"}}
    (run.folder / "run.json").write_text(json.dumps(elsewhere))
    data = small_data()
    assert train(network(backend, data), data, resume="long").status == "finished"
    said = [event.message for event in read_events(run.folder) if isinstance(event, Warned)]
    assert any("began on cuda:0 and goes on on cpu" in words for words in said)


def test_a_model_of_the_other_backend_is_refused(backend):
    stopped(backend)
    other = {"torch": "jax", "jax": "torch"}[backend.name]
    data = small_data()
    model = mb.build([mb.Dense(3)], backend=other, data=data)
    with pytest.raises(OptionError, match=f"the backend is {other}, was {backend.name}"):
        train(model, data, resume="long")


def test_a_refused_run_is_left_as_it_was(backend):
    part = stopped(backend)
    before = {path: path.read_bytes() for path in part.folder.rglob("*") if path.is_file()}
    data = small_data()
    with pytest.raises(OptionError):
        train(network(backend, data), data, resume="long", epochs=2)
    after = {path: path.read_bytes() for path in part.folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_finished_run_is_refused_with_the_way_on(backend):
    data = small_data()
    train(network(backend, data), data, epochs=1, name="done")
    with pytest.raises(OptionError, match=r"taken all its \d+ steps. .*mb.fork\('done'"):
        train(network(backend, data), data, resume="done")


def test_an_unknown_run_gets_its_nearest_match(backend):
    stopped(backend)
    data = small_data()
    with pytest.raises(UnknownNameError, match="no run 'lnog'. Did you mean 'long'"):
        train(network(backend, data), data, resume="lnog")


def test_a_run_that_is_alive_is_refused(backend):
    run = background(backend, name="long")
    data = small_data()
    with pytest.raises(TrainingError, match=rf"still going on \(process {os.getpid()}\)"):
        train(network(backend, data), data, resume="long")
    code = (
        "import sys; from pathlib import Path; from maasnb.records.record import Record\n"
        "try: Record.reopen(Path(sys.argv[1]), 0)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.folder], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "TrainingError"
    end(run)


def test_a_run_of_the_record_is_forked_with_another_model_object(backend):
    part = stopped(backend)
    data = small_data()
    run = fork("long", model=network(backend, data, seed=5), data=data, lr=0.02, epochs=31)
    assert run.origin == {"run": "long", "step": part.steps}
    assert run.history.losses[: part.steps].tolist() == part.history.losses.tolist()
    assert run.settings["lr"] == 0.02
