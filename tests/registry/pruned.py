"""A registry in a folder with a clock of its own, and small versions of chosen blobs."""

import dataclasses
import os
import queue
import threading
import time

from maasnb.artifacts.blobs import Blob, digest_of
from maasnb.artifacts.manifest import ProgramEntry
from maasnb.errors import MaasError
from maasnb.registry.folders import FolderStore
from maasnb.registry.marks import Marks
from maasnb.registry.models import Registry
from maasnb.registry.traffic import Stamp, hide
from tests.small_runs import small_artifact

HOUR_S, DAY_S = 3600.0, 24 * 3600.0


class Clock:
    """Tell a time that passes when a test says so."""

    def __init__(self):
        self.now_s = time.time()

    def __call__(self):
        return self.now_s

    def forward(self, days):
        self.now_s += days * DAY_S


class DatedStore(FolderStore):
    """A folder whose files are as old as a clock says."""

    def __init__(self, folder, clock):
        super().__init__(folder)
        self._clock = clock

    def create(self, key, content):
        created = super().create(key, content)
        if created:
            os.utime(self.folder / key, (self._clock(), self._clock()))
        return created

    def adopt(self, key, path):
        created = super().adopt(key, path)
        if created:
            os.utime(self.folder / key, (self._clock(), self._clock()))
        return created


class WatchedStore:
    """A store that says before each operation that it comes."""

    def __init__(self, store, before):
        self._store, self._before = store, before

    def __getattr__(self, name):
        operation = getattr(self._store, name)

        def watched(*arguments):
            self._before()
            return operation(*arguments)

        return watched


def dated_registry(folder, clock, before=None, pause=lambda _: None):
    """Return a registry in a folder that lives by a clock; `before` is called before each step."""
    store = DatedStore(folder, clock)
    if before is not None:
        store = WatchedStore(store, before)
    return Registry(store, folder / "uploads", Marks(store, clock, pause))


def manifest_of(*contents, name="small"):
    """Return a manifest that needs the given contents: a program, weights and golden pairs."""
    blobs = [Blob(digest=digest_of(each), size_bytes=len(each)) for each in contents]
    return dataclasses.replace(
        small_artifact().manifest,
        name=name,
        programs=(ProgramEntry(format="onnx", blob=blobs[0]),),
        weights=blobs[1 % len(blobs)],
        golden=blobs[2 % len(blobs)],
        card=None,
        summary=None,
    )


def send(registry, *contents, name="small"):
    """Publish as a client does: ask for each blob, send what is not there, then the manifest."""
    missing = [each for each in contents if not registry.keep_blob(digest_of(each))]
    for each in missing:
        registry.put_blob(digest_of(each), each)
    return registry.publish(manifest_of(*contents, name=name)).version


def unpublish(registry, version, name="small"):
    who = Stamp(time_s=registry.marks.clock(), by="ann")
    registry.change(name, lambda plan, versions: hide(plan, versions, version, who))


def restore(registry, version, name="small"):
    who = Stamp(time_s=registry.marks.clock(), by="ann")
    registry.restore(name, version, who)


def blobs_of(registry):
    """Return the digests of the blobs that are stored."""
    return {entry.key.rpartition("/")[2] for entry in registry.store.entries("blobs")}


def assert_whole(registry):
    """Every listed version has all its blobs, and they have their digests."""
    for state in registry.states():
        for version in state.versions:
            for digest, content in registry.blobs(registry.manifest(state.name, version)).items():
                assert digest_of(content) == digest


class Turns:
    """Run several works in threads, of which one takes a step at a time, in a given order."""

    def __init__(self):
        self._go, self._came, self._threads = {}, queue.Queue(), {}
        self._failures = []

    def add(self, who, work):
        """Add a work, which is given what it must call before each step."""
        self._go[who] = threading.Semaphore(0)

        def before():
            self._came.put(who)
            assert self._go[who].acquire(timeout=60)

        def run():
            try:
                work(before)
            except MaasError:
                pass  # refused in words
            except BaseException as error:  # noqa: BLE001 - raised where the steps are taken
                self._failures.append(error)
            finally:
                self._threads[who] = None
                self._came.put(who)

        thread = self._threads[who] = threading.Thread(target=run, daemon=True)
        thread.start()
        self._came.get(timeout=60)

    def steps(self, who, count=100_000):
        """Have a work take so many steps, or all that are left; return how many it took."""
        for taken in range(count):
            if self._threads[who] is None:
                return taken
            self._go[who].release()
            self._came.get(timeout=60)
            for failure in self._failures:
                raise failure
        return count
