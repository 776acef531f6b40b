"""Making room in a registry: deleting the blobs that no version needs.

Needed are the blobs of every version that is listed, or was until lately. Of the others those are
condemned that nobody has stored or wanted for a day: they came with a publish that never ended, or
with a version that was unpublished long ago. What was condemned a day before is deleted.
`maasnb.registry.marks` says why that is safe beside publishers and other prunes. Manifests stay:
they are small, and their numbers are never given again.
"""

import dataclasses
import enum
from collections.abc import Callable, Collection, Iterator

from maasnb.artifacts.artifact import MANIFEST_FILE
from maasnb.artifacts.blobs import DIGEST
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError, OptionError
from maasnb.registry.marks import BLOBS, CONDEMNED, DELETING, KEPT, Mark
from maasnb.registry.models import MODELS, TRAFFIC_FILE, Registry
from maasnb.registry.store import Store
from maasnb.registry.traffic import Plan

__all__ = ["DAY_S", "Pruned", "Tally", "prune"]

DAY_S = 24 * 3600.0
"""How long a blob stays for whoever stored or wanted it, and how long a condemned one."""
BATCH = 1000
"""Before so many blobs are deleted it is looked once more which ones are needed."""


@dataclasses.dataclass(slots=True)
class Tally:
    """Count blobs and their bytes."""

    count: int = 0
    size_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        """Count one more."""
        self.count += 1
        self.size_bytes += size_bytes


@dataclasses.dataclass(slots=True, kw_only=True)
class Pruned:
    """Say what became of the blobs of a registry, or would.

    Attributes:
        needed: a version needs them; they stay.
        young: none does, but they were stored or wanted within a day; they stay for now.
        waiting: they were condemned less than a day ago.
        condemned: they were condemned now.
        deleted: they are gone.
        busy: another prune is deleting them, or somebody wanted them at the last moment.
        due_s: when the first of those that wait can go, seconds since 1970; None for none.
    """

    needed: Tally = dataclasses.field(default_factory=Tally)
    young: Tally = dataclasses.field(default_factory=Tally)
    waiting: Tally = dataclasses.field(default_factory=Tally)
    condemned: Tally = dataclasses.field(default_factory=Tally)
    deleted: Tally = dataclasses.field(default_factory=Tally)
    busy: Tally = dataclasses.field(default_factory=Tally)
    due_s: float | None = None


class _Fate(enum.Enum):
    NEEDED = enum.auto()
    YOUNG = enum.auto()
    WAITING = enum.auto()
    CONDEMN = enum.auto()
    DELETE = enum.auto()
    BUSY = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Blob:
    """A blob with its mark; where the mark alone was left, without size and age."""

    digest: str
    size_bytes: int = 0
    time_s: float = 0.0
    mark: Mark | None = None


