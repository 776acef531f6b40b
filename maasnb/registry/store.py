"""The storage that a registry needs: objects by key, created once, replaced if unchanged, deleted.

A folder offers these operations and an S3-compatible object store does too. Whatever happens
meanwhile, a reader sees the whole of an object or none of it; of several writers who want the same
thing exactly one succeeds.
"""

import dataclasses
from pathlib import Path
from typing import Protocol

__all__ = ["Entry", "Store", "Tagged"]


@dataclasses.dataclass(frozen=True, slots=True)
class Tagged:
    """An object as it was read.

    Attributes:
        content: its bytes.
        tag: what tells this content from any that replaces it.
    """

    content: bytes
    tag: str


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing.

    Attributes:
        key: its key.
        size_bytes: its size.
        time_s: when it was stored, seconds since 1970.
    """

    key: str
    size_bytes: int
    time_s: float


class Store(Protocol):
    """Objects by key; a key is names joined by `/`."""

    def create(self, key: str, content: bytes) -> bool:
        """Store an object unless there is one already.

        Returns:
            Whether it was stored.

        Raises:
            WorkspaceError: it cannot be stored.
        """
        ...

    def adopt(self, key: str, path: Path) -> bool:
        """Store a file's content as an object unless there is one already; the file is used up.

        Returns:
            Whether it was stored.

        Raises:
            WorkspaceError: it cannot be stored.
        """
        ...

    def replace(self, key: str, content: bytes, tag: str | None) -> bool:
        """Store an object in the place of the one with this tag.

        Args:
            key: the object.
            content: what it is to hold.
            tag: the tag that `read_tagged` gave; None where there was no object.

        Returns:
            Whether it was stored; False where the object is another one by now.

        Raises:
            WorkspaceError: it cannot be stored.
        """
        ...

    def delete(self, key: str) -> None:
        """Take an object away, if there is one.

        Raises:
            WorkspaceError: it cannot be taken away.
        """
        ...

    def read(self, key: str) -> bytes | None:
        """Return an object's content, or None where there is none."""
        ...

    def read_tagged(self, key: str) -> Tagged | None:
        """Return an object with its tag, or None where there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Say whether there is an object."""
        ...

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return the names directly below a prefix, sorted."""
        ...

    def entries(self, prefix: str) -> tuple[Entry, ...]:
        """Return all objects below a prefix, sorted by key."""
        ...
