"""Which versions of a model answer which requests: one document, changed by pure functions.

The document is `models/<name>/traffic.json`. Every change says who made it and is kept in the
history, which is also what a rollback goes by. The registry stores a changed document only if
nobody changed it meanwhile, and otherwise applies the change to the new one.
"""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from maasnb.errors import ArtifactError, ConflictError, OptionError, unknown_name

__all__ = [
    "MAIN_ALIAS",
    "Canary",
    "Change",
    "Plan",
    "Stamp",
    "check_alias",
    "hide",
    "move",
    "remove_alias",
    "roll_back",
    "set_canary",
    "set_shadow",
    "show",
]

SCHEMA = 1
MAIN_ALIAS = "prod"
"""The alias whose version answers requests that name none."""
ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}\Z")
MOST_CHANGES = 500
MOST_ALIASES = 100
LARGEST_VERSION = 1 << 31


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Say when something was changed (seconds since 1970), and by which token."""

    time_s: float
    by: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Say what was changed.

    Attributes:
        action: what was done: `promote`, `rollback`, `remove`, `canary`, `shadow`, `unpublish` or
            `restore`.
        time: when, seconds since 1970.
        by: the name of the token that did it.
        alias: the alias that was moved; empty for none.
        version: the version that it was about; None for none.
        before: the version that answered before; None for none.
        percent: a canary's part of the requests; None for none.
    """

    action: str
    time: float
    by: str
    alias: str = ""
    version: int | None = None
    before: int | None = None
    percent: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON data, without what it does not have."""
        fields = dataclasses.asdict(self)
        return {name: value for name, value in fields.items() if value is not None and value != ""}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Name a version that answers a part of the requests, in percent."""

    version: int
    percent: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Say which versions of a model answer.

    Attributes:
        aliases: alias -> version.
        canary: what answers a part of the requests that name no version; None for nothing.
        shadow: the version that gets a copy of these requests; None for none.
        history: what was changed, the oldest first.
        hidden: versions that were unpublished.
    """

    aliases: Mapping[str, int] = dataclasses.field(default_factory=dict)
    canary: Canary | None = None
    shadow: int | None = None
    history: tuple[Change, ...] = ()
    hidden: frozenset[int] = frozenset()

    def hidden_since(self, version: int) -> float | None:
        """Return when a version was unpublished at the latest; None where no history tells.

        >>> Plan(history=(Change(action="unpublish", time=5.0, by="ann"),)).hidden_since(3)
        5.0
        """
        times = (
            change.time
            for change in reversed(self.history)
            if change.action == "unpublish" and change.version in (None, version)
        )
        return next(times, None)

    def visible(self, versions: Sequence[int]) -> tuple[int, ...]:
        """Return those of a model's versions that are not unpublished."""
        return tuple(version for version in versions if version not in self.hidden)

    def main(self, versions: Sequence[int]) -> int:
        """Return the version that answers requests that name none.

        Args:
            versions: the model's visible versions, the oldest first, at least one.
        """
        return self.aliases.get(MAIN_ALIAS, versions[-1])

    def to_bytes(self) -> bytes:
        """Return the document."""
        data = {
            "schema": SCHEMA,
            "aliases": dict(self.aliases),
            "canary": None if self.canary is None else dataclasses.asdict(self.canary),
            "shadow": self.shadow,
            "history": [change.to_json() for change in self.history],
            "hidden": sorted(self.hidden),
        }
        return json.dumps(data, sort_keys=True, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> "Plan":
        """Read a document.

        Raises:
            ArtifactError: it is none, or of another schema.
        """
        try:
            data = json.loads(content)
            if data["schema"] != SCHEMA:
                message = f"it has the schema {data['schema']!r:.40}, not {SCHEMA}"
                raise ValueError(message)
            canary = data["canary"]
            return cls(
                aliases={
                    check_alias(alias): _version(number)
                    for alias, number in data["aliases"].items()
                },
                canary=None
                if canary is None
                else Canary(version=_version(canary["version"]), percent=_percent(canary)),
                shadow=None if data["shadow"] is None else _version(data["shadow"]),
                history=tuple(Change(**change) for change in data["history"]),
                hidden=frozenset(map(_version, data["hidden"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            message = (
                f"The document traffic.json of a model cannot be read ({error!s:.200}); expected "
                "one that maasnb wrote. Use the same version of maasnb on all servers of a "
                "registry, or take the document out of a backup."
            )
            raise ArtifactError(message) from error


def check_alias(alias: str) -> str:
    """Return a word that can be an alias.

    Raises:
        OptionError: it cannot; the message says what can.

    >>> check_alias("prod")
    'prod'
    """
    if not isinstance(alias, str) or not ALIAS.match(alias):
        message = (
            f"{alias!r:.80} cannot be an alias; expected a letter and up to 31 letters, digits, "
            "dashes or underscores, such as 'prod' or 'staging'."
        )
        raise OptionError(message)
    return alias


def move(plan: Plan, versions: Sequence[int], alias: str, version: int, stamp: Stamp) -> Plan:
    """Have an alias point to a version.

    A canary or shadow of the version that answers now has done its work and ends.

    Args:
        plan: the document as it is.
        versions: the model's visible versions, the oldest first.
        alias: the alias.
        version: the version.
        stamp: who does it, and when.

    Raises:
        UnknownNameError: there is no such version.
        OptionError: the word cannot be an alias.
    """
    return _moved(plan, versions, alias, version, stamp, "promote")


def roll_back(plan: Plan, versions: Sequence[int], alias: str, stamp: Stamp) -> Plan:
    """Have an alias point to where it pointed before; once more goes back further.

    Where it pointed nowhere before, the version before the one that answers now is taken.

    Raises:
        ConflictError: there is nothing to go back to.
    """
    current = plan.aliases.get(check_alias(alias))
    if current is None:
        current = plan.main(versions)
    earlier = [version for version in _stack(plan, alias) if version in versions]
    while earlier and earlier[-1] == current:
        earlier.pop()
    older = [version for version in versions if version < current]
    if not earlier and not older:
        message = (
            f"There is nothing to roll back to: {alias!r} was never another version than "
            f"{current}, and none is older. The versions are {_listed(versions)}."
        )
        raise ConflictError(message)
    target = earlier[-1] if earlier else older[-1]
    return _moved(plan, versions, alias, target, stamp, "rollback")


def remove_alias(plan: Plan, alias: str, stamp: Stamp) -> Plan:
    """Take an alias away; without the alias `prod` the newest version answers.

    Raises:
        UnknownNameError: there is no such alias.
    """
    if alias not in plan.aliases:
        raise unknown_name("alias", alias, plan.aliases)
    aliases = {name: number for name, number in plan.aliases.items() if name != alias}
    change = _change("remove", stamp, alias=alias, before=plan.aliases[alias])
    return _noted(dataclasses.replace(plan, aliases=aliases), change)


def set_canary(plan: Plan, versions: Sequence[int], canary: Canary | None, stamp: Stamp) -> Plan:
    """Have a version answer a part of the requests that name none; None ends that.

    Raises:
        UnknownNameError: there is no such version.
        OptionError: the version answers all of them already, or the part is no percentage.
    """
    if canary is None:
        change = _change("canary", stamp)
        return plan if plan.canary is None else _noted(_replaced(plan, canary=None), change)
    _check_beside(plan, versions, canary.version, "canary")
    if not 0 < canary.percent <= 100:
        message = (
            f"A canary cannot answer {canary.percent:g} % of the requests; expected more than 0 "
            "and at most 100. Type: endpoint.canary(4, percent=10)"
        )
        raise OptionError(message)
    change = _change("canary", stamp, version=canary.version, percent=canary.percent)
    return _noted(_replaced(plan, canary=canary), change)


def set_shadow(plan: Plan, versions: Sequence[int], version: int | None, stamp: Stamp) -> Plan:
    """Have a version get a copy of the requests that name none; None ends that.

    Raises:
        UnknownNameError: there is no such version.
        OptionError: the version answers these requests itself.
    """
    if version is None:
        change = _change("shadow", stamp)
        return plan if plan.shadow is None else _noted(_replaced(plan, shadow=None), change)
    _check_beside(plan, versions, version, "shadow")
    change = _change("shadow", stamp, version=version)
    return _noted(_replaced(plan, shadow=version), change)


def hide(plan: Plan, versions: Sequence[int], version: int | None, stamp: Stamp) -> Plan:
    """Unpublish a version, or all of them; a number is never given again.

    Args:
        plan: the document as it is.
        versions: the model's visible versions, the oldest first.
        version: the version; None for all, with aliases, canary and shadow.
        stamp: who does it, and when.

    Raises:
        UnknownNameError: there is no such version.
        ConflictError: an alias points to it, or it is canary or shadow.
    """
    if version is None:
        gone = _replaced(plan, aliases={}, canary=None, shadow=None)
        change = _change("unpublish", stamp)
        return _noted(_replaced(gone, hidden=plan.hidden | {*versions}), change)
    _check_known(versions, version)
    uses = [f"the alias {alias!r}" for alias, number in plan.aliases.items() if number == version]
    uses += ["the canary"] * (plan.canary is not None and plan.canary.version == version)
    uses += ["the shadow"] * (plan.shadow == version)
    if uses:
        message = (
            f"Version {version} cannot be unpublished: {' and '.join(uses)} is using it. Promote "
            "another version or end the canary or shadow first; or unpublish the whole model."
        )
        raise ConflictError(message)
    change = _change("unpublish", stamp, version=version)
    return _noted(_replaced(plan, hidden=plan.hidden | {version}), change)


def show(plan: Plan, version: int, stamp: Stamp) -> Plan:
    """Publish a version again that was unpublished.

    Raises:
        UnknownNameError: there is no such version.
    """
    if version not in plan.hidden:
        known = map(str, sorted(plan.hidden))
        raise unknown_name("unpublished version", str(version), known)
    change = _change("restore", stamp, version=version)
    return _noted(_replaced(plan, hidden=plan.hidden - {version}), change)


def _moved(
    plan: Plan, versions: Sequence[int], alias: str, version: int, stamp: Stamp, action: str
) -> Plan:
    _check_known(versions, version)
    if len(plan.aliases) >= MOST_ALIASES and check_alias(alias) not in plan.aliases:
        message = f"The model has {MOST_ALIASES} aliases already; expected fewer. Remove one first."
        raise OptionError(message)
    before = plan.aliases.get(check_alias(alias))
    if before is None and alias == MAIN_ALIAS:
        before = plan.main(versions)
    if plan.aliases.get(alias) == version:
        return plan
    moved = _replaced(plan, aliases={**plan.aliases, alias: version})
    if alias == MAIN_ALIAS:
        canary = plan.canary if plan.canary and plan.canary.version != version else None
        shadow = plan.shadow if plan.shadow != version else None
        moved = _replaced(moved, canary=canary, shadow=shadow)
    return _noted(moved, _change(action, stamp, alias=alias, version=version, before=before))


def _stack(plan: Plan, alias: str) -> list[int]:
    """Return the versions that an alias pointed to and was not rolled back from."""
    stack: list[int] = []
    for change in plan.history:
        if change.alias != alias or change.version is None:
            continue
        if change.action == "rollback":
            while stack and stack[-1] != change.version:
                stack.pop()
        elif not stack and change.before is not None:
            stack.append(change.before)
        if not stack or stack[-1] != change.version:
            stack.append(change.version)
    return stack


def _check_beside(plan: Plan, versions: Sequence[int], version: int, role: str) -> None:
    _check_known(versions, version)
    if plan.main(versions) == version:
        why = "the alias 'prod' points to it" if MAIN_ALIAS in plan.aliases else "it is the newest"
        others = [number for number in versions if number != version]
        way_out = f"Type: endpoint.promote({others[-1]})" if others else "Publish another one."
        message = (
            f"Version {version} cannot be the {role}: it answers all requests already, because "
            f"{why}. Have another version answer them first. {way_out}"
        )
        raise OptionError(message)


def _check_known(versions: Sequence[int], version: int) -> None:
    if version not in versions:
        raise unknown_name("version", str(version), map(str, versions))


def _change(action: str, stamp: Stamp, **fields: Any) -> Change:  # noqa: ANN401 - Change's own
    return Change(action=action, time=stamp.time_s, by=stamp.by, **fields)


def _replaced(plan: Plan, **fields: Any) -> Plan:  # noqa: ANN401 - Plan's own
    return dataclasses.replace(plan, **fields)


def _noted(plan: Plan, change: Change) -> Plan:
    return _replaced(plan, history=(*plan.history, change)[-MOST_CHANGES:])


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions))


def _version(value: object) -> int:
    if type(value) is not int or not 0 < value < LARGEST_VERSION:
        message = f"{value!r:.40} is no version"
        raise ValueError(message)
    return value


def _percent(canary: Mapping[str, Any]) -> float:
    percent = canary["percent"]
    if type(percent) not in (int, float) or not 0 < percent <= 100:
        message = f"{percent!r:.40} is no percentage"
        raise ValueError(message)
    return percent
