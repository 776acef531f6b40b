"""The models that a server answers with: loaded at their first request, then kept.

The newest version of a name is looked up in the registry at most once a second, because another
server on the same workspace may have published one.
"""

import asyncio
import collections
import dataclasses
import time

from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError
from maasnb.registry.models import Published, Registry
from maasnb.runtimes.served import ServedModel, difference, load, read_golden

__all__ = ["UPLOAD_TOLERANCE", "LoadedModel", "Models"]

UPLOAD_TOLERANCE = 1e-4
MOST_LOADED = 32
LATEST_KNOWN_FOR_S = 1.0
# Up to here an answer takes less time than handing it to a thread and back (about 100 us).
INLINE_NUMBERS = 1 << 15


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        name: its name.
        version: its version.
        served: what answers.
        example: the first golden example's values, flat.
    """

    name: str
    version: int
    served: ServedModel
    example: tuple[float | int | bool, ...]

    @property
    def manifest(self) -> Manifest:
        """Return the model's manifest."""
        return self.served.manifest

    def inline(self, rows: int, numbers: int) -> bool:
        """Say whether a request is so small that it is answered on the event loop."""
        return numbers <= INLINE_NUMBERS and self.served.prompt(rows)


class Models:
    """Loaded models by name and version."""

    def __init__(self, registry: Registry, formats: tuple[str, ...]) -> None:
        """Take the registry, and the program formats that this server runs."""
        self.registry = registry
        self.formats = formats
        self._loaded: collections.OrderedDict[tuple[str, int], LoadedModel] = (
            collections.OrderedDict()
        )
        self._latest: dict[str, tuple[int, float]] = {}
        self._loading = asyncio.Lock()

    def latest(self, name: str) -> int:
        """Return the version that is served by default.

        Raises:
            UnknownNameError: there is no such model.
        """
        now = time.monotonic()
        version, known_until = self._latest.get(name, (0, 0.0))
        if now >= known_until:
            version = self.registry.latest(name)
            self._latest[name] = (version, now + LATEST_KNOWN_FOR_S)
        return version

    def ready(self, name: str, version: int | None) -> LoadedModel | None:
        """Return a model if it is in memory.

        Raises:
            UnknownNameError: there is no such model.
        """
        key = (name, version or self.latest(name))
        loaded = self._loaded.get(key)
        if loaded is not None:
            self._loaded.move_to_end(key)
        return loaded

    async def get(self, name: str, version: int | None) -> LoadedModel:
        """Return a model, loading it in a thread where it is not in memory.

        Raises:
            UnknownNameError: there is no such model or version.
            ArtifactError: it cannot run here.
        """
        loaded = self.ready(name, version)
        if loaded is not None:
            return loaded
        async with self._loading:
            number = version or self.latest(name)
            loaded = self.ready(name, number)
            if loaded is None:
                loaded = await asyncio.to_thread(self._load, name, number)
                self._keep(loaded)
        return loaded

    async def publish(self, manifest: Manifest) -> Published:
        """Check an uploaded artifact by running it, and make it a version only then.

        Raises:
            ArtifactError: a blob is missing, or the program fails on the golden pairs.
        """
        served, example = await asyncio.to_thread(self._verified, manifest)
        published = await asyncio.to_thread(self.registry.publish, manifest)
        self._latest.pop(manifest.name, None)
        self._keep(LoadedModel(published.name, published.version, served, example))
        return published

    def _load(self, name: str, version: int) -> LoadedModel:
        manifest = self.registry.manifest(name, version)
        blobs = self.registry.blobs(manifest)
        golden = read_golden(manifest, blobs[manifest.golden.digest])
        served = load(manifest, blobs, self.formats)
        example = golden.inputs[manifest.input.name][0].ravel().tolist()
        return LoadedModel(name, version, served, tuple(example))

    def _verified(self, manifest: Manifest) -> tuple[ServedModel, tuple[float | int | bool, ...]]:
        blobs = self.registry.blobs(manifest)
        golden = read_golden(manifest, blobs[manifest.golden.digest])
        served = load(manifest, blobs, self.formats)
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
        return served, tuple(golden.inputs[manifest.input.name][0].ravel().tolist())

    def _keep(self, loaded: LoadedModel) -> None:
        self._loaded[loaded.name, loaded.version] = loaded
        while len(self._loaded) > MOST_LOADED:
            self._loaded.popitem(last=False)
