"""An artifact in memory, and its folder: `manifest.json` and one file for each blob."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from maasnb.artifacts.blobs import digest_of
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError
from maasnb.settings import writable_folder

__all__ = ["MANIFEST_FILE", "Artifact", "read", "write"]

MANIFEST_FILE = "manifest.json"
BLOBS_FOLDER = "blobs"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Hold a frozen run: its manifest and the bytes of its blobs by digest."""

    manifest: Manifest
    blobs: Mapping[str, bytes]

    def __post_init__(self) -> None:
        """Check that every blob of the manifest is here and is what its digest says.

        Raises:
            ArtifactError: a blob is missing or damaged.
        """
        for blob in self.manifest.blobs:
            content = self.blobs.get(blob.digest)
            if content is None:
                message = f"The blob {blob.digest} is missing. Publish the run again."
                raise ArtifactError(message)
            if len(content) != blob.size_bytes or digest_of(content) != blob.digest:
                message = (
                    f"The blob {blob.digest} is damaged: its {len(content)} bytes have the digest "
                    f"{digest_of(content)}. Publish the run again."
                )
                raise ArtifactError(message)


def write(artifact: Artifact, folder: Path) -> Path:
    """Write an artifact into a folder; the manifest comes last, so a folder that has one is whole.

    Args:
        artifact: what to write.
        folder: where; made where it does not exist.

    Returns:
        The folder.

    Raises:
        WorkspaceError: the folder cannot be written.
    """
    blobs = writable_folder(folder / BLOBS_FOLDER)
    for blob in artifact.manifest.blobs:
        (blobs / blob.digest).write_bytes(artifact.blobs[blob.digest])
    (folder / MANIFEST_FILE).write_bytes(artifact.manifest.to_bytes())
    return folder


def read(folder: Path) -> Artifact:
    """Read the artifact that `write` wrote, and check every digest.

    Raises:
        ArtifactError: there is none, or it is not whole.
    """
    try:
        manifest = Manifest.from_bytes((folder / MANIFEST_FILE).read_bytes())
        blobs = {
            blob.digest: (folder / BLOBS_FOLDER / blob.digest).read_bytes()
            for blob in manifest.blobs
        }
    except OSError as error:
        message = (
            f"The folder {str(folder)!r} holds no whole artifact ({error.strerror}: "
            f"{error.filename!r}); expected {MANIFEST_FILE} and its blobs. Publish the run again."
        )
        raise ArtifactError(message) from error
    return Artifact(manifest=manifest, blobs=blobs)
