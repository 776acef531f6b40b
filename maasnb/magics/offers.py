"""What a magic's line can name besides variables: runs, published models, versions, folders.

Completion answers at once and never fails, so only the workspace's own files and what this kernel
holds are looked at: no server is asked, and what cannot be read is not offered.
"""

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from maasnb.backends import BACKENDS, backend_named, installed_backends
from maasnb.errors import MaasError
from maasnb.magics.verbs import Option, Verb
from maasnb.records.checkpoints import checkpoint_steps
from maasnb.records.listing import runs
from maasnb.records.observing import names_of_runs
from maasnb.records.record import runs_folder
from maasnb.registry.models import STORE_VARIABLE, open_registry
from maasnb.registry.objects import SCHEMES
from maasnb.settings import workspace

__all__ = ["Said", "offers", "paths"]

Said = Sequence[str]
"""The words between the verb and the one that is being written."""

Names = Mapping[str, Any]
Source = Callable[[Said, Names], Iterable[str]]


def offers(verb: Verb, option: Option, said: Said, names: Names) -> tuple[str, ...]:
    """Return the names that the value of an option can be, beside variables.

    Args:
        verb: the verb that the option is of.
        option: the option.
        said: the words between the verb and this one.
        names: the notebook's variables.
    """
    source = _SOURCES.get(f"{option.name} of {verb.name}") or _SOURCES.get(option.name)
    if source is None:
        return ()
    try:
        return tuple(source(said, names))
    except (MaasError, OSError, ValueError):
        return ()


def paths(word: str) -> tuple[str, ...]:
    """Return the files and folders that a word could become; a folder ends with a slash.

    A space in a name has a backslash before it, there and back, so that the word stays one.

    >>> paths("no/such/folder/")
    ()
    """
    word = word.replace("\\ ", " ")
    start, _, rest = word.rpartition("/")
    folder = Path(start + "/" if start or word.startswith("/") else ".").expanduser()
    try:
        found = sorted(folder.iterdir(), key=lambda path: (not path.is_dir(), path.name))
    except OSError:
        return ()
    before = f"{start}/" if "/" in word else ""
    return tuple(
        f"{before}{path.name}{'/' * path.is_dir()}".replace(" ", "\\ ")
        for path in found
        if path.name.startswith(rest) and (rest.startswith(".") or not path.name.startswith("."))
    )


def _first(said: Said, names: Names) -> str:
    """Return what the first word behind the verb names: the model of an endpoint, or the word."""
    word = next((each for each in said if not each.startswith("-")), "")
    return str(getattr(names.get(word), "name", word))


def _runs_here(said: Said, names: Names) -> Iterable[str]:
    return names_of_runs()


def _all_runs(said: Said, names: Names) -> Iterable[str]:
    return [row.name for row in runs().rows]


def _published(said: Said, names: Names) -> Iterable[str]:
    if os.environ.get(STORE_VARIABLE, "").startswith(SCHEMES):  # far away: asking takes too long
        return ()
    return open_registry(workspace()).names()


def _versions(said: Said, names: Names) -> Iterable[str]:
    if not _published(said, names):
        return ()
    state = open_registry(workspace()).state(_first(said, names))
    return [*map(str, reversed(state.versions)), *sorted(state.plan.aliases)]


def _aliases(said: Said, names: Names) -> Iterable[str]:
    try:
        known = [each for each in _versions(said, names) if not each.isdigit()]
    except MaasError:  # a model that is published for the first time
        known = []
    return dict.fromkeys((*known, "prod", "staging"))


def _steps(said: Said, names: Names) -> Iterable[str]:
    """Return the steps that a run can go back to, the newest first."""
    return map(str, reversed(checkpoint_steps(runs_folder() / _first(said, names))))


def _devices(said: Said, names: Names) -> Iterable[str]:
    return dict.fromkeys(
        device.name
        for name in installed_backends()
        if name in BACKENDS
        for device in backend_named(name).devices()
    )


def _metrics(said: Said, names: Names) -> Iterable[str]:
    return dict.fromkeys(("loss", *(name for row in runs().rows for name in row.metrics)))


def _columns(said: Said, names: Names) -> Iterable[str]:
    """Return the columns of the table that stands first."""
    table = next((names.get(each) for each in said if not each.startswith("-")), None)
    columns = table if isinstance(table, Mapping) else getattr(table, "columns", ())
    return [shlex.quote(str(each)) for each in columns]


def _targets(said: Said, names: Names) -> Iterable[str]:
    return (*_runs_here(said, names), *_published(said, names))


_SOURCES: dict[str, Source] = {
    "alias": _aliases,
    "device": _devices,
    "endpoint": _published,
    "metric of compare": _metrics,
    "name of connect": _published,
    "name of publish": _published,
    "resume of train": _all_runs,
    "run": _runs_here,
    "run of fork": _all_runs,
    "run of panel": _all_runs,
    "run of show": _all_runs,
    "runs of compare": _all_runs,
    "source": _published,
    "step of fork": _steps,
    "step of rollback": _steps,
    "target of rollback": _targets,
    "version": _versions,
    "y of data": _columns,
}
"""An option, or one of a certain verb -> where its names come from."""
