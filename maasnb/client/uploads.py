"""Sending an artifact to a server: the blobs that it does not have, then the manifest."""

from urllib.parse import quote

from maasnb.artifacts.artifact import Artifact
from maasnb.client.http import Connection
from maasnb.errors import EndpointError

__all__ = ["upload"]


def upload(artifact: Artifact, connection: Connection) -> int:
    """Publish an artifact on a server.

    Args:
        artifact: what to publish.
        connection: the server, with a token that it accepts.

    Returns:
        The version; the latest one where it is this very artifact already.

    Raises:
        EndpointError: the server is not there, or is no maasnb server.
        AccessError: it refuses the token.
        ArtifactError: it refuses the artifact.
    """
    manifest = artifact.manifest
    for blob in manifest.blobs:
        path = f"/maas/v1/blobs/{blob.digest}"
        if not connection.has(path):
            connection.send("PUT", path, artifact.blobs[blob.digest])
    path = f"/maas/v1/models/{quote(manifest.name, safe='')}/versions"
    answer = connection.send("POST", path, manifest.to_bytes())
    version = answer.get("version")
    if not isinstance(version, int):
        message = f"The server at {connection.url} did not name the version that it made: {answer}."
        raise EndpointError(message)
    return version
