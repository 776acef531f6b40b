"""What happens in a run, as frozen records that the log, the panels and user callbacks share.

An event is one line of JSON in `runs/<name>/events.jsonl`: its fields plus `event`, the name of its
kind. The log begins with the schema version; a reader skips kinds that it does not know and a torn
last line.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

__all__ = [
    "HISTOGRAM_BINS",
    "HISTOGRAM_LOW",
    "SCHEMA_VERSION",
    "Ended",
    "Event",
    "Intervened",
    "Measured",
    "Restored",
    "Started",
    "Stepped",
    "Validated",
    "Warned",
    "decode",
    "encode",
    "read",
]

SCHEMA_VERSION = 1

HISTOGRAM_LOW, HISTOGRAM_BINS = -24, 33
"""Bin 0 counts sizes below 2**-24, bin i those from 2**(i - 25) up to 2**(i - 24), the last all
from 2**7 up."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Be the parent of all events.

    Attributes:
        step: the number of training steps finished when the event took place.
        time: seconds since the epoch, UTC.
    """

    kind: ClassVar[str] = "event"

    step: int
    time: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """Say that a run began (or went on, when `step` is not 0).

    Attributes:
        steps: how many steps the run is to take in all.
        steps_per_epoch: how many steps make one pass over the training split.
        schema: the version of this event schema.
    """

    kind: ClassVar[str] = "started"

    steps: int
    steps_per_epoch: int
    schema: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stepped(Event):
    """Say that a chunk of steps was taken: steps `step - len(losses)` up to `step`.

    Attributes:
        losses: the mean loss of each batch, in order, before that step's update.
        lr: the learning rate of the chunk's last step.
        samples: how many examples the chunk saw.
        seconds: the wall time of the chunk.
    """

    kind: ClassVar[str] = "stepped"

    losses: tuple[float, ...]
    lr: float
    samples: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Event):
    """Carry the statistics of the last finished step, by parameter name.

    Attributes:
        gradient_norm: the Euclidean norm of each parameter's gradient.
        update_ratio: the norm of each parameter's update over the norm of the parameter before it.
        activations: of each activation function's output, by the layer before it and its own name
            (`"dense1.relu"`): `mean` and `std`; of relu, tanh and sigmoid also `zero` (the share of
            values that are 0), `dead` (the share of units that are 0 for the whole batch) and
            `saturated` (the share of values at the flat ends of tanh or sigmoid). Only with
            `record="full"`.
        histograms: counts by `"gradient/NAME"`, `"weight/NAME"` and `"activation/NAME"`, in the
            `HISTOGRAM_BINS` bins of the base-2 logarithm of the size. Only with `record="full"`.
    """

    kind: ClassVar[str] = "measured"

    gradient_norm: dict[str, float]
    update_ratio: dict[str, float]
    activations: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    histograms: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Validated(Event):
    """Carry the loss and the metrics on the validation split.

    Attributes:
        epoch: how many whole epochs were finished.
        metrics: `loss` and the task's metrics by name.
    """

    kind: ClassVar[str] = "validated"

    epoch: int
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Restored(Event):
    """Say that the model holds an earlier state again, the one of the best validation.

    Attributes:
        of_step: the number of steps finished when that state was kept.
        metrics: `loss` and the task's metrics of that state.
    """

    kind: ClassVar[str] = "restored"

    of_step: int
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Intervened(Event):
    """Say that somebody changed the course of a run, from this step on.

    Attributes:
        action: `"pause"`, `"resume"`, `"stop"`, `"checkpoint"`, `"rollback"`, `"fork"`, or the
            knob that was set: `"lr"` or `"clip"`.
        value: the knob's new value, the step that was gone back to or forked from, the reason of a
            stop; else None.
        source: `"python"`, `"magic"`, `"callback"`, `"button"`, `"interrupt"` or `"replay"`.
    """

    kind: ClassVar[str] = "intervened"

    action: str
    value: float | str | None = None
    source: str = "python"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Say something that a person should know and that does not end the run."""

    kind: ClassVar[str] = "warned"

    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """Say that a run ended.

    Attributes:
        status: `"finished"`, `"stopped"`, `"diverged"` or `"failed"`.
        reason: why, in words; empty for a run that took all its steps.
        seconds: the wall time of the training itself.
    """

    kind: ClassVar[str] = "ended"

    status: str
    reason: str = ""
    seconds: float = 0.0


KINDS: dict[str, type[Event]] = {
    each.kind: each
    for each in (Started, Stepped, Measured, Validated, Restored, Intervened, Warned, Ended)
}


def encode(event: Event) -> str:
    """Return an event as one line of JSON, without the line's end.

    NaN and infinities are written as the strings `"nan"`, `"inf"` and `"-inf"`, because JSON has no
    such numbers.

    >>> encode(Warned(step=3, time=0.0, message="slow"))
    '{"event":"warned","step":3,"time":0.0,"message":"slow"}'
    """
    fields = {
        field.name: _to_json(getattr(event, field.name)) for field in dataclasses.fields(event)
    }
    return json.dumps({"event": event.kind, **fields}, separators=(",", ":"), allow_nan=False)


def decode(line: str) -> Event | None:
    """Return the event that a line of the log holds, or None for a kind or line not known.

    >>> decode('{"event":"warned","step":3,"time":0.0,"message":"slow"}')
    Warned(step=3, time=0.0, message='slow')
    >>> decode('{"event":"warned","ste') is None
    True
    """
    try:
        fields = json.loads(line)
        cls = KINDS[fields.pop("event")]
        types = {field.name: field.type for field in dataclasses.fields(cls)}
        return cls(
            **{
                # A text may read "nan" and is no number for that.
                name: value if types[name] is str else _from_json(value)
                for name, value in fields.items()
                if name in types
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def read(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a log, skipping torn lines and kinds that this version does not know."""
    for line in lines:
        event = decode(line)
        if event is not None:
            yield event


def _to_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    return value


def _from_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    if isinstance(value, dict):
        return {key: _from_json(item) for key, item in value.items()}
    return value
