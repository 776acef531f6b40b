"""The artifact of a model that writes: texts in, and what a server must know to write with it."""

import json

import numpy as np
import pytest

from maasnb.artifacts.blobs import arrays_from_bytes
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError
from maasnb.runtimes.served import difference, load, read_golden
from maasnb.tensors import unpacked_texts
from tests.small_runs import small_artifact
from tests.text_runs import text_artifact, text_run


def test_a_model_of_text_takes_texts_and_says_that_it_writes(backend):
    manifest = text_artifact(backend.name).manifest
    assert manifest.signature.to_json()["inputs"] == [
        {"name": "x", "datatype": "BYTES", "shape": [-1]}
    ]
    assert manifest.generation == {"context": 16, "unit": "character"}
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert small_artifact().manifest.generation is None


def test_the_golden_texts_are_whole_and_the_program_answers_them(backend):
    artifact = text_artifact(backend.name)
    content = artifact.blobs[artifact.manifest.golden.digest]
    golden = read_golden(artifact.manifest, content)
    assert (
        golden.inputs["x"].tolist() == text_run(backend.name).data.test.x[: golden.count].tolist()
    )
    assert golden.inputs["x"].tolist() == unpacked_texts(arrays_from_bytes(content)["x"].tobytes())
    assert difference(load(artifact.manifest, artifact.blobs), golden).largest < 1e-5


def wrong(**changes):
    data = json.loads(text_artifact().manifest.to_bytes())
    return json.dumps({**data, **changes}).encode()


@pytest.mark.parametrize(
    "generation",
    [{"context": 17, "unit": "character"}, {"context": 16}, [], "text", {"context": 16, "unit": 3}],
)
def test_a_generation_that_does_not_fit_the_recipe_is_refused(generation):
    with pytest.raises(ArtifactError, match="was expected"):
        Manifest.from_bytes(wrong(generation=generation))


def test_a_model_of_numbers_that_says_it_writes_is_refused():
    data = json.loads(small_artifact().manifest.to_bytes())
    data["generation"] = {"context": 64, "unit": "character"}
    with pytest.raises(ArtifactError, match="the context of its recipe's text was expected"):
        Manifest.from_bytes(json.dumps(data).encode())


def test_texts_without_a_recipe_for_them_are_refused():
    with pytest.raises(ArtifactError, match="an input that the recipe takes was expected"):
        Manifest.from_bytes(wrong(recipe=[]))


@pytest.mark.parametrize("content", [b"\x05\0\0\0ab", b"\xff\xff\xff\xff", b"\x01\0\0\0\xff"])
def test_golden_texts_that_are_not_whole_are_refused(content):
    from maasnb.artifacts.blobs import bytes_from_arrays

    artifact = text_artifact()
    golden = arrays_from_bytes(artifact.blobs[artifact.manifest.golden.digest])
    golden["x"] = np.frombuffer(content, np.uint8)
    with pytest.raises(ArtifactError, match="The golden texts cannot be read"):
        read_golden(artifact.manifest, bytes_from_arrays(golden))


def test_the_card_says_that_the_model_writes_and_how_it_is_asked_to(backend):
    artifact = text_artifact(backend.name)
    card = artifact.blobs[artifact.manifest.card.digest].decode()
    assert "pipeline_tag: text-generation" in card
    assert "that writes text" in card
    assert "at each of 16 positions. It knows 19 tokens" in card
    assert '"$MAASNB_URL/v1/completions"' in card
    assert "endpoint.generate(max_tokens=100)" in card
    assert "It always names one of" not in card
