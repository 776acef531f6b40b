"""Published models: a name, its versions 1, 2, ..., and the blobs that they share.

Keys: `blobs/sha256/<digest>` and `models/<name>/<version>/manifest.json`. A version is created in
one step, after its blobs, so a version that is listed is whole.
"""

import dataclasses
from pathlib import Path

from maasnb.artifacts.artifact import MANIFEST_FILE
from maasnb.artifacts.blobs import check_digest, digest_of
from maasnb.artifacts.manifest import Manifest, check_name
from maasnb.errors import ArtifactError, MaasError, unknown_name
from maasnb.registry.folders import FolderStore
from maasnb.registry.store import Store

__all__ = ["REGISTRY_FOLDER", "Published", "Registry", "open_registry"]

REGISTRY_FOLDER = "registry"
MODELS = "models"
BLOBS = "blobs/sha256"


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


class Registry:
    """Names, versions and blobs in a store."""

    def __init__(self, store: Store) -> None:
        """Take the store."""
        self._store = store

    def has_blob(self, digest: str) -> bool:
        """Say whether a blob is stored."""
        return self._store.exists(f"{BLOBS}/{check_digest(digest)}")

    def put_blob(self, digest: str, content: bytes) -> bool:
        """Store a blob; return whether it was new.

        Raises:
            ArtifactError: the content has another digest.
        """
        check_digest(digest)
        found = digest_of(content)
        if found != digest:
            message = (
                f"The {len(content)} bytes sent as blob {digest} have the digest {found}; they "
                "were damaged on the way. Publish again."
            )
            raise ArtifactError(message)
        return self._store.create(f"{BLOBS}/{digest}", content)

    def blob(self, digest: str) -> bytes:
        """Return a blob.

        Raises:
            ArtifactError: it is not stored.
        """
        content = self._store.read(f"{BLOBS}/{check_digest(digest)}")
        if content is None:
            message = f"The blob {digest} is not in the registry. Publish the run again."
            raise ArtifactError(message)
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

    def publish(self, manifest: Manifest) -> Published:
        """Make a manifest the next version of its name, unless it is the latest version already.

        Raises:
            ArtifactError: a blob is not stored.
        """
        for blob in manifest.blobs:
            if not self.has_blob(blob.digest):
                self.blob(blob.digest)
        content = manifest.to_bytes()
        while True:
            latest = max(self._versions(manifest.name), default=0)
            if latest and self._store.read(_key(manifest.name, latest)) == content:
                return Published(name=manifest.name, version=latest, created=False)
            # Where another publisher takes the number first, look again.
            if self._store.create(_key(manifest.name, latest + 1), content):
                return Published(name=manifest.name, version=latest + 1, created=True)

    def names(self) -> tuple[str, ...]:
        """Return the names of the models that have a version, sorted."""
        return tuple(
            name for name in self._store.names(MODELS) if _is_name(name) and self._versions(name)
        )

    def versions(self, name: str) -> tuple[int, ...]:
        """Return the versions of a model, the oldest first.

        Raises:
            UnknownNameError: there is no such model.
        """
        versions = self._versions(name) if _is_name(name) else ()
        if not versions:
            raise unknown_name("model", name, self.names(), "Publish it: publish(run, 'name')")
        return versions

    def latest(self, name: str) -> int:
        """Return the newest version of a model, which is served by default.

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

    def _versions(self, name: str) -> tuple[int, ...]:
        numbers = (
            int(entry)
            for entry in self._store.names(f"{MODELS}/{name}")
            if entry.isdecimal() and entry.isascii() and entry == str(int(entry))
        )
        return tuple(number for number in sorted(numbers) if self._store.exists(_key(name, number)))


def open_registry(workspace: Path) -> Registry:
    """Return the registry of a workspace folder."""
    return Registry(FolderStore(workspace / REGISTRY_FOLDER))


def _key(name: str, version: int) -> str:
    return f"{MODELS}/{name}/{version}/{MANIFEST_FILE}"


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except MaasError:
        return False
    return True
