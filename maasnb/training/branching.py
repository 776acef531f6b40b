"""The verb `fork`: train on from a state of a run, of this kernel or of another one's record."""

from typing import Any

from maasnb.backends import backend_of
from maasnb.datasets.loading import Data
from maasnb.errors import OptionError
from maasnb.records.observing import run_named
from maasnb.records.record import read_summary
from maasnb.records.run import Run
from maasnb.training.forking import forked, split_changes, stored_state
from maasnb.training.opening import check_fits, run_folder
from maasnb.training.starting import start

__all__ = ["fork"]


def fork(
    run: Run | str,
    step: int | None = None,
    *,
    lr: float | None = None,
    epochs: int | None = None,
    name: str | None = None,
    wait: bool = True,
    model: Any = None,  # noqa: ANN401 - a native module of any framework
    data: Data | None = None,
) -> Run:
    """Train on from a state of a run, with changes, on a model of its own.

    Args:
        run: a run, or the name of one of this kernel; with `model` and `data` also the name of any
            run of this workspace.
        step: the newest kept state of at most so many steps is taken; by default the newest one.
        lr: another learning rate.
        epochs: another number of epochs, counted from the first run's beginning.
        name: what to call the new run; by default the old one's name and `-fork`.
        wait: whether to return only when the new run has ended.
        model: a model of the same shapes, trained in place; by default a copy of the run's.
        data: what to train it on, where a model is given.

    Returns:
        The new run; its `origin` says which step it began with.

    Raises:
        UnknownNameError: there is no such run.
        OptionError: no state that early is kept, or no step is left to take.
        ModelError: the model has parameters of other shapes.
    """
    given = {"lr": lr, "epochs": epochs, "name": name}
    changes = {key: value for key, value in given.items() if value is not None}
    if model is None and data is None:
        run = run_named(run) if isinstance(run, str) else run
        return run.fork(step, wait=wait, **changes)
    if model is None or data is None:
        message = "fork needs model and data together. Type: mb.fork(NAME, model=net, data=data)"
        raise OptionError(message)
    folder = run_folder(run) if isinstance(run, str) else run.folder
    summary = read_summary(folder)
    backend = backend_of(model)
    shapes = {info.name: list(info.shape) for info in backend.parameters(model)}
    check_fits(folder.name, summary, shapes)
    mark, arrays = stored_state(folder, step)
    recorded = {**summary.get("options", {}), **mark.knobs}
    options, handling = split_changes(recorded, changes)
    opening = forked(folder, mark, arrays, wanted=step, data=data, options=options)
    new = start(
        model,
        data,
        opening,
        name=handling.get("name") or f"{folder.name[:58]}-fork",
        on_event=None,
        options=options,
    )
    return new.wait().result() if wait else new
