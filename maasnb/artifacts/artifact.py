"""An artifact in memory, and its folder: `manifest.json`, its card, and a file for each blob."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from maasnb.artifacts.blobs import DIGEST, digest_of
from maasnb.artifacts.manifest import LARGEST_MANIFEST_BYTES, Manifest
from maasnb.errors import ArtifactError, OptionError, WorkspaceError
from maasnb.files import write_whole

__all__ = ["MANIFEST_FILE", "Artifact", "read", "write"]

MANIFEST_FILE = "manifest.json"
BLOBS_FOLDER = "blobs"
CARD_FILE = "README.md"


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
    """Write an artifact into a folder, in place of an older one that is there.

    The manifest comes after the blobs and in one step, so a folder that has one is whole at any
    moment. The card is also there as `README.md`, where people and code hosts look for it.

    Args:
        artifact: what to write.
        folder: where; made where it does not exist.

    Returns:
        The folder.

    Raises:
        OptionError: the folder holds other things.
        WorkspaceError: the folder cannot be written.
    """
    _check_free(folder)
    blobs = folder / BLOBS_FOLDER
    try:
        blobs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = (
            f"The folder {str(folder)!r} cannot be made ({error.strerror or error}). Give the name "
            "of a folder that you may write."
        )
        raise WorkspaceError(message) from error
    for blob in artifact.manifest.blobs:
        path = blobs / blob.digest
        if not path.exists() or digest_of(path.read_bytes()) != blob.digest:
            write_whole(path, artifact.blobs[blob.digest])
    write_whole(folder / MANIFEST_FILE, artifact.manifest.to_bytes())
    card = artifact.manifest.card
    if card is not None:
        write_whole(folder / CARD_FILE, artifact.blobs[card.digest])
    needed = {blob.digest for blob in artifact.manifest.blobs}
    for path in blobs.iterdir():
        if path.name not in needed and DIGEST.match(path.name):
            path.unlink(missing_ok=True)
    return folder


def _check_free(folder: Path) -> None:
    if folder.is_dir():
        free = (folder / MANIFEST_FILE).exists() or not any(folder.iterdir())
    else:
        free = not folder.exists()
    if not free:
        message = (
            f"{str(folder)!r} is no saved model and not empty; nothing was written. "
            "Give the name of a new folder, or of one with a saved model, which is replaced."
        )
        raise OptionError(message)


def read(folder: Path) -> Artifact:
    """Read the artifact that `write` wrote, and check every digest.

    Raises:
        ArtifactError: there is none, or it is not whole.
    """
    try:
        manifest = Manifest.from_bytes(_bytes_of(folder / MANIFEST_FILE, LARGEST_MANIFEST_BYTES))
        blobs = {
            blob.digest: _bytes_of(folder / BLOBS_FOLDER / blob.digest, blob.size_bytes)
            for blob in manifest.blobs
        }
    except OSError as error:
        message = (
            f"The folder {str(folder)!r} holds no whole artifact ({error.strerror}: "
            f"{error.filename!r}); expected {MANIFEST_FILE} and its blobs. Publish the run again."
        )
        raise ArtifactError(message) from error
    return Artifact(manifest=manifest, blobs=blobs)


def _bytes_of(path: Path, most: int) -> bytes:
    """Return a file's bytes; of a larger file than there may be only what tells that it is."""
    with path.open("rb") as file:
        return file.read(most + 1)
