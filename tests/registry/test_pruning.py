import pytest

from maasnb.artifacts.blobs import digest_of
from maasnb.errors import ArtifactError, ConflictError, OptionError, UnknownNameError
from maasnb.registry.folders import FolderStore
from maasnb.registry.marks import CONDEMNED, DELETING, KEPT, Marks
from maasnb.registry.models import Registry
from maasnb.registry.pruning import prune
from maasnb.registry.traffic import Plan, Stamp, hide
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

PROGRAM, OLD, NEW, GOLDEN = b"a program", b"old weights", b"new weights", b"golden pairs"
OLD_DIGEST = digest_of(OLD)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(tmp_path, clock):
    """A registry in a folder whose files are as old as the clock says."""
    return dated_registry(tmp_path / "store", clock)


@pytest.fixture
def in_each_store(store, tmp_path, clock):
    """A registry in each kind of store; its files are of today, whatever the clock says."""
    return Registry(store, tmp_path / "uploads", Marks(store, clock))


def two_versions_one_unpublished(registry):
    """Publish two versions that share all but their weights, and unpublish the first one."""
    send(registry, PROGRAM, OLD, GOLDEN)
    send(registry, PROGRAM, NEW, GOLDEN)
    unpublish(registry, 1)


def condemn_old_weights(registry, clock):
    two_versions_one_unpublished(registry)
    clock.forward(days=31)
    assert prune(registry).condemned.count == 1
    clock.forward(days=2)


def test_what_listed_versions_need_stays(in_each_store, clock):
    send(in_each_store, PROGRAM, OLD, GOLDEN)
    send(in_each_store, PROGRAM, NEW, GOLDEN)
    clock.forward(days=1000)
    for _ in range(2):
        assert prune(in_each_store).needed.count == 4
        clock.forward(days=2)
    assert_whole(in_each_store)
    assert in_each_store.store.names("condemned") == ()


def test_what_was_unpublished_long_ago_is_condemned_and_deleted_a_day_later(in_each_store, clock):
    two_versions_one_unpublished(in_each_store)
    clock.forward(days=31)
    first = prune(in_each_store)
    assert (first.condemned.count, first.condemned.size_bytes) == (1, len(OLD))
    assert (first.deleted.count, first.due_s) == (0, clock() + 24 * 3600)
    assert in_each_store.has_blob(OLD_DIGEST)
    clock.forward(days=0.9)
    waiting = prune(in_each_store)
    assert (waiting.waiting.count, waiting.deleted.count) == (1, 0)
    assert waiting.due_s == pytest.approx(first.due_s, abs=0.01)
    clock.forward(days=0.2)
    last = prune(in_each_store)
    assert (last.deleted.count, last.deleted.size_bytes, last.needed.count) == (1, len(OLD), 3)
    assert not in_each_store.has_blob(OLD_DIGEST)
    assert_whole(in_each_store)
    assert in_each_store.store.names("condemned") == ()
    assert in_each_store.store.exists("models/small/1/manifest.json")


def test_what_was_unpublished_lately_stays_as_long_as_is_asked_for(registry, clock):
    two_versions_one_unpublished(registry)
    clock.forward(days=29)
    assert prune(registry).needed.count == 4
    assert prune(registry, days=28.5).condemned.count == 1


def test_what_an_unpublished_model_needed_goes_too(registry, clock):
    send(registry, PROGRAM, OLD, GOLDEN)
    unpublish(registry, None)
    clock.forward(days=31)
    assert prune(registry).condemned.count == 3


def test_a_version_whose_history_no_longer_tells_was_unpublished_long_ago(registry, clock):
    two_versions_one_unpublished(registry)
    registry.change("small", lambda plan, _: Plan(hidden=plan.hidden))
    clock.forward(days=2)
    assert prune(registry).condemned.count == 1


def test_unpublished_is_counted_from_the_last_time(registry, clock):
    two_versions_one_unpublished(registry)
    clock.forward(days=20)
    restore(registry, 1)
    unpublish(registry, 1)
    clock.forward(days=20)
    assert prune(registry).needed.count == 4


