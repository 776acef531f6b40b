"""What a server counted for a model: requests, errors, latencies, batches, drift."""

from typing import Any
from urllib.parse import quote

from maasnb.client.http import Connection
from maasnb.errors import EndpointError

__all__ = ["fetch_stats"]


def fetch_stats(connection: Connection, name: str) -> dict[str, Any]:
    """Return what a server counted for a model since it started, by version.

    Args:
        connection: the server.
        name: the model's name.

    Raises:
        UnknownNameError: the server has no such model, or is no maasnb server.
        EndpointError: the server is not there, or answers something else.
    """
    found = connection.get(f"/maas/v1/models/{quote(name, safe='')}/stats")
    versions = found.get("versions")
    if not isinstance(versions, list) or not all(isinstance(each, dict) for each in versions):
        message = (
            f"The statistics of {connection.url} cannot be used ({found!s:.100}); expected those "
            "of a maasnb server of the same version."
        )
        raise EndpointError(message)
    return found
