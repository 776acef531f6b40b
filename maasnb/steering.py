"""The verbs that steer a run: `pause`, `resume`, `stop`, `lr`, `clip` and `checkpoint`."""

from maasnb.records.observing import run_named
from maasnb.records.run import Run

__all__ = ["checkpoint", "clip", "lr", "pause", "resume", "stop"]


def pause(run: Run | str) -> None:
    """Have a run stand still after the steps under way; it costs no computation then.

    Args:
        run: a run, or the name of one of this kernel.

    Raises:
        UnknownNameError: there is no such run.
        TrainingError: the run has ended.
    """
    _run(run).pause()


def resume(run: Run | str) -> None:
    """Have a paused run go on.

    Args:
        run: a run, or the name of one of this kernel.

    Raises:
        UnknownNameError: there is no such run.
        TrainingError: the run has ended.
    """
    _run(run).resume()


def stop(run: Run | str) -> None:
    """Ask a run to stop after the steps under way; what was learnt stays.

    Args:
        run: a run, or the name of one of this kernel.

    Raises:
        UnknownNameError: there is no such run.
    """
    _run(run).stop()


def lr(run: Run | str, value: float) -> None:
    """Set a run's learning rate, from the next steps on.

    Args:
        run: a run, or the name of one of this kernel.
        value: the learning rate, a positive number.

    Raises:
        UnknownNameError: there is no such run.
        OptionError: the value is no positive, finite number.
        TrainingError: the run has ended.
    """
    _run(run).set(lr=value)


def clip(run: Run | str, value: float | None = None) -> None:
    """Set the norm that a run's gradients are cut down to, from the next steps on.

    Args:
        run: a run, or the name of one of this kernel.
        value: the norm of all gradients together, a positive number; without it nothing is cut.

    Raises:
        UnknownNameError: there is no such run.
        OptionError: the value is no positive, finite number.
        TrainingError: the run has ended.
    """
    _run(run).set(clip=value)


def checkpoint(run: Run | str) -> int | None:
    """Write a checkpoint of a run's present state.

    Args:
        run: a run, or the name of one of this kernel.

    Returns:
        Its step.

    Raises:
        UnknownNameError: there is no such run.
        WorkspaceError: it cannot be written.
        TrainingError: the run has ended.
    """
    return _run(run).checkpoint()


def _run(run: Run | str) -> Run:
    return run_named(run) if isinstance(run, str) else run
