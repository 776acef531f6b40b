"""An exercise: what it asks for, which of the notebook's names it looks at, and its check."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from maasnb.records.run import Run

__all__ = ["Exercise", "Wrong", "run_named"]


class Wrong(Exception):  # noqa: N818 - no error of the program: an answer that is not right yet
    """Say in plain words what is wrong with an answer, and what to try."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """Hold what an exercise of a tutorial asks for, and how an answer is checked.

    Attributes:
        task: what to do, in one or two sentences; shown as long as nothing was done.
        needs: the notebook's names that the check looks at, each with a line of the cell that
            makes it (`{"run": "%maas train net digits"}`); whoever runs cells out of order is sent
            to that cell first.
        check: gets the names (those of `needs` are there) and returns nothing if the answer is
            right, else raises `Wrong` with what is wrong and what to try.
        praise: what a right answer shows, in one sentence.
    """

    task: str
    needs: Mapping[str, str]
    check: Callable[[Mapping[str, Any]], None]
    praise: str = ""


def run_named(name: str, names: Mapping[str, Any]) -> Run:
    """Return the run that an answer is.

    Raises:
        Wrong: it is none.
    """
    found = names[name]
    if not isinstance(found, Run):
        raise Wrong(f"`{name}` is {found!r:.60}, not a run, which mb.train and run.fork return.")
    return found
