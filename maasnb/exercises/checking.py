"""The verb `check`: is an exercise of a tutorial solved, and if not, what is wrong.

An exercise is named as the tutorials name it: `06.2` is the second of tutorial 06, and lies in the
module `tutorial_06` of this room. A check only looks at what the notebook's cells have made.
"""

import importlib
import pkgutil
import sys
from collections.abc import Mapping
from typing import Any

import maasnb.exercises
from maasnb.errors import unknown_name
from maasnb.exercises.exercise import Exercise, Wrong
from maasnb.study.reports import Report

__all__ = ["check", "known_exercises"]

PREFIX = "tutorial_"


def check(exercise: str) -> Report:
    """Say whether an exercise of a tutorial is solved, and if not, what is wrong.

    Args:
        exercise: its number in the tutorial, as 06.2.

    Returns:
        A report: solved or not yet; what is wrong and what to try; which cell to run first.
        `report["solved"]` is 1 or 0.

    Raises:
        UnknownNameError: there is no such exercise; the message lists those that there are.
    """
    found = _exercise_named(exercise)
    names = _notebook_names()
    missing = [name for name in found.needs if name not in names]
    if missing:
        first = missing[0]
        advice = f"Run first the cell with this line: `{found.needs[first]}`"
        return _not_yet(exercise, f"`{first}` is not there yet.", advice)
    untouched = [name for name in found.needs if names[name] is ...]
    if untouched:
        advice = f"`{untouched[0]}` is still `...`, the dots that stand for your answer."
        return _not_yet(exercise, found.task, advice)
    try:
        found.check(names)
    except Wrong as wrong:
        return _not_yet(exercise, str(wrong))
    except Exception as error:  # noqa: BLE001 - an answer of any kind is an answer to look at
        looked = ", ".join(f"`{name}`" for name in found.needs)
        said = f"The check could not use {looked}: {type(error).__name__}: {error}."
        return _not_yet(exercise, said, found.task)
    notes = (found.praise,) if found.praise else ()
    title = f"Exercise {exercise}: solved."
    return Report(kind="exercise", title=title, notes=notes, values={"solved": 1.0})


def known_exercises() -> tuple[str, ...]:
    """Return the numbers of all exercises, sorted."""
    modules = pkgutil.iter_modules(maasnb.exercises.__path__)
    tutorials = [each.name for each in modules if each.name.startswith(PREFIX)]
    return tuple(sorted(number for name in tutorials for number in _exercises_of(name)))


def _exercise_named(number: str) -> Exercise:
    tutorial = PREFIX + str(number).partition(".")[0]
    modules = {each.name for each in pkgutil.iter_modules(maasnb.exercises.__path__)}
    exercises = _exercises_of(tutorial) if tutorial in modules else {}
    if number not in exercises:
        known = known_exercises()
        hint = f"Type: %maas check {known[0]}" if known else ""
        raise unknown_name("exercise", str(number), known, hint)
    return exercises[number]


def _exercises_of(module: str) -> dict[str, Exercise]:
    return importlib.import_module(f"maasnb.exercises.{module}").EXERCISES


def _notebook_names() -> Mapping[str, Any]:
    """Return the variables of the notebook, which are those of the main module, as in a program."""
    return vars(sys.modules["__main__"])


def _not_yet(exercise: str, *notes: str) -> Report:
    title = f"Exercise {exercise}: not solved yet."
    return Report(kind="exercise", title=title, notes=notes, values={"solved": 0.0})
