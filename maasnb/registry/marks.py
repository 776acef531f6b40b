"""Marks on blobs that are to be deleted, so that nobody loses a blob that they want.

A mark is the object `condemned/<digest>`, changed by compare-and-swap alone. A prune *condemns* a
blob that no version needs; when the mark is a day old and still no version needs the blob, it swaps
the mark to *deleting*, deletes the blob and then the mark. Whoever wants the blob (a publisher that
finds it there, or who restores a version) swaps the mark from condemned to *kept*, which counts as
no mark. Of the two swaps one succeeds. Before a version is listed its marks are looked at first and
its blobs then: where there was no mark, none can be a day old before that version is listed, and a
prune looks at the versions again before it deletes. So the order of steps never matters, as long as
nobody stands still for a day between looking and listing. A mark that says deleting for an hour was
left by a process that died, and whoever meets it finishes the work; a process that took long for
its swap leaves that to others too.
"""

import dataclasses
import json
import secrets
import time
from collections.abc import Callable

from maasnb.errors import ArtifactError, ConflictError
from maasnb.registry.store import Store

__all__ = ["BLOBS", "CONDEMNED", "DELETING", "KEPT", "Mark", "Marks"]

BLOBS = "blobs/sha256"
MARKS = "condemned"
CONDEMNED = "condemned"
DELETING = "deleting"
KEPT = "kept"
STATES = frozenset({CONDEMNED, DELETING, KEPT})

LEASE_S = 3600.0
"""After so long a process that was deleting a blob has died. No request to a store takes this."""
SLOW_S = 600.0
"""Who took longer for the swap does not delete: it could come after somebody who finished."""
WAIT_S = 0.25
MOST_WAITS = 20
MOST_TRIES = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark as it was read.

    Attributes:
        state: `condemned`, `deleting` or `kept`.
        time_s: when it became that, seconds since 1970.
        tag: what tells it from any mark that replaces it.
    """

    state: str
    time_s: float
    tag: str


class Marks:
    """The marks of a store."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the store, what tells the time, and what waits for some seconds."""
        self._store = store
        self.clock = clock
        self._pause = pause

    def digests(self) -> frozenset[str]:
        """Return the digests of the blobs that have a mark."""
        return frozenset(self._store.names(MARKS))

    def read(self, digest: str) -> Mark | None:
        """Return a blob's mark, or None where it has none.

        Raises:
            ArtifactError: the mark is none that maasnb wrote.
        """
        found = self._store.read_tagged(_key(digest))
        if found is None:
            return None
        try:
            data = json.loads(found.content)
            state, time_s = data["state"], float(data["time"])
            if state not in STATES:
                raise ValueError(state)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            message = (
                f"The object {_key(digest)!r} of the store cannot be read ({error!r:.200}); "
                "expected a mark that maasnb wrote. Use the same version of maasnb on all servers "
                "of a registry, or take the object away."
            )
            raise ArtifactError(message) from error
        return Mark(state=state, time_s=time_s, tag=found.tag)

    def claim(self, digest: str) -> bool:
        """Have a blob kept for a day at least, if it is there.

        Returns:
            Whether it is; False where somebody is deleting the blob.
        """
        for _ in range(MOST_TRIES):
            mark = self.read(digest)
            if mark is None or mark.state == KEPT:
                return True
            if mark.state == DELETING:
                return False
            if self._swap(digest, KEPT, mark):
                return True
        raise _busy(digest)

    def claim_to_store(self, digest: str) -> None:
        """Wait until nobody is deleting a blob, and have it kept.

        Raises:
            ConflictError: it is being deleted and does not end.
        """
        for _ in range(MOST_WAITS):
            if self.claim(digest):
                return
            mark = self.read(digest)
            if mark is not None and self.abandoned(mark):
                self.delete(digest, mark)
            elif mark is not None:
                self._pause(WAIT_S)
        raise _busy(digest)

    def condemn(self, digest: str, mark: Mark | None) -> bool:
        """Condemn a blob, unless its mark is another one by now; return whether it was done."""
        return self._swap(digest, CONDEMNED, mark)

    def acquit(self, digest: str, mark: Mark) -> None:
        """Take the mark of a blob away that is needed, unless it is another one by now."""
        if mark.state == KEPT or self._swap(digest, KEPT, mark):
            # Where somebody condemned it in between, it will be condemned once more.
            self._store.delete(_key(digest))

    def abandoned(self, mark: Mark) -> bool:
        """Say whether who was deleting the blob of a mark died meanwhile."""
        return mark.state == DELETING and self.clock() - mark.time_s > LEASE_S

    def delete(self, digest: str, mark: Mark | None) -> bool:
        """Delete a blob and its mark, unless that is another one by now; return whether it was."""
        begun_s = self.clock()
        if not self._swap(digest, DELETING, mark) or self.clock() - begun_s > SLOW_S:
            return False
        # In this order: a blob that is there without a mark is one to rely on.
        self._store.delete(f"{BLOBS}/{digest}")
        self._store.delete(_key(digest))
        return True

    def _swap(self, digest: str, state: str, mark: Mark | None) -> bool:
        # What nobody else writes, so that a mark is never taken for an earlier one.
        unique = secrets.token_hex(8)
        data = {"state": state, "time": round(self.clock(), 3), "unique": unique}
        content = json.dumps(data).encode() + b"\n"
        return self._store.replace(_key(digest), content, None if mark is None else mark.tag)


def _key(digest: str) -> str:
    return f"{MARKS}/{digest}"


def _busy(digest: str) -> ConflictError:
    message = (
        f"The blob {digest} was not needed and is being deleted to make room (maasnb prune). "
        "Publish again in a moment; if this stays so, type 'maasnb prune' where the registry is, "
        "or wait an hour: then publishing ends what a prune that was killed had begun."
    )
    return ConflictError(message)
