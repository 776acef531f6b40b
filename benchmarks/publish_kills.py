"""Kill a server at random moments of a publish, start it again, and look at what it lists.

Run `python benchmarks/publish_kills.py --kills 50`. Each trial publishes another artifact over HTTP
and kills the server with SIGKILL meanwhile. After the restart every version that is listed must be
whole (each blob there with its digest, and it answers), and publishing the same once more must
succeed, with the numbers of the versions in a row.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.blobs import Blob, bytes_from_arrays, digest_of
from maasnb.client.endpoint import Endpoint
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.errors import MaasError
from maasnb.registry.models import Registry, open_registry
from maasnb.serve.tokens import workspace_token

WEIGHT_NUMBERS = 500_000


class KilledServer:
    """A server's process that is ended by SIGKILL."""

    def __init__(self, workspace: Path) -> None:
        command = [sys.executable, "-P", "-m", "maasnb", "serve", "--port", "0", "--embedded"]
        self.process = subprocess.Popen(
            [*command, "--workspace", str(workspace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().decode().strip()
        if not self.url:
            message = "The server did not start."
            raise RuntimeError(message)

    def kill(self) -> None:
        """End the process at once, and wait until it has ended."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


@contextlib.contextmanager
def killed_server(workspace: Path) -> Iterator[KilledServer]:
    """Run a server that is killed at the latest at the end."""
    server = KilledServer(workspace)
    try:
        yield server
    finally:
        server.kill()


def variant(artifact: Artifact, number: int) -> Artifact:
    """Return an artifact with weights of its own, so that every publish sends two megabytes."""
    weights = np.random.default_rng(number).normal(size=WEIGHT_NUMBERS).astype(np.float32)
    content = bytes_from_arrays({"weights": weights})
    blob = Blob(digest=digest_of(content), size_bytes=len(content))
    manifest = dataclasses.replace(artifact.manifest, weights=blob, metrics={"accuracy": number})
    return Artifact(manifest=manifest, blobs={**artifact.blobs, blob.digest: content})


def publish(url: str, workspace: Path, artifact: Artifact) -> int:
    """Publish an artifact; return its version."""
    connection = Connection(url, workspace_token(workspace))
    try:
        return upload(artifact, connection, alias="prod").version
    finally:
        connection.close()


def check_whole(registry: Registry, url: str, workspace: Path, name: str) -> int:
    """Check every listed version of a model; return how many there are."""
    if name not in registry.names():
        return 0
    versions = registry.versions(name)
    assert versions == tuple(range(1, len(versions) + 1)), versions
    for version in versions:
        for digest, content in registry.blobs(registry.manifest(name, version)).items():
            assert hashlib.sha256(content).hexdigest() == digest
    endpoint = Endpoint.open(url, workspace_token(workspace), name, version=versions[-1])
    width = endpoint.signature.inputs[0].shape[1]
    assert np.isfinite(endpoint.predict(np.zeros((1, width)))).all()
    return len(versions)


def trials(artifact: Artifact, workspace: Path, kills: int, seed: int) -> list[tuple[float, bool]]:
    """Kill a server that often; return at which second, and whether the publish had succeeded."""
    name, moments = artifact.manifest.name, random.Random(seed)
    registry, results = open_registry(workspace), []
    with killed_server(workspace) as server:
        publish(server.url, workspace, variant(artifact, 0))
        started = time.monotonic()
        publish(server.url, workspace, variant(artifact, 1))
        takes_s = time.monotonic() - started
    published = True
    for number in range(2, kills + 3):
        with killed_server(workspace) as server:
            # What the server that was killed before left: the version before, or it and this one.
            found = check_whole(registry, server.url, workspace, name)
            assert found in (number, number - 1), (found, number)
            assert found == number or not published, "a version that was answered is gone"
            again = variant(artifact, number - 1)
            assert publish(server.url, workspace, again) == number
            if number == kills + 2:
                break
            delay_s = moments.uniform(0, 1.2 * takes_s)
            killer = threading.Timer(delay_s, server.kill)
            killer.start()
            try:
                published = publish(server.url, workspace, variant(artifact, number)) == number + 1
            except MaasError:
                published = False
            killer.join()
        results.append((delay_s, published))
    return results


def main() -> None:
    """Kill and count."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tests.small_runs import small_artifact

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how often (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="fixes the moments (default 0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = trials(small_artifact(), Path(folder) / "maas", options.kills, options.seed)
    moments = [round(1000 * delay_s) for delay_s, _ in results]
    print(
        json.dumps(
            {
                "kills": len(results),
                "whole": len(results),
                "published_before_the_kill": sum(published for _, published in results),
                "killed_after_ms": moments,
            }
        )
    )


if __name__ == "__main__":
    main()
