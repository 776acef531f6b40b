"""Publishing, unpublishing, restoring, pruning and waiting, in any order, by hypothesis."""

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from maasnb.artifacts.blobs import digest_of
from maasnb.errors import ArtifactError, UnknownNameError
from maasnb.registry.pruning import prune
from tests.registry.pruned import (
    Clock,
    assert_whole,
    blobs_of,
    dated_registry,
    manifest_of,
    restore,
    send,
    unpublish,
)

NAMES = st.sampled_from(["digits", "small"])
CONTENTS = [b"one", b"two", b"three", b"four", b"five"]
CHOSEN = st.lists(st.sampled_from(CONTENTS), min_size=1, max_size=3)
VERSIONS = st.integers(1, 6)


class Operating(RuleBasedStateMachine):
    """A registry and what people do with it; a publish may end long after it began."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.registry = dated_registry(Path(self.folder.name) / "store", self.clock)
        self.begun = []

    def teardown(self):
        self.folder.cleanup()

    @rule(name=NAMES, contents=CHOSEN)
    def publish(self, name, contents):
        version = send(self.registry, *contents, name=name)
        assert version in self.registry.versions(name)

    @rule(name=NAMES, contents=CHOSEN)
    def begin_to_publish(self, name, contents):
        missing = [each for each in contents if not self.registry.keep_blob(digest_of(each))]
        for each in missing:
            self.registry.put_blob(digest_of(each), each)
        self.begun.append((self.clock(), name, contents))

    @rule()
    def end_what_was_begun(self):
        while self.begun:
            began_s, name, contents = self.begun.pop()
            try:
                self.registry.publish(manifest_of(*contents, name=name))
            except ArtifactError:
                # Refused in words, and only where it took more than a day.
                assert self.clock() - began_s > 24 * 3600

    @rule(name=NAMES, version=VERSIONS)
    def unpublish_one(self, name, version):
        try:
            unpublish(self.registry, version, name)
        except UnknownNameError:
            assert version not in dict(self.versions()).get(name, ())

    @rule(name=NAMES, version=VERSIONS)
    def restore_one(self, name, version):
        try:
            restore(self.registry, version, name)
        except (UnknownNameError, ArtifactError):  # was not unpublished, or is pruned
            return
        assert version in self.registry.versions(name)

    @rule(hours=st.sampled_from([0.01, 1, 13, 25, 24 * 31]))
    def wait(self, hours):
        self.clock.forward(days=hours / 24)

    @rule(days=st.sampled_from([0, 1, 30]))
    def prune(self, days):
        planned = prune(self.registry, days=days, dry_run=True)
        assert prune(self.registry, days=days) == planned

    @rule()
    def prune_until_nothing_is_left_to_do(self):
        self.begun.clear()
        for _ in range(3):
            self.clock.forward(days=2)
            prune(self.registry, days=0)
        needed = {
            blob.digest
            for name, versions in self.versions()
            for version in versions
            for blob in self.registry.manifest(name, version).blobs
        }
        assert blobs_of(self.registry) == needed
        assert self.registry.store.names("condemned") == ()

    @invariant()
    def every_listed_version_is_whole(self):
        assert_whole(self.registry)

    def versions(self):
        return [(state.name, state.versions) for state in self.registry.states()]


class TestOperating(Operating.TestCase):
    """Without flushes, which here protect against nothing."""

    settings = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )

    def setUp(self):
        self._fsync, os.fsync = os.fsync, lambda _: None
        super().setUp()

    def tearDown(self):
        os.fsync = self._fsync
        super().tearDown()
