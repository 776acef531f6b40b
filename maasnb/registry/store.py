"""The storage that a registry needs: objects that are created once and never change.

Four operations, which a folder offers and an object store too: create if absent, read, ask, list.
"""

from typing import Protocol

__all__ = ["Store"]


class Store(Protocol):
    """Objects by key; a key is names joined by `/`."""

    def create(self, key: str, content: bytes) -> bool:
        """Store an object unless there is one already.

        Returns:
            Whether it was stored. A reader sees all of it or nothing, whatever happens meanwhile.

        Raises:
            WorkspaceError: it cannot be stored.
        """
        ...

    def read(self, key: str) -> bytes | None:
        """Return an object, or None where there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Say whether there is an object."""
        ...

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return the names directly below a prefix, sorted."""
        ...