def test_a_publish_that_never_ended_goes_when_it_is_older_than_a_day(registry, clock):
    registry.put_blob(OLD_DIGEST, OLD)
    clock.forward(days=0.9)
    assert prune(registry).young.count == 1
    assert prune(registry, now=True).young.count == 1
    clock.forward(days=0.2)
    assert prune(registry).condemned.count == 1
    clock.forward(days=1.1)
    assert prune(registry).deleted.count == 1


def test_now_deletes_at_once(in_each_store, clock):
    two_versions_one_unpublished(in_each_store)
    clock.forward(days=31)
    assert prune(in_each_store, now=True).deleted.count == 1
    assert not in_each_store.has_blob(OLD_DIGEST)
    assert in_each_store.store.names("condemned") == ()
    assert_whole(in_each_store)


def test_a_dry_run_says_the_same_and_changes_nothing(registry, clock):
    two_versions_one_unpublished(registry)
    registry.put_blob(digest_of(b"half"), b"half")
    for days in (31, 2):
        clock.forward(days=days)
        before = registry.store.entries("")
        planned = prune(registry, dry_run=True)
        assert registry.store.entries("") == before
        assert planned == prune(registry)
    assert planned.deleted.count == 2


def test_a_new_version_that_needs_a_condemned_blob_saves_it(in_each_store, clock):
    condemn_old_weights(in_each_store, clock)
    assert send(in_each_store, PROGRAM, OLD, GOLDEN, name="other") == 1
    assert prune(in_each_store).deleted.count == 0
    assert_whole(in_each_store)
    assert in_each_store.store.names("condemned") == ()


def test_who_asked_for_a_condemned_blob_has_a_day_and_a_day_to_publish(registry, clock):
    condemn_old_weights(registry, clock)
    assert registry.keep_blob(OLD_DIGEST)
    assert prune(registry).young.count == 1
    clock.forward(days=1.1)
    assert prune(registry).condemned.count == 1
    clock.forward(days=0.9)
    assert prune(registry).waiting.count == 1
    assert registry.publish(manifest_of(PROGRAM, OLD, GOLDEN)).version == 3
    clock.forward(days=5)
    prune(registry)
    assert_whole(registry)


def test_who_asked_for_a_blob_before_it_was_condemned_has_a_day_to_publish(registry, clock):
    two_versions_one_unpublished(registry)
    clock.forward(days=31)
    assert registry.keep_blob(OLD_DIGEST)
    assert prune(registry).condemned.count == 1
    clock.forward(days=0.9)
    assert prune(registry).deleted.count == 0
    assert registry.publish(manifest_of(PROGRAM, OLD, GOLDEN)).version == 3
    clock.forward(days=5)
    prune(registry)
    assert_whole(registry)


def test_a_restored_version_saves_its_blobs(in_each_store, clock):
    condemn_old_weights(in_each_store, clock)
    restore(in_each_store, 1)
    assert prune(in_each_store).deleted.count == 0
    assert in_each_store.versions("small") == (1, 2)
    assert_whole(in_each_store)


def pruned_away(registry, clock, version):
    """Publish a version, unpublish it and delete what it needed."""
    send(registry, PROGRAM, OLD, GOLDEN)
    unpublish(registry, version)
    clock.forward(days=31)
    assert prune(registry, now=True).deleted.count == 3


def test_a_publish_looks_at_each_mark_once_and_at_all_together_once(tmp_path, clock):
    asked = []

    class Asked(FolderStore):
        def read_tagged(self, key):
            asked.append(key)
            return super().read_tagged(key)

        def names(self, prefix):
            asked.append(prefix)
            return super().names(prefix)

    registry = Registry(Asked(tmp_path / "store"), tmp_path / "uploads")
    for _ in range(2):  # sent, and there already
        send(registry, PROGRAM, OLD, GOLDEN)
        marks = [key for key in asked if key.startswith("condemned")]
        asked.clear()
        expected = [f"condemned/{digest_of(each)}" for each in (PROGRAM, OLD, GOLDEN)]
        assert marks == [*expected, "condemned"]


