"""The models that a server answers with: loaded at their first request, then kept."""

import asyncio
import collections
import dataclasses

import numpy as np

from maasnb.artifacts.distributions import Summary
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import EndpointError
from maasnb.registry.models import Registry
from maasnb.runtimes.served import ServedModel, load, read_golden
from maasnb.serve.batching import Batcher, measure_cost
from maasnb.serve.gate import Gate

__all__ = ["LoadedModel", "Models"]

MOST_LOADED = 32


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        name: its name.
        version: its version.
        served: what answers.
        example: the first golden example's values, flat.
        batcher: the queue of requests that wait for it.
        summary: how its training data was distributed; None where that is not known.
    """

    name: str
    version: int
    served: ServedModel
    example: tuple[float | int | bool | str, ...]
    batcher: Batcher
    summary: Summary | None = None

    @property
    def manifest(self) -> Manifest:
        """Return the model's manifest."""
        return self.served.manifest


class Models:
    """Loaded models by name and version."""

    def __init__(self, registry: Registry, formats: tuple[str, ...], gate: Gate) -> None:
        """Take the registry, the program formats that this server runs, and what checks them."""
        self.registry = registry
        self._gate = gate
        self.formats = formats
        self._loaded: collections.OrderedDict[tuple[str, int], LoadedModel] = (
            collections.OrderedDict()
        )
        self._loading = asyncio.Lock()
        self._unloaded: set[str] = set()

    @property
    def count(self) -> int:
        """Return how many versions are in memory."""
        return len(self._loaded)

    def ready(self, name: str, version: int) -> LoadedModel | None:
        """Return a model if it is in memory and not unloaded."""
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
            EndpointError: the model was unloaded.
        """
        if name in self._unloaded:
            message = (
                f"The model {name!r} was unloaded from this server; expected it to be loaded "
                f"again first. Type: POST /v2/repository/models/{name}/load"
            )
            raise EndpointError(message)
        loaded = self.ready(name, version)
        if loaded is not None:
            return loaded
        manifest = await asyncio.to_thread(self.registry.manifest, name, version)
        # It passed when it was published, unless an older maasnb or one of other formats took it.
        await self._gate.verify(manifest)
        async with self._loading:
            loaded = self.ready(name, version)
            if loaded is None:
                loaded = await asyncio.to_thread(self._load, name, version)
                if name not in self._unloaded:
                    self._keep(loaded)
        return loaded

    def unloaded(self, name: str) -> bool:
        """Say whether a model was unloaded and not loaded again."""
        return name in self._unloaded

    def allow(self, name: str) -> None:
        """Let a model that was unloaded answer again; the next request loads it anew."""
        self._drop(name)
        self._unloaded.discard(name)

    def unload(self, name: str) -> None:
        """Take a model out of memory; it answers no more until `allow`."""
        self._drop(name)
        self._unloaded.add(name)

    def _drop(self, name: str) -> None:
        for key in [key for key in self._loaded if key[0] == name]:
            del self._loaded[key]

    def _load(self, name: str, version: int) -> LoadedModel:
        manifest = self.registry.manifest(name, version)
        blobs = self.registry.blobs(manifest)
        golden = read_golden(manifest, blobs[manifest.golden.digest])
        served = load(manifest, blobs, self.formats)
        example = np.asarray(golden.inputs[manifest.input.name][0]).ravel().tolist()
        batcher = Batcher(served, measure_cost(served, golden))
        known = manifest.summary
        summary = None if known is None else Summary.from_bytes(blobs[known.digest])
        return LoadedModel(name, version, served, tuple(example), batcher, summary)

    def _keep(self, loaded: LoadedModel) -> None:
        self._loaded[loaded.name, loaded.version] = loaded
        while len(self._loaded) > MOST_LOADED:
            self._loaded.popitem(last=False)
