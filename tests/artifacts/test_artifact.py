import dataclasses

import pytest

from maasnb.artifacts.artifact import Artifact, read, write
from maasnb.artifacts.blobs import digest_of
from maasnb.errors import ArtifactError
from tests.small_runs import small_artifact


def test_an_artifact_comes_back_from_its_folder(tmp_path):
    artifact = small_artifact()
    assert read(write(artifact, tmp_path / "frozen")) == artifact


def test_every_file_of_the_folder_is_named_by_its_digest_or_is_the_manifest_or_the_card(tmp_path):
    folder = write(small_artifact(), tmp_path / "frozen")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "blobs",
        "manifest.json",
    ]
    for path in (folder / "blobs").iterdir():
        assert path.name == digest_of(path.read_bytes())


def test_a_flipped_bit_in_a_blob_is_found(tmp_path):
    folder = write(small_artifact(), tmp_path / "frozen")
    path = folder / "blobs" / small_artifact().manifest.weights.digest
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="is damaged"):
        read(folder)


def test_a_folder_without_a_blob_is_refused(tmp_path):
    folder = write(small_artifact(), tmp_path / "frozen")
    (folder / "blobs" / small_artifact().manifest.golden.digest).unlink()
    with pytest.raises(ArtifactError, match="holds no whole artifact"):
        read(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"expected manifest\.json"):
        read(tmp_path / "nowhere")


def test_an_artifact_without_a_blob_cannot_be_made():
    artifact = small_artifact()
    with pytest.raises(ArtifactError, match="is missing"):
        Artifact(manifest=artifact.manifest, blobs={})


def test_a_blob_of_another_size_than_the_manifest_says_is_refused():
    artifact = small_artifact()
    weights = dataclasses.replace(artifact.manifest.weights, size_bytes=1)
    manifest = dataclasses.replace(artifact.manifest, weights=weights)
    with pytest.raises(ArtifactError, match="is damaged"):
        Artifact(manifest=manifest, blobs=artifact.blobs)
