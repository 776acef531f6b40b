"""Sending an artifact to a server: the blobs that it does not have, then the manifest.

A blob is sent in pieces. Where the connection breaks, the server is asked how much of it arrived
and gets the rest.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

from maasnb.artifacts.artifact import Artifact
from maasnb.client.http import Connection
from maasnb.errors import ConflictError, EndpointError

__all__ = ["Uploaded", "upload"]

PIECE_BYTES = 256 << 10
MOST_TRIES = 6
"""How often a blob is tried again without getting any further."""
FIRST_WAIT_S = 0.1

Told = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """Say what sending an artifact led to.

    Attributes:
        version: the version that it is.
        created: False where the newest version was this very artifact already.
        sent_bytes: how many bytes of blobs were sent; those that the server had are not.
    """

    version: int
    created: bool
    sent_bytes: int


def upload(
    artifact: Artifact,
    connection: Connection,
    *,
    alias: str | None = None,
    told: Told | None = None,
) -> Uploaded:
    """Publish an artifact on a server.

    Args:
        artifact: what to publish.
        connection: the server, with a token that it accepts.
        alias: what to point to the version, such as `"prod"`; None for nothing.
        told: is told how many of how many bytes were sent, while they are.

    Returns:
        The version; the latest one where it is this very artifact already.

    Raises:
        EndpointError: the server is not there, or is no maasnb server.
        AccessError: it refuses the token.
        ArtifactError: it refuses the artifact.
        ConflictError: the alias was moved by somebody else meanwhile.
    """
    manifest = artifact.manifest
    sizes = {blob.digest: blob.size_bytes for blob in manifest.blobs}
    missing = [digest for digest in sizes if not connection.stored(_blob_path(digest))[0]]
    total, sent = sum(sizes[digest] for digest in missing), 0
    for digest in missing:
        before = sent

        def tell(arrived: int, before: int = before) -> None:
            if told is not None:
                told(before + arrived, total)

        _send_blob(connection, digest, artifact.blobs[digest], tell)
        sent += sizes[digest]
    path = f"/maas/v1/models/{quote(manifest.name, safe='')}/versions"
    if alias is not None:
        path += f"?alias={quote(alias, safe='')}"
    answer = connection.send("POST", path, manifest.to_bytes())
    version = answer.get("version")
    if not isinstance(version, int):
        message = f"The server at {connection.url} did not name the version that it made: {answer}."
        raise EndpointError(message)
    return Uploaded(version=version, created=answer.get("created") is True, sent_bytes=sent)


def _send_blob(
    connection: Connection, digest: str, content: bytes, tell: Callable[[int], None]
) -> None:
    path, tries, furthest = _blob_path(digest), 0, 0
    while True:
        stored, offset = connection.stored(path)
        if stored:
            return
        # All of it may be there and yet not stored, where the server was killed in between.
        offset = min(offset, max(0, len(content) - 1))
        tries = 0 if offset > furthest else tries
        furthest = max(offset, furthest)
        try:
            connection.put_from(path, offset, len(content), _pieces(content, offset, tell))
        except (EndpointError, ConflictError) as error:
            tries += 1
            failed = isinstance(error, EndpointError) and not error.lost
            if failed or tries >= MOST_TRIES:
                raise
            time.sleep(FIRST_WAIT_S * 2**tries)


def _pieces(content: bytes, offset: int, tell: Callable[[int], None]) -> Iterator[bytes]:
    view = memoryview(content)
    for start in range(offset, len(content), PIECE_BYTES):
        tell(start)
        yield bytes(view[start : start + PIECE_BYTES])
    tell(len(content))


def _blob_path(digest: str) -> str:
    return f"/maas/v1/blobs/{digest}"
