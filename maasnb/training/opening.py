"""How a run opens its record: as a new one, as one that goes on, or with another one's state."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from maasnb.errors import ModelError, OptionError, WorkspaceError, unknown_name
from maasnb.events import Event
from maasnb.records.checkpoints import Checkpoint, checkpoint_steps, read_checkpoint
from maasnb.records.record import Record, events_of, read_summary, runs_folder
from maasnb.training.interventions import Schedule
from maasnb.training.loop import Beginning

__all__ = ["Opening", "check_fits", "differences", "newest_whole", "plain", "resumed", "run_folder"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Say what a run opens its record with.

    Attributes:
        beginning: where the loop begins.
        log: the lines of the log that it continues.
        seconds: how long the training took before.
        folder: the folder to open again; None for a new one.
        origin: the run and the step that it is forked from, or None.
    """

    beginning: Beginning = dataclasses.field(default_factory=Beginning)
    log: bytes = b""
    seconds: float = 0.0
    folder: Path | None = None
    origin: Mapping[str, Any] | None = None

    def events(self) -> Iterable[Event]:
        """Return the events of the log that it continues."""
        return events_of(self.log)

    def record(self, name: str, summary: Mapping[str, Any]) -> Record:
        """Open the record.

        Raises:
            OptionError: a record that goes on is of something else; says of what.
        """
        if self.folder is None:
            return Record(name, summary, self.log)
        differing = differences(read_summary(self.folder), summary)
        if differing:
            message = (
                f"The run {self.folder.name!r} cannot go on, because this differs: "
                f"{'; '.join(differing)}. To begin another run with its state type: "
                f"mb.fork({self.folder.name!r}, model=net, data=data)"
            )
            raise OptionError(message)
        return Record.reopen(self.folder, len(self.log))


def plain(value: object) -> object:
    """Return an option as `run.json` holds it: itself if it is plain, else its class."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return {"object": type(value).__qualname__}


def differences(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """Return in words what a run's record and what is there now do not have in common."""
    found = []
    if recorded.get("backend") != present["backend"]:
        return [f"the backend is {present['backend']}, was {recorded.get('backend')}"]
    before, now = dict(recorded.get("data", {})), present["data"]
    if before.get("fingerprint") != now["fingerprint"]:
        found.append(
            f"the data are {now['name']!r} with other contents than {before.get('name')!r}"
        )
    found += _shapes(recorded.get("shapes", {}), present["shapes"])
    if not found and recorded.get("structure") != present["structure"]:
        found.append("the model's layers have other options")
    settings = dict(recorded.get("settings", {}))
    found += [
        f"{name} is {value!r}, was {settings.get(name)!r}"
        for name, value in present["settings"].items()
        if settings.get(name) != value
        and (name != "mode" or recorded.get("device") == present.get("device"))
    ]
    return found


def _shapes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            return [f"the model's {name} has shape {now.get(name)}, had {before.get(name)}"]
    return []


def newest_whole(folder: Path, at_most: int | None = None) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that can be used, and in words what is wrong with newer ones.

    A log that is shorter than a checkpoint says is one whose end a stopped machine never wrote.
    """
    log_bytes = (folder / "events.jsonl").stat().st_size
    complaints = []
    for step in reversed(checkpoint_steps(folder)):
        if at_most is not None and step > at_most:
            continue
        try:
            checkpoint = read_checkpoint(folder, step)
        except WorkspaceError as error:
            complaints.append(f"{error} The one before it is taken.")
            continue
        if checkpoint.mark.log_bytes <= log_bytes:
            return checkpoint, complaints
        complaints.append(f"The log ends before the checkpoint of step {step}; it is not taken.")
    return None, complaints


def resumed(
    name: str, given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], Opening]:
    """Return a recorded run's options and how it opens again.

    Args:
        name: the run.
        given: the options of this call.
        defaults: the options' defaults; where nothing else is given, the record's are taken.

    Raises:
        UnknownNameError: there is no such run.
        OptionError: the run has taken all its steps, or other options are given.
    """
    folder = run_folder(name)
    summary = read_summary(folder)
    if summary.get("status") == "finished":
        message = (
            f"The run {name!r} has taken all its {summary.get('steps')} steps. To train on with "
            f"its state type: mb.fork({name!r}, model=net, data=data, epochs=20)"
        )
        raise OptionError(message)
    options = _agreed(name, dict(summary.get("options", {})), given, defaults)
    log = (folder / "events.jsonl").read_bytes()
    checkpoint, complaints = newest_whole(folder)
    if checkpoint is None:
        complaints.append("No checkpoint can be used: the run begins anew, with the model given.")
        tail = Schedule.of_knobs(events_of(log))
        beginning = Beginning(schedule=tail, complaints=tuple(complaints))
        return options, Opening(beginning=beginning, folder=folder)
    mark = checkpoint.mark
    beginning = Beginning(
        step=mark.step,
        arrays=checkpoint.arrays,
        knobs=mark.knobs,
        schedule=Schedule.of_knobs(events_of(log[mark.log_bytes :])),
        first=int(summary.get("first", 0)),
        complaints=tuple(complaints),
    )
    kept = log[: mark.log_bytes]
    return options, Opening(beginning=beginning, log=kept, seconds=mark.seconds, folder=folder)


def run_folder(name: str) -> Path:
    """Return the folder of a run of this workspace.

    Raises:
        UnknownNameError: there is no such run; offers the nearest one.
    """
    runs = runs_folder()
    known = [each.name for each in runs.iterdir()] if runs.is_dir() else []
    if name not in known:
        raise unknown_name("run", name, known, "Type: %maas runs")
    return runs / name


def _agreed(
    name: str, recorded: dict[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    options, differing = {}, []
    for key, value in given.items():
        before = recorded.get(key, defaults[key])
        is_object = isinstance(before, dict) and "object" in before
        if is_object and plain(value) == before:
            options[key] = value  # an object of the user's own, given again
        elif is_object:
            differing.append(f"{key} is {value!r}, was an object of class {before['object']}")
        elif key in ("checkpoint_s", "checkpoint_steps", "device") and value != defaults[key]:
            options[key] = value  # where and how often changes no step
        elif value != defaults[key] and plain(value) != before:
            was = "the default" if before is None else repr(before)
            differing.append(f"{key} is {value!r}, was {was}")
        else:
            options[key] = before
    if differing:
        message = (
            f"The run {name!r} cannot go on, because this differs: {'; '.join(differing)}. Leave "
            f"it out, or begin another run with its state: mb.fork({name!r}, model=net, data=data)"
        )
        raise OptionError(message)
    return options


def check_fits(name: str, recorded: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
    """Refuse a model whose parameters are others than a record's.

    Raises:
        ModelError: they are; names the first.
    """
    differing = _shapes(recorded.get("shapes", {}), shapes)
    if differing:
        message = f"The state of the run {name!r} does not fit: {differing[0]}."
        raise ModelError(message)
