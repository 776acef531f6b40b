"""Who learns of new runs, and which models are in training: what all runs of a process share."""

import atexit
import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from maasnb.errors import ModelError, unknown_name

if TYPE_CHECKING:
    from maasnb.records.run import Run

__all__ = ["enlist", "names_of_runs", "observe", "observers_told", "occupy", "release", "run_named"]

_GOODBYE_S = 10.0

Observer = Callable[["Run"], None]

_observers: list[Observer] = []
_in_training: set[int] = set()  # ids of the models that a run is changing at present
_runs: "weakref.WeakValueDictionary[str, Run]" = weakref.WeakValueDictionary()


def enlist(run: "Run") -> None:
    """Have a run found by its name as long as somebody holds it, and end with the interpreter."""
    if not _runs:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    _runs[run.name] = run


def run_named(name: str) -> "Run":
    """Return the run of that name, of this process.

    Raises:
        UnknownNameError: there is none; offers the nearest one.
    """
    run = _runs.get(name)
    if run is None:
        raise unknown_name("run in this kernel", name, list(_runs), "Type: %maas runs")
    return run


def names_of_runs() -> tuple[str, ...]:
    """Return the names of this process's runs, the newest last."""
    return tuple(_runs.keys())


def _end_all() -> None:
    """Stop what still trains when the interpreter ends, so that its last state is written."""
    alive = [
        run for run in _runs.values() if run.training_thread and run.training_thread.is_alive()
    ]
    for run in alive:
        run.stop("the kernel ended")
    for run in alive:
        run.wait(_GOODBYE_S)


def observe(observer: Observer) -> Callable[[], None]:
    """Have a function called with each run that starts from now on; return what ends that."""
    _observers.append(observer)

    def end() -> None:
        with contextlib.suppress(ValueError):
            _observers.remove(observer)

    return end


def observers_told(run: "Run") -> Iterator[str]:
    """Tell all observers of a new run; yield what went wrong in one, and leave that one out."""
    for observer in list(_observers):
        try:
            observer(run)
        except Exception as error:  # noqa: BLE001 - a panel must not stop training
            with contextlib.suppress(ValueError):  # it may have ended itself
                _observers.remove(observer)
            yield f"A panel failed to open ({error!r}); training goes on without it."


def occupy(model: object) -> None:
    """Reserve a model for a run.

    Raises:
        ModelError: another run has it.
    """
    if id(model) in _in_training:
        message = (
            "This model is being trained by another run. Wait for it (run.wait()) or stop it "
            "(run.stop()), then train again."
        )
        raise ModelError(message)
    _in_training.add(id(model))


def release(model: object) -> None:
    """Give a reserved model free again."""
    _in_training.discard(id(model))