def test_a_version_whose_blobs_were_deleted_is_not_restored(in_each_store, clock):
    pruned_away(in_each_store, clock, 1)
    with pytest.raises(ArtifactError, match=r"3 of its 3 blobs were deleted.*Publish the run"):
        restore(in_each_store, 1)
    with pytest.raises(UnknownNameError):
        in_each_store.state("small")


def test_the_newest_artifact_is_published_again_after_its_blobs_were_deleted(in_each_store, clock):
    pruned_away(in_each_store, clock, 1)
    with pytest.raises(ArtifactError, match="is not in the registry"):
        in_each_store.publish(manifest_of(PROGRAM, OLD, GOLDEN))
    assert send(in_each_store, PROGRAM, OLD, GOLDEN) == 1
    assert in_each_store.versions("small") == (1,)
    assert_whole(in_each_store)


def test_restoring_what_was_never_unpublished_is_refused_as_before(registry):
    send(registry, PROGRAM, OLD, GOLDEN)
    for version in (1, 2):
        with pytest.raises(UnknownNameError, match="no unpublished version"):
            restore(registry, version)
    with pytest.raises(UnknownNameError, match="no model"):
        restore(registry, 1, name="../small")


def test_a_manifest_that_cannot_be_read_ends_the_prune(registry, clock, tmp_path):
    two_versions_one_unpublished(registry)
    (tmp_path / "store/models/small/2/manifest.json").write_text('{"schema": 99}')
    clock.forward(days=31)
    with pytest.raises(ArtifactError, match=r"Nothing more is deleted.*models/small/2/"):
        prune(registry, now=True)
    assert len(blobs_of(registry)) == 4


def test_a_mark_that_cannot_be_read_ends_the_prune(registry, clock):
    two_versions_one_unpublished(registry)
    registry.store.create(f"condemned/{OLD_DIGEST}", b'{"state": "forgiven", "time": 0}')
    clock.forward(days=31)
    with pytest.raises(ArtifactError, match="expected a mark that maasnb wrote"):
        prune(registry, now=True)
    assert registry.has_blob(OLD_DIGEST)


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf")])
def test_a_number_of_days_that_is_none_is_refused(registry, days):
    with pytest.raises(OptionError, match="expected 0 to 999999"):
        prune(registry, days=days)


def test_a_version_that_is_listed_meanwhile_without_a_look_at_marks_keeps_its_blobs(
    registry, clock, monkeypatch
):
    monkeypatch.setattr("maasnb.registry.pruning.BATCH", 1)
    first, second = sorted([b"one", b"two"], key=digest_of)
    for content in (first, second):
        registry.put_blob(digest_of(content), content)
    clock.forward(days=2)

    def list_it(*_):
        registry.store.create("models/small/1/manifest.json", manifest_of(second).to_bytes())

    pruned = prune(registry, now=True, told=list_it)
    assert (pruned.deleted.count, pruned.needed.count) == (1, 1)
    assert_whole(registry)


def test_it_says_how_far_it_is(registry, clock):
    for number in range(250):
        registry.put_blob(digest_of(b"%d" % number), b"%d" % number)
    clock.forward(days=2)
    told = []
    assert prune(registry, told=lambda *told_now: told.append(told_now)).condemned.count == 250
    total = sum(len(b"%d" % number) for number in range(250))
    assert (len(told), told[-1]) == (250, (total, total))


