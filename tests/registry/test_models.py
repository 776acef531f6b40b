import dataclasses
import threading
import time

import pytest

from maasnb.errors import ArtifactError, UnknownNameError, WorkspaceError
from maasnb.registry.models import Registry, open_registry, stamp
from maasnb.registry.traffic import hide, move
from tests.small_runs import small_artifact


@pytest.fixture
def registry(store, tmp_path):
    """A registry in each kind of store."""
    return Registry(store, tmp_path / "uploads")


@pytest.fixture
def in_a_folder(workspace):
    return open_registry(workspace)


def stored(registry, **changes):
    """Store an artifact's blobs and return its manifest, with changes."""
    artifact = small_artifact()
    for digest, content in artifact.blobs.items():
        registry.put_blob(digest, content)
    return dataclasses.replace(artifact.manifest, **changes)


def test_versions_count_from_one_and_the_newest_is_the_latest(registry):
    for number in (1, 2, 3):
        published = registry.publish(stored(registry, metrics={"accuracy": number / 10}))
        assert (published.version, published.created) == (number, True)
    assert registry.versions("small") == (1, 2, 3)
    assert registry.latest("small") == 3
    assert registry.manifest("small", 2).metrics == {"accuracy": 0.2}


def test_publishing_the_latest_artifact_again_makes_no_version(registry):
    assert registry.publish(stored(registry)).created
    again = registry.publish(stored(registry))
    assert (again.version, again.created) == (1, False)


def test_publishing_an_older_artifact_again_makes_it_the_newest(registry):
    for accuracy in (0.1, 0.2, 0.1):
        registry.publish(stored(registry, metrics={"accuracy": accuracy}))
    assert registry.versions("small") == (1, 2, 3)


def test_publishers_that_race_get_different_versions(registry):
    manifests = [stored(registry, metrics={"accuracy": number}) for number in range(8)]
    barrier, versions = threading.Barrier(8), []

    def publish(manifest):
        barrier.wait(10)
        versions.append(registry.publish(manifest).version)

    threads = [threading.Thread(target=publish, args=(each,)) for each in manifests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(versions) == list(range(1, 9))
    found = {registry.manifest("small", number).metrics["accuracy"] for number in versions}
    assert found == set(range(8))


def test_a_manifest_whose_blobs_are_not_stored_is_refused(registry):
    with pytest.raises(ArtifactError, match="is not in the registry"):
        registry.publish(small_artifact().manifest)
    assert registry.names() == ()


def test_a_blob_with_another_digest_than_said_is_refused(registry):
    with pytest.raises(ArtifactError, match="have the digest"):
        registry.put_blob("0" * 64, b"something else")
    assert not registry.has_blob("0" * 64)


@pytest.mark.parametrize("digest", ["../../token", "/etc/passwd", ""])
def test_a_digest_that_is_a_path_is_refused(registry, digest):
    for ask in (registry.has_blob, registry.blob):
        with pytest.raises(ArtifactError, match="is no digest"):
            ask(digest)


def test_an_unknown_model_gets_the_nearest_match(registry):
    registry.publish(stored(registry))
    with pytest.raises(UnknownNameError, match="Did you mean 'small'"):
        registry.latest("smal")


@pytest.mark.parametrize("name", ["../models", "..", "", "small/1"])
def test_a_name_that_is_a_path_is_an_unknown_model(registry, name):
    registry.publish(stored(registry))
    with pytest.raises(UnknownNameError, match="no model"):
        registry.versions(name)


def test_an_unknown_version_is_refused_with_those_that_there_are(registry):
    registry.publish(stored(registry))
    with pytest.raises(UnknownNameError, match=r"'small' called '7'.*Known: 1\."):
        registry.manifest("small", 7)


def test_a_folder_without_a_manifest_is_no_version(in_a_folder, workspace):
    registry = in_a_folder
    (workspace / "registry/models/small/1").mkdir(parents=True)
    (workspace / "registry/models/small/junk").mkdir(parents=True)
    assert registry.names() == ()
    assert registry.publish(stored(registry)).version == 1


def test_no_temporary_file_is_left(in_a_folder, workspace):
    registry = in_a_folder
    registry.publish(stored(registry))
    registry.publish(stored(registry))
    assert not list((workspace / "registry").rglob(".part-*"))


def test_a_workspace_that_cannot_be_written_is_said_so(workspace):
    workspace.write_text("a file where the folder should be")
    with pytest.raises(WorkspaceError, match="MAASNB_HOME"):
        open_registry(workspace).put_blob(
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", b""
        )


def promote(registry, version):
    def operation(plan, versions):
        return move(plan, versions, "prod", version, stamp("ann"))

    return registry.change("small", operation)


def unpublish(registry, version):
    def operation(plan, versions):
        return hide(plan, versions, version, stamp("ann"))

    return registry.change("small", operation)


def three_versions(registry):
    for number in (1, 2, 3):
        registry.publish(stored(registry, metrics={"accuracy": number}))


def test_a_state_tells_versions_with_their_times_and_which_one_answers(registry):
    before = time.time()
    three_versions(registry)
    state = registry.state("small")
    assert (state.versions, state.main) == ((1, 2, 3), 3)
    assert all(before - 2 < at < time.time() + 2 for at in state.times.values())
    promote(registry, 2)
    assert registry.state("small").main == 2
    assert [state.name for state in registry.states()] == ["small"]


def test_an_unpublished_version_is_not_there_and_its_number_is_not_given_again(registry):
    three_versions(registry)
    unpublish(registry, 3)
    assert registry.versions("small") == (1, 2)
    with pytest.raises(UnknownNameError, match=r"Known: 1, 2\."):
        registry.manifest("small", 3)
    published = registry.publish(stored(registry, metrics={"accuracy": 4}))
    assert published.version == 4


def test_publishing_the_unpublished_newest_artifact_again_brings_it_back(registry):
    three_versions(registry)
    unpublish(registry, 3)
    again = registry.publish(stored(registry, metrics={"accuracy": 3}))
    assert (again.version, again.created) == (3, False)
    assert registry.versions("small") == (1, 2, 3)


def test_an_unpublished_model_is_not_there_until_it_is_published_again(registry):
    three_versions(registry)
    promote(registry, 2)
    unpublish(registry, None)
    assert registry.names() == ()
    with pytest.raises(UnknownNameError, match="no model 'small'"):
        registry.state("small")
    assert registry.publish(stored(registry, metrics={"accuracy": 4})).version == 4
    state = registry.state("small")
    assert (state.versions, state.main) == ((4,), 4)


def test_changes_at_the_same_time_are_all_kept(registry):
    three_versions(registry)
    barrier = threading.Barrier(6)

    def add(number):
        def operation(plan, versions):
            return move(plan, versions, f"alias{number}", 1 + number % 3, stamp("ann"))

        barrier.wait(10)
        registry.change("small", operation)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    plan = registry.state("small").plan
    assert plan.aliases == {f"alias{number}": 1 + number % 3 for number in range(6)}
    assert len(plan.history) == 6


def test_a_change_of_an_unknown_model_is_refused(registry):
    with pytest.raises(UnknownNameError, match="no model 'small'"):
        promote(registry, 1)


def test_a_damaged_document_is_said_so(in_a_folder, workspace):
    three_versions(in_a_folder)
    promote(in_a_folder, 1)
    (workspace / "registry/models/small/traffic.json").write_text('{"schema": 2}')
    with pytest.raises(ArtifactError, match="has the schema 2, not 1"):
        in_a_folder.state("small")
