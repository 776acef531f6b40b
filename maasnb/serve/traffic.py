"""Which version of a model answers a request: by number or alias, by `prod`, else the newest.

What the registry says is kept in memory, ready to be looked up in less than a microsecond. Another
server may change it, so the models that are asked for are read again once a second, in the
background: no request waits for it. A version that is new to this server is loaded before the first
request is sent to it.
"""

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable

from maasnb.errors import UnknownNameError, unknown_name
from maasnb.registry.models import ModelState, Registry

__all__ = ["Choice", "Traffic"]

LOG = logging.getLogger(__name__)

LOOK_S = 1.0
FORGOTTEN_AFTER_LOOKS = 300
AT_ONCE = 4
"""How many models are read at the same time."""

Load = Callable[[str, int], Awaitable[object]]


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Say which version answers a request.

    Attributes:
        version: its number.
        shadow: the version that gets a copy of the request; None for none.
    """

    version: int
    shadow: int | None = None


class _Route:
    """What is known of one model."""

    __slots__ = ("canary", "expires", "idle", "main", "named", "share", "state", "used")

    def __init__(self, state: ModelState) -> None:
        plan = state.plan
        self.state = state
        self.main = Choice(state.main, plan.shadow)
        self.canary = None if plan.canary is None else Choice(plan.canary.version)
        self.share = 0.0 if plan.canary is None else plan.canary.percent / 100
        self.named = {str(version): Choice(version) for version in state.versions}
        self.named.update((alias, Choice(version)) for alias, version in plan.aliases.items())
        self.expires = time.monotonic() + LOOK_S
        self.used = True
        self.idle = 0

    @property
    def targets(self) -> set[int]:
        """Return the versions that get requests which name no number."""
        plan = self.state.plan
        beside = {plan.canary.version if plan.canary else None, plan.shadow} - {None}
        return {*plan.aliases.values(), self.main.version, *(v for v in beside if v)}


class Traffic:
    """The versions that answer, by model."""

    def __init__(self, registry: Registry, *, chance: Callable[[], float] = random.random) -> None:
        """Take the registry, and what draws a number in [0, 1) for each request of a canary."""
        self._registry = registry
        self._chance = chance
        self._routes: dict[str, _Route] = {}
        self._watched = False
        self._changes = 0
        self._troubled: set[str] = set()

    def ready(self, name: str, segment: str | None = None) -> Choice | None:
        """Return the version that answers, if that is known without looking into the registry.

        Args:
            name: the model's name.
            segment: the version as the request's path has it, a number or an alias; None where it
                has none.
        """
        route = self._routes.get(name)
        if route is None or not (self._watched or time.monotonic() < route.expires):
            return None
        route.used = True
        if segment is not None:
            return route.named.get(segment)
        if route.canary is not None and self._chance() < route.share:
            return route.canary
        return route.main

    def choose(self, name: str, segment: str | None = None) -> Choice:
        """Return the version that answers; look into the registry where that is not known.

        Args:
            name: the model's name.
            segment: the version as the request's path has it, a number or an alias; None where it
                has none.

        Raises:
            UnknownNameError: there is no such model, or the segment is no version or alias of it.
        """
        choice = self.ready(name, segment)
        if choice is not None:
            return choice
        self.reload(name)
        route = self._routes[name]
        choice = route.main if segment is None else route.named.get(segment)
        if choice is None:
            kind = f"version of the model {name!r} called"
            raise unknown_name(kind, str(segment), route.named)
        return choice

    async def find(self, name: str, segment: str | None = None) -> Choice:
        """Return what `choose` does, without holding the event loop up."""
        return self.ready(name, segment) or await asyncio.to_thread(self.choose, name, segment)

    def reload(self, name: str) -> None:
        """Read a model anew, because it was changed here or is not known yet.

        Raises:
            UnknownNameError: there is no such model.
        """
        self._changes += 1
        try:
            self._routes[name] = _Route(self._registry.state(name))
        except UnknownNameError:
            self._routes.pop(name, None)
            raise

    def forget(self, name: str) -> None:
        """Know nothing of a model any more; its next request looks into the registry."""
        self._changes += 1
        self._routes.pop(name, None)

    async def watch(self, load: Load) -> None:
        """Keep what is known fresh until cancelled.

        Args:
            load: what loads a version of a model into memory.
        """
        limit = asyncio.Semaphore(AT_ONCE)
        self._watched = True
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                await asyncio.gather(*(self._look(name, load, limit) for name in self._routes))
        finally:
            self._watched = False

    async def _look(self, name: str, load: Load, limit: asyncio.Semaphore) -> None:
        async with limit:
            route = self._routes.get(name)
            if route is None or self._idle(name, route):
                return
            changes = self._changes
            try:
                state = await asyncio.to_thread(self._registry.state, name)
            except UnknownNameError:
                if changes == self._changes:
                    self._routes.pop(name, None)
                return
            except Exception as error:  # noqa: BLE001 - a registry out of reach stops no server
                self._trouble(name, error)
                return
            self._troubled.discard(name)
            if state == route.state:
                return
            fresh = _Route(state)
            await self._prepare(fresh, route, load)
            # What was changed here meanwhile is newer than what was read.
            if changes == self._changes:
                self._routes[name] = fresh

    def _idle(self, name: str, route: _Route) -> bool:
        route.idle = 0 if route.used else route.idle + 1
        route.used = False
        if route.idle > FORGOTTEN_AFTER_LOOKS:
            del self._routes[name]
            return True
        return False

    async def _prepare(self, fresh: _Route, known: _Route, load: Load) -> None:
        for version in sorted(fresh.targets - known.targets):
            try:
                await load(fresh.state.name, version)
            except Exception as error:  # noqa: BLE001 - its own requests will say why
                self._trouble(fresh.state.name, error)

    def _trouble(self, name: str, error: Exception) -> None:
        """Say once what is wrong with a model; it goes on answering as it did."""
        if name not in self._troubled:
            self._troubled.add(name)
            LOG.warning("The model %r cannot be read anew: %s", name, error)
