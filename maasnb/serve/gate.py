"""The gate: an uploaded artifact is run on its own golden pairs before it becomes a version."""

import asyncio

from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError
from maasnb.runtimes.served import difference, load, read_golden
from maasnb.serve.services import Services

__all__ = ["UPLOAD_TOLERANCE", "verify"]

UPLOAD_TOLERANCE = 1e-4


async def verify(services: Services, manifest: Manifest) -> None:
    """Pass if an uploaded artifact is whole and answers as the notebook did.

    Args:
        services: the server's parts; the artifact's blobs are in its registry.
        manifest: the artifact.

    Raises:
        ArtifactError: a blob is missing, or the program is refused or fails on the golden pairs.
    """
    await asyncio.to_thread(_run, services, manifest)


def _run(services: Services, manifest: Manifest) -> None:
    blobs = services.models.registry.blobs(manifest)
    golden = read_golden(manifest, blobs[manifest.golden.digest])
    served = load(manifest, blobs, services.models.formats)
    for rows in {1, golden.count}:
        try:
            found = difference(served, golden.rows(rows))
        except ArtifactError:
            raise
        except Exception as error:
            message = (
                f"The program of {manifest.name!r} fails on its own golden examples "
                f"({error!s:.300}). Publish the run again."
            )
            raise ArtifactError(message) from error
        if found.largest > UPLOAD_TOLERANCE:
            message = (
                f"The program of {manifest.name!r} does not answer as the notebook did: "
                f"{found.tensor!r} differs by {found.largest:.3g} on its golden examples; "
                f"expected at most {UPLOAD_TOLERANCE:g}. Publish the run again."
            )
            raise ArtifactError(message)
