"""Getting an artifact back from a server: the manifest of one version, then its blobs.

Nothing larger than the manifest says is read, every digest is checked, and nothing of it is run.
"""

from urllib.parse import quote

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.manifest import LARGEST_MANIFEST_BYTES, Manifest
from maasnb.client.endpoint import Endpoint
from maasnb.errors import EndpointError

__all__ = ["download"]


def download(endpoint: Endpoint) -> Artifact:
    """Return the artifact of the version that an endpoint stands for.

    Args:
        endpoint: the model on its server; its token must allow to publish the model.

    Raises:
        ForbiddenError: the token allows less.
        ArtifactError: what came is not what the manifest says.
        EndpointError: the server is not there, or is no maasnb server.
    """
    connection = endpoint.connection
    model = f"/maas/v1/models/{quote(endpoint.name, safe='')}"
    # By its number, because an alias may move while the blobs come.
    state = connection.get(model)
    version = state.get("serves") if endpoint.version is None else endpoint.version
    version = (state.get("aliases") or {}).get(version, version)
    place = f"{model}/versions/{quote(str(version), safe='')}"
    manifest = Manifest.from_bytes(connection.content(f"{place}/manifest", LARGEST_MANIFEST_BYTES))
    if manifest.name != endpoint.name:
        message = (
            f"The server at {connection.url} sent the manifest of {manifest.name!r}; expected that "
            f"of {endpoint.name!r}. Ask whoever runs it."
        )
        raise EndpointError(message)
    blobs = {
        blob.digest: connection.content(f"{place}/blobs/{blob.digest}", blob.size_bytes)
        for blob in manifest.blobs
    }
    return Artifact(manifest=manifest, blobs=blobs)