class TestMarks:
    """A blob's mark, step by step."""

    def being_deleted(self, registry):
        """Leave a blob as a prune leaves it that is killed between its swap and the deleting."""
        registry.put_blob(OLD_DIGEST, OLD)
        assert registry.marks.condemn(OLD_DIGEST, None)
        mark = registry.marks.read(OLD_DIGEST)
        assert registry.marks._swap(OLD_DIGEST, DELETING, mark)

    def test_of_a_prune_and_a_publisher_who_saw_the_same_mark_one_succeeds(self, registry):
        registry.put_blob(OLD_DIGEST, OLD)
        registry.marks.condemn(OLD_DIGEST, None)
        seen = registry.marks.read(OLD_DIGEST)
        assert seen.state == CONDEMNED
        assert registry.marks.claim(OLD_DIGEST)
        assert registry.marks.read(OLD_DIGEST).state == KEPT
        assert not registry.marks.delete(OLD_DIGEST, seen)
        assert registry.has_blob(OLD_DIGEST)

    def test_a_blob_that_is_being_deleted_is_not_there(self, registry):
        self.being_deleted(registry)
        assert registry.has_blob(OLD_DIGEST)
        assert not registry.keep_blob(OLD_DIGEST)
        with pytest.raises(ArtifactError, match="is not in the registry"):
            registry.publish(manifest_of(OLD))

    def test_who_stores_it_waits_until_it_is_deleted(self, tmp_path, clock):
        def pause(_):
            registry.store.delete(f"blobs/sha256/{OLD_DIGEST}")
            registry.store.delete(f"condemned/{OLD_DIGEST}")

        registry = dated_registry(tmp_path / "store", clock, pause=pause)
        self.being_deleted(registry)
        assert registry.put_blob(OLD_DIGEST, OLD)
        assert registry.keep_blob(OLD_DIGEST)

    def test_who_stores_it_does_not_wait_for_ever(self, tmp_path, clock):
        waited = []
        registry = dated_registry(tmp_path / "store", clock, pause=waited.append)
        self.being_deleted(registry)
        with pytest.raises(ConflictError, match="Publish again in a moment"):
            registry.put_blob(OLD_DIGEST, OLD)
        assert 0 < sum(waited) < 10

    def test_after_an_hour_who_stores_it_ends_what_a_killed_prune_had_begun(self, registry, clock):
        self.being_deleted(registry)
        clock.forward(days=0.05)
        assert registry.put_blob(OLD_DIGEST, OLD)
        assert registry.keep_blob(OLD_DIGEST)

    def test_after_an_hour_the_next_prune_ends_it(self, registry, clock):
        self.being_deleted(registry)
        assert prune(registry).busy.count == 1
        clock.forward(days=0.05)
        assert prune(registry).deleted.count == 1
        assert blobs_of(registry) == set()
        assert registry.store.names("condemned") == ()

    def test_who_took_long_for_the_swap_does_not_delete(self, tmp_path, clock):
        registry = dated_registry(tmp_path / "store", clock)
        registry.put_blob(OLD_DIGEST, OLD)
        slow = dated_registry(tmp_path / "store", clock, before=lambda: clock.forward(days=0.01))
        assert not slow.marks.delete(OLD_DIGEST, None)
        assert registry.has_blob(OLD_DIGEST)

    def test_a_mark_whose_blob_is_gone_is_taken_away(self, registry, clock):
        registry.marks.condemn(OLD_DIGEST, None)
        clock.forward(days=2)
        prune(registry)
        assert registry.store.names("condemned") == ()

    def test_a_blob_that_was_stored_under_a_mark_that_was_left_stays_for_a_day(
        self, registry, clock
    ):
        registry.marks.condemn(OLD_DIGEST, None)
        clock.forward(days=2)
        registry.put_blob(OLD_DIGEST, OLD)
        assert prune(registry).young.count == 1


def test_what_a_plan_says_of_when_a_version_was_unpublished():
    def at(time_s):
        return Stamp(time_s=time_s, by="ann")

    plan = hide(Plan(), (1, 2, 3), 2, at(10.0))
    assert (plan.hidden_since(2), plan.hidden_since(1)) == (10.0, None)
    assert hide(plan, (1, 3), None, at(20.0)).hidden_since(3) == 20.0
