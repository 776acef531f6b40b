"""Forks: a new run that begins with a state of another one, on a model of its own."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from maasnb.backends.protocol import Backend
from maasnb.datasets.batches import Batches
from maasnb.datasets.loading import Data
from maasnb.errors import OptionError, TrainingError, unknown_name
from maasnb.parts import taken
from maasnb.records.checkpoints import Arrays, Mark, checkpoint_steps
from maasnb.records.run import Run
from maasnb.tasks import Task, make_optimizer
from maasnb.training.loop import Beginning
from maasnb.training.opening import Opening, newest_whole

__all__ = ["Starter", "fork_run", "forked", "split_changes", "stored_state"]

Starter = Callable[..., Run]

_HANDLING = {"name", "on_event", "wait"}


def fork_run(start: Starter, run: Run, step: int | None, changes: Mapping[str, Any]) -> Run:
    """Fork a run of this kernel.

    Args:
        start: `training.starting.start`.
        run: the run.
        step: the newest state of at most so many steps is taken; None for the present one.
        changes: options of `mb.train` that are to differ.

    Returns:
        The new run.
    """
    options, handling = split_changes(run.options, changes)
    mark, arrays = _state_of(run, step)
    for name, value in mark.knobs.items():
        if name not in changes and value != run.settings[name]:
            options[name] = value
    model = run.backend.copy(run.model)
    if "optimizer" in changes:  # its state fits no other rule: only the weights are taken over
        load_weights(run.backend, model, run.data, run.task, run.options, arrays)
    opening = forked(
        run.folder, mark, None if "optimizer" in changes else arrays, wanted=step, data=run.data,
        options=options,
    )  # fmt: skip
    new = start(
        model,
        run.data,
        opening,
        name=handling.get("name") or f"{run.name[:58]}-fork",
        on_event=handling.get("on_event"),
        options=options,
    )
    inside = threading.current_thread() is run.training_thread
    return new if inside or not handling.get("wait", True) else new.wait().result()


def split_changes(
    options: Mapping[str, Any], changes: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a run's options with the changed ones, and what is of the handling alone.

    Raises:
        UnknownNameError: there is no such option; offers the nearest one.
    """
    for name in changes:
        if name not in options and name not in _HANDLING:
            raise unknown_name("option", name, [*options, *_HANDLING])
    changed = {name: value for name, value in changes.items() if name not in _HANDLING}
    handling = {name: value for name, value in changes.items() if name in _HANDLING}
    return {**options, **changed}, handling


def forked(
    folder: Path,
    mark: Mark,
    arrays: Arrays | None,
    *,
    wanted: int | None,
    data: Data,
    options: Mapping[str, Any],
) -> Opening:
    """Return how a fork opens its record: with the log of the run that it comes from.

    Raises:
        OptionError: the fork would have no step left to take.
    """
    batch, epochs = options["batch"] * options["accumulate"], options["epochs"]
    if isinstance(batch, int) and isinstance(epochs, int) and batch > 0 and data.stream is None:
        total = Batches(size=len(data.train), batch=batch, seed=0).steps_per_epoch * epochs
        total = options.get("steps") or total
        if mark.step >= total:
            message = (
                f"After step {mark.step} of {total} a fork has no step left to take. "
                f"Type: run.fork(epochs={2 * epochs})"
            )
            raise OptionError(message)
    complaints = []
    if wanted is not None and wanted != mark.step:
        complaints.append(
            f"It begins with the state after step {mark.step}, the newest one kept of at most "
            f"{wanted} steps."
        )
    log = (folder / "events.jsonl").read_bytes()[: mark.log_bytes]
    return Opening(
        beginning=Beginning(
            step=mark.step, arrays=arrays, first=mark.step, complaints=tuple(complaints)
        ),
        log=log,
        seconds=mark.seconds,
        origin={"run": folder.name, "step": mark.step},
    )


def stored_state(folder: Path, step: int | None) -> tuple[Mark, Arrays]:
    """Return the newest state on the disk of at most `step` steps.

    Raises:
        OptionError: there is none.
    """
    checkpoint, complaints = newest_whole(folder, step)
    if checkpoint is None:
        known = ", ".join(map(str, checkpoint_steps(folder))) or "none"
        words = " ".join(complaints) or f"Checkpoints: {known}."
        message = f"No checkpoint of at most {step} steps can be used. {words}"
        raise OptionError(message)
    return checkpoint.mark, checkpoint.arrays


def load_weights(
    backend: Backend,
    model: object,
    data: Data,
    task: Task,
    options: Mapping[str, Any],
    arrays: Arrays,
) -> None:
    """Write the weights of a state into a model."""
    program = backend.compile(
        model,
        task,
        make_optimizer(options["optimizer"], options["weight_decay"]),
        inputs=taken(data.train.inputs, slice(0, 2)),
        targets=taken(data.train.targets, slice(0, 2)),
        batch=1,
        ragged=False,
        device=options["device"],
    )
    program.update(program.restore(program.init(0), arrays))


def _state_of(run: Run, step: int | None) -> tuple[Mark, Arrays]:
    """Return a state of a run; one in training is asked for its present one."""
    if threading.current_thread() is run.training_thread and run.hand_over is not None:
        return run.hand_over(step)
    try:
        command = run.control.ask("fork", step)
    except TrainingError:  # it has ended
        return stored_state(run.folder, step)
    # Whoever asks waits, a button's thread too: without the state there is no fork.
    mark, arrays = command.outcome.result()
    return mark, arrays
