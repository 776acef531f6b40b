"""Which version of a model answers a request: the one in its path, else the newest.

What the registry says is believed for a second, because another server on the same workspace may
have published meanwhile.
"""

import dataclasses
import time

from maasnb.errors import unknown_name
from maasnb.registry.models import Registry

__all__ = ["Choice", "Traffic"]

KNOWN_FOR_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Say which version answers a request.

    Attributes:
        version: its number.
    """

    version: int


class Traffic:
    """The versions that answer, by model."""

    def __init__(self, registry: Registry) -> None:
        """Take the registry."""
        self._registry = registry
        self._newest: dict[str, tuple[Choice, float]] = {}

    def choose(self, name: str, segment: str | None = None) -> Choice:
        """Return the version that answers.

        Args:
            name: the model's name.
            segment: the version as the request's path has it; None where it has none.

        Raises:
            UnknownNameError: there is no such model, or the segment is no version's number.
        """
        if segment is not None:
            return Choice(self._number(name, segment))
        now = time.monotonic()
        known = self._newest.get(name)
        if known is None or now >= known[1]:
            known = Choice(self._registry.latest(name)), now + KNOWN_FOR_S
            self._newest[name] = known
        return known[0]

    def forget(self, name: str) -> None:
        """Look a model up anew at its next request, because it was changed here."""
        self._newest.pop(name, None)

    def _number(self, name: str, segment: str) -> int:
        if not (segment.isascii() and segment.isdecimal() and 0 < int(segment) < 1 << 31):
            known = map(str, self._registry.versions(name))
            raise unknown_name(f"version of the model {name!r} called", segment, known)
        return int(segment)
