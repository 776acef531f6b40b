"""The verb `replay`: take a run's steps once more, with what was done to it by the way."""

from maasnb.errors import OptionError
from maasnb.records.checkpoints import read_checkpoint
from maasnb.records.observing import run_named
from maasnb.records.record import events_of, read_summary
from maasnb.records.run import Run
from maasnb.training.interventions import Schedule
from maasnb.training.loop import Beginning
from maasnb.training.opening import Opening
from maasnb.training.starting import start

__all__ = ["replay"]


def replay(run: Run | str, *, name: str | None = None, wait: bool = True) -> Run:
    """Repeat a run that has ended, to the same bits, on a copy of its model.

    It begins with the run's first checkpoint. What was set, and each way back, is repeated at its
    step, from the run's log; a run that was stopped by hand stops at the same step.

    Args:
        run: a run, or the name of one of this kernel.
        name: what to call the new run; by default the old one's name and `-replay`.
        wait: whether to return only when the new run has ended.

    Returns:
        The new run.

    Raises:
        OptionError: the run is still going on.
        WorkspaceError: its first checkpoint or its log is gone.
    """
    run = run_named(run) if isinstance(run, str) else run
    if run.status in ("running", "paused"):
        message = f"The run {run.name!r} is still going on. Type: run.stop() or run.wait()"
        raise OptionError(message)
    first = int(read_summary(run.folder).get("first", 0))
    checkpoint = read_checkpoint(run.folder, first)
    log, mark = (run.folder / "events.jsonl").read_bytes(), checkpoint.mark
    opening = Opening(
        beginning=Beginning(
            step=mark.step,
            arrays=checkpoint.arrays,
            knobs=mark.knobs,
            schedule=Schedule.of_everything(events_of(log[mark.log_bytes :])),
            first=first,
        ),
        log=log[: mark.log_bytes] if first else b"",
        seconds=mark.seconds,
        origin={"run": run.name, "step": first},
    )
    again = start(
        run.backend.copy(run.model),
        run.data,
        opening,
        name=name or f"{run.name[:56]}-replay",
        on_event=None,
        options=run.options,
    )
    return again.wait().result() if wait else again