def prune(
    registry: Registry,
    *,
    days: float = 30.0,
    now: bool = False,
    dry_run: bool = False,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Pruned:
    """Condemn the blobs that no version needs, and delete those that were condemned a day ago.

    Args:
        registry: the registry; servers may go on with it meanwhile.
        days: so long the blobs of a version stay that was unpublished.
        now: delete at once what is not needed, which is safe only while nobody publishes.
        dry_run: change nothing, and say what would be done.
        told: is told how many of how many bytes were seen to.

    Raises:
        OptionError: `days` is no number of days.
        ArtifactError: a manifest, a traffic document or a mark cannot be read, so that it is not
            known what is needed.
        WorkspaceError: the store cannot be read or written.
    """
    if not 0 <= days < 1e6:
        message = f"The number of days is {days:g}; expected 0 to 999999, such as 30."
        raise OptionError(message)
    pruning = _Pruning(registry, days * DAY_S, at_once=now, dry_run=dry_run)
    return pruning.run(told)


class _Pruning:
    """One prune of a registry."""

    def __init__(
        self, registry: Registry, hidden_for_s: float, *, at_once: bool, dry_run: bool
    ) -> None:
        self._marks = registry.marks
        self._now_s = self._marks.clock()
        self._inventory = _Inventory(registry.store, self._now_s - hidden_for_s)
        self._store = registry.store
        self._at_once, self._dry_run = at_once, dry_run
        self._result = Pruned()

    def run(self, told: Callable[[int, int], None]) -> Pruned:
        blobs = tuple(self._blobs())
        needed = self._inventory.needed()
        work: dict[_Fate, list[_Blob]] = {_Fate.DELETE: [], _Fate.CONDEMN: []}
        for blob in blobs:
            fate = self._fate(blob, needed)
            if fate in work:
                work[fate].append(blob)
            else:
                self._leave(blob, fate)
        total, done = sum(blob.size_bytes for blobs in work.values() for blob in blobs), 0
        for fate, chosen in work.items():  # what makes room comes first
            for place, blob in enumerate(chosen):
                if place % BATCH == 0 and place + done:
                    needed = self._inventory.needed()
                self._do(blob, fate, needed)
                done += blob.size_bytes
                told(done, total)
        return self._result

    def _blobs(self) -> Iterator[_Blob]:
        """Yield every blob, and every mark whose blob is gone."""
        # The marks come last, so that no blob is taken for one without a mark for long.
        entries = self._store.entries(BLOBS)
        marked = set(self._marks.digests())
        for entry in entries:
            digest = entry.key.rpartition("/")[2]
            if DIGEST.match(digest):
                mark = self._marks.read(digest) if digest in marked else None
                marked.discard(digest)
                yield _Blob(
                    digest=digest, size_bytes=entry.size_bytes, time_s=entry.time_s, mark=mark
                )
        for digest in sorted(filter(DIGEST.match, marked)):
            yield _Blob(digest=digest, mark=self._marks.read(digest))

    def _fate(self, blob: _Blob, needed: Collection[str]) -> _Fate:
        mark, state = blob.mark, blob.mark.state if blob.mark is not None else KEPT
        wanted_s = max(blob.time_s, mark.time_s if mark is not None and state == KEPT else 0.0)
        if mark is not None and state == DELETING and not self._marks.abandoned(mark):
            return _Fate.BUSY
        if blob.digest in needed:
            return _Fate.NEEDED
        if state == DELETING:
            return _Fate.DELETE
        if self._now_s - wanted_s <= DAY_S:
            return _Fate.YOUNG
        if self._at_once:
            return _Fate.DELETE
        if mark is None or state != CONDEMNED:
            return _Fate.CONDEMN
        return _Fate.DELETE if self._now_s - mark.time_s > DAY_S else _Fate.WAITING

    def _leave(self, blob: _Blob, fate: _Fate) -> None:
        """Count a blob that stays; of one that is needed after all the mark is taken away."""
        if fate is _Fate.NEEDED:
            self._result.needed.add(blob.size_bytes)
            if blob.mark is not None and not self._dry_run:
                self._marks.acquit(blob.digest, blob.mark)
        elif fate is _Fate.YOUNG:
            self._result.young.add(blob.size_bytes)
        elif fate is _Fate.BUSY:
            self._result.busy.add(blob.size_bytes)
        elif blob.mark is not None:
            self._result.waiting.add(blob.size_bytes)
            self._note_due(blob.mark.time_s + DAY_S)

    def _do(self, blob: _Blob, fate: _Fate, needed: Collection[str]) -> None:
        """Condemn or delete a blob, unless somebody wants it by now."""
        digest, mark = blob.digest, blob.mark
        if digest in needed:
            self._leave(blob, _Fate.NEEDED)
        elif fate is _Fate.CONDEMN:
            if self._dry_run or self._marks.condemn(digest, mark):
                self._result.condemned.add(blob.size_bytes)
                self._note_due(self._now_s + DAY_S)
            else:
                self._leave(blob, _Fate.BUSY)
        elif self._dry_run or self._marks.delete(digest, mark):
            self._result.deleted.add(blob.size_bytes)
        else:
            self._leave(blob, _Fate.BUSY)

    def _note_due(self, time_s: float) -> None:
        known = self._result.due_s
        self._result.due_s = time_s if known is None else min(known, time_s)


class _Inventory:
    """The blobs that versions need; asked again, it reads only what can have changed."""

    def __init__(self, store: Store, hidden_before_s: float) -> None:
        self._store = store
        self._hidden_before_s = hidden_before_s
        self._known: dict[str, frozenset[str]] = {}

    def needed(self) -> frozenset[str]:
        """Return the digests of the blobs that are needed."""
        manifests: dict[str, dict[int, str]] = {}
        planned = set()
        for entry in self._store.entries(MODELS):
            _, name, *rest = entry.key.split("/")
            if rest == [TRAFFIC_FILE]:
                planned.add(name)
            elif len(rest) == 2 and rest[0].isdecimal() and rest[1] == MANIFEST_FILE:
                manifests.setdefault(name, {})[int(rest[0])] = entry.key
        found: set[str] = set()
        for name, keys in manifests.items():
            traffic = f"{MODELS}/{name}/{TRAFFIC_FILE}"
            content = self._store.read(traffic) if name in planned else None
            plan = Plan() if content is None else Plan.from_bytes(content)
            for version, key in keys.items():
                if not self._forgotten(plan, version):
                    found |= self._digests(key)
        return frozenset(found)

    def _forgotten(self, plan: Plan, version: int) -> bool:
        if version not in plan.hidden:
            return False
        since_s = plan.hidden_since(version)
        return since_s is None or since_s <= self._hidden_before_s

    def _digests(self, key: str) -> frozenset[str]:
        if key not in self._known:
            try:
                manifest = Manifest.from_bytes(self._store.read(key) or b"")
            except ArtifactError as error:
                message = (
                    f"Nothing more is deleted, because it is not known which blobs {key!r} needs: "
                    f"{error} Use the same version of maasnb as the registry's servers."
                )
                raise ArtifactError(message) from error
            self._known[key] = frozenset(blob.digest for blob in manifest.blobs)
        return self._known[key]
