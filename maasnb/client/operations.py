"""What can be done with a published model's versions: promote, roll back, try, compare, unpublish.

Each change is one request, after which the server tells what there is; that becomes a table, which
a cell shows.
"""

import abc
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from numpy.typing import ArrayLike

from maasnb.client.comparing import Answering, compare_answers
from maasnb.client.http import Connection
from maasnb.datasets.splits import Data, Split
from maasnb.errors import OptionError
from maasnb.study.reports import Report

__all__ = ["Operations"]

MAIN_ALIAS = "prod"
LONGEST_HISTORY = 20


class Operations(abc.ABC):
    """The operations of an endpoint.

    Attributes:
        name: the model's name.
        version: the version or alias that this endpoint asks; None for the one that answers now.
    """

    name: str
    version: int | str | None
    _connection: Connection

    @abc.abstractmethod
    def at(self, version: int | str) -> Answering:
        """Return the endpoint of one version of the model."""

    def status(self) -> Report:
        """Return the model's versions: when each was published, its metrics, what it answers."""
        return _versions(self._connection.get(self._path()))

    def promote(
        self,
        version: int | None = None,
        alias: str = MAIN_ALIAS,
        *,
        expected: int | Literal["any"] | None = "any",
    ) -> Report:
        """Have a version answer all requests that name none, or those to another alias.

        Args:
            version: the version; by default the one of this endpoint.
            alias: what to point to it; `"prod"` is what answers requests that name no version.
            expected: move the alias only if it points to this version now (None: if there is no
                such alias yet); by default whatever it points to.

        Returns:
            The model's versions afterwards.

        Raises:
            UnknownNameError: there is no such version.
            ConflictError: the alias points to another version than expected.
        """
        given = {} if expected == "any" else {"expected": expected}
        path = f"aliases/{quote(alias, safe='')}"
        return self._put(path, {"version": self._own(version), **given})

    def rollback(self, alias: str = MAIN_ALIAS) -> Report:
        """Have the version answer again that did before; once more goes back further.

        Args:
            alias: the alias that is moved back.

        Returns:
            The model's versions afterwards.

        Raises:
            ConflictError: there is nothing to go back to.
        """
        return _versions(self._connection.post(self._path("rollback"), {"alias": alias}))

    def canary(self, version: int | None, percent: float = 10) -> Report:
        """Have a version answer a part of the requests that name none.

        Args:
            version: the version; None ends it.
            percent: its part of the requests, more than 0 and at most 100.

        Returns:
            The model's versions afterwards.

        Raises:
            UnknownNameError: there is no such version.
            RequestError: it answers all requests already, or the part is no percentage.
        """
        if version is None:
            return self._delete("canary")
        return self._put("canary", {"version": version, "percent": percent})

    def end_canary(self) -> Report:
        """Have the version that answers the other requests answer all of them."""
        return self._delete("canary")

    def shadow(self, version: int | None) -> Report:
        """Have a version answer copies of the requests; its answers are compared, never returned.

        Args:
            version: the version; None ends it.

        Returns:
            The model's versions afterwards; `shadowed` tells how the answers differ.

        Raises:
            UnknownNameError: there is no such version.
            RequestError: it answers the requests itself.
        """
        if version is None:
            return self._delete("shadow")
        return self._put("shadow", {"version": version})

    def end_shadow(self) -> Report:
        """Have no version answer copies any more."""
        return self._delete("shadow")

    @property
    def shadowed(self) -> Report:
        """Return how the answers of shadows differed, since the server started."""
        rows: list[dict[str, Any]] = self._connection.get(self._path()).get("shadowed") or []
        columns = ("version", "shadow", "requests", "examples", "other class", "largest difference")
        return Report(
            kind="shadow",
            title=f"{self.name!r}: how the answers of its shadows differ",
            columns=(*columns, "dropped", "failed"),
            rows=[
                (
                    str(row["version"]),
                    str(row["shadow"]),
                    str(row["requests"]),
                    str(row["rows"]),
                    str(row["disagreements"]),
                    f"{row['largest_difference']:.3g}",
                    str(row["dropped"]),
                    str(row["failed"]),
                )
                for row in rows
            ],
            notes=() if rows else ("No copy was answered yet.",),
            values={
                name: float(sum(row[name] for row in rows))
                for name in ("requests", "rows", "disagreements", "dropped", "failed")
            },
        )

    @property
    def history(self) -> Report:
        """Return who changed which version answers, and when; the newest change first."""
        changes = self._connection.get(self._path()).get("history") or []
        return Report(
            kind="history",
            title=f"{self.name!r}: {len(changes)} changes",
            columns=("time", "what", "version", "before", "by"),
            rows=[
                (
                    _time(change["time"]),
                    _what(change),
                    str(change.get("version", "")),
                    str(change.get("before", "")),
                    str(change["by"]),
                )
                for change in reversed(changes)
            ][:LONGEST_HISTORY],
            notes=(f"Older ones are left out; there are {len(changes)}.",)
            if len(changes) > LONGEST_HISTORY
            else (),
        )

    def compare(self, first: int, second: int, data: Data | Split | ArrayLike) -> Report:
        """Ask two versions for the same examples and compare their answers.

        Args:
            first: a version.
            second: another one.
            data: a data set, whose test split is taken, a split, or raw examples [n, ...]. With
                targets, both versions are judged too.

        Returns:
            The report: agreement, largest differences, metrics of both, and the examples in which
            they disagree.

        Raises:
            UnknownNameError: there is no such version.
            DataError: there are no examples.
        """
        split = data.test if isinstance(data, Data) else data
        x, y = (split.x, split.y) if isinstance(split, Split) else (split, None)
        one, other = self.at(first), self.at(second)
        names = (f"version {first}", f"version {second}")
        return compare_answers(self.name, names, (one, other), x, y)

    def unpublish(self, version: int | None = None) -> None:
        """Take a version off the server, or the whole model.

        Its number is not given again. `restore` undoes it, unless `maasnb prune` took its files.

        Args:
            version: the version; None for the whole model with its aliases.

        Raises:
            UnknownNameError: there is no such version.
            ConflictError: an alias, the canary or the shadow is using it.
        """
        path = self._path() if version is None else self._path(f"versions/{version}")
        self._connection.send("DELETE", path, b"")

    def restore(self, version: int) -> Report:
        """Put a version back on the server that was unpublished.

        Args:
            version: the version.

        Returns:
            The model's versions afterwards.

        Raises:
            UnknownNameError: there is no version of that number that was unpublished.
            ArtifactError: its files were deleted to make room (`maasnb prune`); publish it again.
        """
        return self._put(f"versions/{version}", {})

    def _own(self, version: int | None) -> int:
        if version is not None:
            return version
        if isinstance(self.version, int):
            return self.version
        message = (
            "There is no version to promote: this endpoint asks whichever answers now. "
            "Type: endpoint.promote(3), with one of endpoint.versions"
        )
        raise OptionError(message)

    def _put(self, path: str, data: Mapping[str, Any]) -> Report:
        content = json.dumps(data, allow_nan=False).encode()
        return _versions(self._connection.send("PUT", self._path(path), content))

    def _delete(self, path: str) -> Report:
        return _versions(self._connection.send("DELETE", self._path(path), b""))

    def _path(self, rest: str = "") -> str:
        path = f"/maas/v1/models/{quote(self.name, safe='')}"
        return f"{path}/{rest}" if rest else path


