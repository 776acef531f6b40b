"""Published models: a name, its versions 1, 2, ..., and the blobs that they share.

Keys: `blobs/sha256/<digest>`, `models/<name>/<version>/manifest.json`,
`models/<name>/traffic.json`, `verdicts/<gate>/<digest>/<format>.json` for each manifest that passed
a gate, and `condemned/<digest>` for a blob that is to be deleted (see `marks`). A version is
created in one step, after its blobs, so a version that is listed is whole.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from maasnb.artifacts.artifact import MANIFEST_FILE
from maasnb.artifacts.blobs import check_digest, digest_of
from maasnb.artifacts.manifest import Manifest, check_name
from maasnb.errors import ArtifactError, ConflictError, MaasError, UnknownNameError, unknown_name
from maasnb.registry.folders import FolderStore
from maasnb.registry.marks import BLOBS, Marks
from maasnb.registry.objects import SCHEMES, ObjectsStore
from maasnb.registry.store import Store
from maasnb.registry.traffic import Plan, Stamp, show
from maasnb.settings import VERSION

__all__ = [
    "MODELS",
    "REGISTRY_FOLDER",
    "STORE_VARIABLE",
    "TRAFFIC_FILE",
    "ModelState",
    "Published",
    "Registry",
    "open_registry",
    "stamp",
]

REGISTRY_FOLDER = "registry"
STORE_VARIABLE = "MAASNB_STORE"
MODELS = "models"
TRAFFIC_FILE = "traffic.json"
UPLOADS = "uploads"
MOST_TRIES = 100
VERDICTS = "verdicts"
GATE_VERSION = 1
"""Raised when the gate becomes stricter, so that what passed before is checked again."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Say what publishing led to.

    Attributes:
        name: the model's name.
        version: its version.
        created: False where the latest version was this very artifact already.
    """

    name: str
    version: int
    created: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """Say which versions of a model there are, and which ones answer.

    Attributes:
        name: the model's name.
        times: version -> when it was published, seconds since 1970; without unpublished ones.
        plan: aliases, canary, shadow and their history.
    """

    name: str
    times: Mapping[int, float]
    plan: Plan

    @property
    def versions(self) -> tuple[int, ...]:
        """Return the versions, the oldest first."""
        return tuple(sorted(self.times))

    @property
    def main(self) -> int:
        """Return the version that answers requests that name none."""
        return self.plan.main(self.versions)


class Registry:
    """Names, versions and blobs in a store."""

    def __init__(self, store: Store, uploads: Path, marks: Marks | None = None) -> None:
        """Take the store, a folder for blobs that are under way, and the store's marks."""
        self._store = store
        self.uploads = uploads
        self.marks = Marks(store) if marks is None else marks

    @property
    def store(self) -> Store:
        """Return the store that all of it is in."""
        return self._store

    def has_blob(self, digest: str) -> bool:
        """Say whether a blob is stored."""
        return self._store.exists(f"{BLOBS}/{check_digest(digest)}")

    def keep_blob(self, digest: str) -> bool:
        """Say whether a blob is stored, for somebody who wants it: no prune deletes it for a day.

        Raises:
            ConflictError: it cannot be found out, because others are faster.
        """
        return self.has_blob(digest) and self.marks.claim(digest)

    def put_blob(self, digest: str, content: bytes) -> bool:
        """Store a blob; return whether it was new.

        Raises:
            ArtifactError: the content has another digest.
            ConflictError: a prune is deleting the blob and does not end.
        """
        check_digest(digest)
        found = digest_of(content)
        if found != digest:
            message = (
                f"The {len(content)} bytes sent as blob {digest} have the digest {found}; they "
                "were damaged on the way. Publish again."
            )
            raise ArtifactError(message)
        self.marks.claim_to_store(digest)
        return self._store.create(f"{BLOBS}/{digest}", content)

    def adopt_blob(self, digest: str, path: Path) -> bool:
        """Store a file, whose content has this digest, as a blob; return whether it was new.

        Raises:
            ConflictError: a prune is deleting the blob and does not end.
        """
        self.marks.claim_to_store(check_digest(digest))
        return self._store.adopt(f"{BLOBS}/{digest}", path)

    def blob(self, digest: str) -> bytes:
        """Return a blob.

        Raises:
            ArtifactError: it is not stored.
        """
        content = self._store.read(f"{BLOBS}/{check_digest(digest)}")
        if content is None:
            raise _not_stored(digest)
        return content

    def blobs(self, manifest: Manifest) -> dict[str, bytes]:
        """Return the blobs of a manifest by digest.

        Raises:
            ArtifactError: one is not stored, or has another size than the manifest says.
        """
        contents = {}
        for blob in manifest.blobs:
            content = self.blob(blob.digest)
            if len(content) != blob.size_bytes:
                message = (
                    f"The blob {blob.digest} has {len(content)} bytes; the manifest says "
                    f"{blob.size_bytes}. Publish the run again."
                )
                raise ArtifactError(message)
            contents[blob.digest] = content
        return contents

    def publish(self, manifest: Manifest, by: str = "workspace") -> Published:
        """Make a manifest the next version of its name, unless it is the latest version already.

        Args:
            manifest: the artifact.
            by: the name of the token that publishes.

        Raises:
            ArtifactError: a blob is not stored.
        """
        name = manifest.name
        missing = self._missing(manifest)
        if missing:
            raise _not_stored(missing[0])
        content = manifest.to_bytes()
        while True:
            latest = max(self._times(name), default=0)
            if latest and self._store.read(_key(name, latest)) == content:
                self._show_again(name, latest, by)
                return Published(name=name, version=latest, created=False)
            # Where another publisher takes the number first, look again.
            if self._store.create(_key(name, latest + 1), content):
                return Published(name=name, version=latest + 1, created=True)

    def restore(self, name: str, version: int, who: Stamp) -> Plan:
        """Publish a version again that was unpublished; return the plan that holds now.

        Raises:
            UnknownNameError: there is no such model or unpublished version.
            ArtifactError: blobs of it were deleted since.
        """
        content = self._store.read(_key(name, version)) if _is_name(name) else None
        if content is not None:
            manifest = Manifest.from_bytes(content)
            missing, count = self._missing(manifest), len(manifest.blobs)
            if missing:
                message = (
                    f"Version {version} of {name!r} cannot be restored: after it was unpublished, "
                    f"{len(missing)} of its {count} blobs were deleted to make room (maasnb "
                    "prune). Publish the run again; it becomes a new version."
                )
                raise ArtifactError(message)
        return self.change(name, lambda plan, _: show(plan, version, who))

    def change(self, name: str, operation: Callable[[Plan, tuple[int, ...]], Plan]) -> Plan:
        """Change which versions answer.

        Args:
            name: the model's name.
            operation: makes the new plan of the present one and the model's versions; where
                somebody else was faster, it is asked again.

        Returns:
            The plan that holds now.

        Raises:
            UnknownNameError: there is no such model.
            MaasError: the operation refuses.
        """
        for _ in range(MOST_TRIES):
            versions = tuple(sorted(self._times(name))) if _is_name(name) else ()
            found = self._store.read_tagged(_traffic_key(name)) if versions else None
            plan = Plan() if found is None else Plan.from_bytes(found.content)
            if not versions:
                raise self._unknown(name)
            changed = operation(plan, plan.visible(versions))
            tag = None if found is None else found.tag
            if changed is plan or self._store.replace(_traffic_key(name), changed.to_bytes(), tag):
                return changed
        message = f"Others changed the model {name!r} {MOST_TRIES} times meanwhile. Try again."
        raise ConflictError(message)

    def accepted(self, manifest: Manifest) -> frozenset[str]:
        """Return the formats whose program of an artifact passed a gate."""
        folder = _verdicts(manifest)
        return frozenset(name.removesuffix(".json") for name in self._store.names(folder))

    def accept(self, manifest: Manifest, program_format: str) -> None:
        """Write down that an artifact's program of a format passed a gate, once and for all."""
        content = json.dumps({"gate": GATE_VERSION, "maasnb": VERSION}).encode() + b"\n"
        self._store.create(f"{_verdicts(manifest)}/{program_format}.json", content)

    def names(self) -> tuple[str, ...]:
        """Return the names of the models that have a version, sorted."""
        return tuple(state.name for state in self.states())

    def states(self) -> tuple[ModelState, ...]:
        """Return the state of every model that has a version, sorted by name."""
        found = (self._state(name) for name in self._store.names(MODELS) if _is_name(name))
        return tuple(state for state in found if state.times)

    def state(self, name: str) -> ModelState:
        """Return which versions of a model there are, and which ones answer.

        Raises:
            UnknownNameError: there is no such model.
        """
        state = self._state(name) if _is_name(name) else None
        if state is None or not state.times:
            raise self._unknown(name)
        return state

    def versions(self, name: str) -> tuple[int, ...]:
        """Return the versions of a model, the oldest first.

        Raises:
            UnknownNameError: there is no such model.
        """
        return self.state(name).versions

    def latest(self, name: str) -> int:
        """Return the newest version of a model.

        Raises:
            UnknownNameError: there is no such model.
        """
        return self.versions(name)[-1]

    def manifest(self, name: str, version: int) -> Manifest:
        """Return the manifest of a version.

        Raises:
            UnknownNameError: there is no such model or version.
        """
        versions = self.versions(name)
        content = self._store.read(_key(name, version)) if version in versions else None
        if content is None:
            raise unknown_name(
                f"version of the model {name!r} called", str(version), map(str, versions)
            )
        return Manifest.from_bytes(content)

    def _missing(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the blobs of a manifest that are not stored; the others stay for a day."""
        # The marks first and then the blobs, see maasnb.registry.marks.
        marked = self.marks.digests()
        return tuple(
            blob.digest
            for blob in manifest.blobs
            if (blob.digest in marked and not self.marks.claim(blob.digest))
            or not self.has_blob(blob.digest)
        )

    def _state(self, name: str) -> ModelState:
        times = self._times(name)
        content = self._store.read(_traffic_key(name)) if times else None
        plan = Plan() if content is None else Plan.from_bytes(content)
        visible = {number: times[number] for number in plan.visible(tuple(times))}
        return ModelState(name=name, times=visible, plan=plan)

    def _times(self, name: str) -> dict[int, float]:
        """Return when each version was made, also those that were unpublished."""
        times = {}
        for entry in self._store.entries(f"{MODELS}/{name}"):
            number, _, file = entry.key.removeprefix(f"{MODELS}/{name}/").partition("/")
            whole = number.isascii() and number.isdecimal() and number == str(int(number))
            if whole and file == MANIFEST_FILE:
                times[int(number)] = entry.time_s
        return times

    def _show_again(self, name: str, version: int, by: str) -> None:
        def operation(plan: Plan, _: tuple[int, ...]) -> Plan:
            return show(plan, version, stamp(by)) if version in plan.hidden else plan

        self.change(name, operation)

    def _unknown(self, name: str) -> UnknownNameError:
        return unknown_name("model", name, self.names(), "Publish it: publish(run, 'name')")


def open_registry(workspace: Path, store: str | None = None) -> Registry:
    """Return the registry of a workspace folder.

    Args:
        workspace: the folder; the registry is below it unless `store` says otherwise.
        store: another folder, or the address of an object store as `s3://bucket/prefix`; by default
            what MAASNB_STORE names, if anything.

    Raises:
        OptionError: the address cannot be used.
        MissingPackageError: the object store's package is not installed.
    """
    place = os.environ.get(STORE_VARIABLE, "") if store is None else store
    uploads = workspace / REGISTRY_FOLDER / UPLOADS
    if place.startswith(SCHEMES):
        return Registry(ObjectsStore(place), uploads)
    folder = Path(place).expanduser().absolute() if place else workspace / REGISTRY_FOLDER
    # On the store's own disk, so that a blob that is complete need not be copied.
    return Registry(FolderStore(folder), folder / UPLOADS)


def stamp(by: str) -> Stamp:
    """Return what is written beside a change that is made now."""
    return Stamp(time_s=round(time.time(), 3), by=by)


def _not_stored(digest: str) -> ArtifactError:
    message = f"The blob {digest} is not in the registry. Publish the run again."
    return ArtifactError(message)


def _traffic_key(name: str) -> str:
    return f"{MODELS}/{name}/{TRAFFIC_FILE}"


def _verdicts(manifest: Manifest) -> str:
    return f"{VERDICTS}/{GATE_VERSION}/{digest_of(manifest.to_bytes())}"


def _key(name: str, version: int) -> str:
    return f"{MODELS}/{name}/{version}/{MANIFEST_FILE}"


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except MaasError:
        return False
    return True
