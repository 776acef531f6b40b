"""What `%maas` alone answers: what can be done next with what is in this notebook.

The newest variable of a kind is the one that is spoken of. A step is offered while it has not been
taken: a model without a run is to be trained, a run that ended is to be looked at and published.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from maasnb.language.translating import translated
from maasnb.magics.verbs import VERBS
from maasnb.magics.words import fitting_names
from maasnb.records.listing import runs
from maasnb.tables import aligned

__all__ = ["next_steps"]

Step = tuple[str, str]
_LIVE = ("running", "paused")


def next_steps(names: Mapping[str, Any]) -> str:
    """Return lines that can be typed next, each with what it does.

    Args:
        names: the notebook's variables.
    """
    data, models = _of("data", "train", names), _of("model", "train", names)
    found, endpoints = _of("run", "evaluate", names), _of("endpoint", "versions", names)
    steps = [
        *_steps_to_a_model(data, models, names),
        *_steps_to_a_run(data, models, found, names),
        *(_steps_of_a_run(found[-1], names[found[-1]]) if found else ()),
        *(_steps_of_an_endpoint(endpoints[-1], data) if endpoints else ()),
    ]
    shown = aligned([(line, translated(words)) for line, words in steps])
    rows = [f"  {line}" for line in shown.splitlines()]
    head = translated("What can be done next in this notebook:")
    more = translated("Every verb: %maas --help. One of them: %maas train --help")
    return "\n".join([head, *rows, "", more])


def _of(option: str, verb: str, names: Mapping[str, Any]) -> list[str]:
    """Return the variables that fit an option of a verb, the newest last."""
    wanted = next(each for each in VERBS[verb].options() if each.name == option)
    fitting = set(fitting_names(wanted, names))
    return [name for name in names if name in fitting]


def _steps_to_a_model(
    data: list[str], models: list[str], names: Mapping[str, Any]
) -> Iterator[Step]:
    if not data:
        yield "%maas data digits", "load a data set"
        yield "%maas data x y", "take arrays of this notebook"
        if runs().rows:
            yield "%maas runs", "list the runs of this workspace"
    elif not models:
        outputs = max(1, len(getattr(names[data[-1]], "labels", ())))
        lines = f'%%maas build net --data {data[-1]}\nDense(64, "relu")\nDense({outputs})'
        for place, line in enumerate(lines.splitlines()):
            yield line, "build a model, a layer a line, in a cell of its own" * (not place)


def _steps_to_a_run(
    data: list[str], models: list[str], found: list[str], names: Mapping[str, Any]
) -> Iterator[Step]:
    if not (data and models):
        return
    trained = {id(getattr(names[run], "model", None)) for run in found}
    model = next((name for name in reversed(models) if id(names[name]) not in trained), "")
    if model:
        yield f"%maas train {model} {data[-1]}", "train a model and watch it"
        yield f"%maas train {model} {data[-1]} --bg", "the same in the background"
        yield f"%maas inspect {model}", "see what a model is made of"


def _steps_of_a_run(name: str, run: Any) -> Iterator[Step]:  # noqa: ANN401 - a run, by its attributes
    if run.status in _LIVE:
        turn = "resume" if run.status == "paused" else "pause"
        yield f"%maas panel {name}", "see how the training goes"
        yield f"%maas {turn} {name}", "have the run go on" if turn == "resume" else "stand still"
        yield f"%maas stop {name}", "end the run and keep what was learnt"
        return
    yield f"%maas inspect {name}", "see what is wrong with a run"
    if run.status != "finished":
        return
    called = run.data.name
    yield f"%maas evaluate {name}", "judge it on the test split"
    yield f"%maas publish {name} {shlex.quote(called)}", "have it answer requests"
    yield f"%maas save {name} {shlex.quote(called + '-model')}", "keep it as a folder"


def _steps_of_an_endpoint(name: str, data: list[str]) -> Iterator[Step]:
    examples = f"{data[-1]}.test.x[:2]" if data else "x"
    yield f"%maas predict {name} {examples}", "ask for answers"
    yield f"%maas monitor {name}", "see requests, latencies and drift"