def _versions(state: Mapping[str, Any]) -> Report:
    """Return what the server says of a model as a table."""
    versions: Sequence[Mapping[str, Any]] = state["versions"]
    metrics = list(dict.fromkeys(name for each in versions for name in each["metrics"]))
    return Report(
        kind="versions",
        title=f"{state['name']!r}: {_traffic(state)}",
        columns=("version", "published", *metrics, "answers"),
        rows=[
            (
                str(each["version"]),
                _time(each["created"]),
                *(_number(each["metrics"].get(name)) for name in metrics),
                _answers(state, each),
            )
            for each in versions
        ],
        values={
            f"version {each['version']} {name}": value
            for each in versions
            for name, value in each["metrics"].items()
            if value is not None
        },
    )


def _traffic(state: Mapping[str, Any]) -> str:
    words = f"version {state['serves']} answers"
    if state["canary"]:
        canary = state["canary"]
        words += f", version {canary['version']} {canary['percent']:g} % of the requests"
    if state["shadow"]:
        words += f", version {state['shadow']} gets copies"
    return words


def _answers(state: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    version, words = each["version"], list(each["aliases"])
    if state["serves"] == version and MAIN_ALIAS not in words:
        words.insert(0, "newest")
    if state["canary"] and state["canary"]["version"] == version:
        words.append(f"canary, {state['canary']['percent']:g} %")
    if state["shadow"] == version:
        words.append("shadow")
    return ", ".join(words)


def _what(change: Mapping[str, Any]) -> str:
    what = str(change["action"])
    if change.get("alias"):
        return f"{what} {change['alias']}"
    if "percent" in change:
        return f"{what} {change['percent']:g} %"
    return f"{what} ended" if what in ("canary", "shadow") and "version" not in change else what


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _time(iso: str) -> str:
    return iso[:16].replace("T", " ")
