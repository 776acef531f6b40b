"""The models that a server answers with: loaded at their first request, then kept."""

import asyncio
import collections
import dataclasses

import numpy as np

from maasnb.artifacts.manifest import Manifest
from maasnb.registry.models import Registry
from maasnb.runtimes.served import ServedModel, load, read_golden

__all__ = ["LoadedModel", "Models"]

MOST_LOADED = 32
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
    example: tuple[float | int | bool | str, ...]

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
        self._loading = asyncio.Lock()

    @property
    def count(self) -> int:
        """Return how many versions are in memory."""
        return len(self._loaded)

    def ready(self, name: str, version: int) -> LoadedModel | None:
        """Return a model if it is in memory."""
        key = (name, version)
        loaded = self._loaded.get(key)
        if loaded is not None:
            self._loaded.move_to_end(key)
        return loaded

    async def get(self, name: str, version: int) -> LoadedModel:
        """Return a model, loading it in a thread where it is not in memory.

        Raises:
            UnknownNameError: there is no such model or version.
            ArtifactError: it cannot run here.
        """
        loaded = self.ready(name, version)
        if loaded is not None:
            return loaded
        async with self._loading:
            loaded = self.ready(name, version)
            if loaded is None:
                loaded = await asyncio.to_thread(self._load, name, version)
                self._keep(loaded)
        return loaded

    def _load(self, name: str, version: int) -> LoadedModel:
        manifest = self.registry.manifest(name, version)
        blobs = self.registry.blobs(manifest)
        golden = read_golden(manifest, blobs[manifest.golden.digest])
        served = load(manifest, blobs, self.formats)
        example = np.asarray(golden.inputs[manifest.input.name][0]).ravel().tolist()
        return LoadedModel(name, version, served, tuple(example))

    def _keep(self, loaded: LoadedModel) -> None:
        self._loaded[loaded.name, loaded.version] = loaded
        while len(self._loaded) > MOST_LOADED:
            self._loaded.popitem(last=False)
