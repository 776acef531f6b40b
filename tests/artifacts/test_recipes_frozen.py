"""Runs on tables and labelled texts become artifacts that answer as the notebook does."""

import json
import re

import numpy as np
import pytest

import maasnb as mb
from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.freezing import freeze
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError, DataError

PEOPLE = {
    "age": [34, 51, None, 28, 67, 45] * 10,
    "city": ["Wien", "Bern", "Wien", "", "Bern", "Rom"] * 10,
    "ill": ["no", "yes", "yes", "no", "yes", "no"] * 10,
}
GAPS = {**{name: PEOPLE[name] for name in ("age", "ill")}, "size": [1.5, None, 2, 3, 1, 0.5] * 10}
REVIEWS = {"text": ["a good film", "not good at all", ""] * 20, "verdict": ["+", "-", "-"] * 20}
WORDS = [mb.Embed(20, 8, padding=True), mb.LSTM(8), mb.Dense(2)]
CASES = {
    "rows": (PEOPLE, "ill", None, [mb.Dense(2)], [["51", "Bern"], ["", "Paris"]]),
    "gaps": (GAPS, "ill", [mb.impute(), mb.standardize()], [mb.Dense(2)], [[51, np.nan], [40, 2]]),
    "bag": (REVIEWS, "verdict", [mb.tfidf()], [mb.Dense(2)], ["good", ""]),
    "tokens": (REVIEWS, "verdict", [mb.tokens(vocab=20)], WORDS, ["good film", ""]),
}


def run_of(name, backend):
    table, target, prep, layers, raw = CASES[name]
    data = mb.data(table, target, prep=prep, name=name)
    model = mb.build(layers, backend=backend.name, data=data)
    return mb.train(model, data, epochs=2), raw


@pytest.mark.coverage("B4", "E2", backends=("torch", "jax"))
@pytest.mark.parametrize("name", CASES)
def test_what_is_saved_answers_as_the_run_does(name, backend, tmp_path):
    run, raw = run_of(name, backend)
    mb.save(run, tmp_path / name)
    saved = mb.load(tmp_path / name)
    np.testing.assert_allclose(saved.predict(raw), run.predict(raw), atol=1e-5)
    np.testing.assert_allclose(saved.predict(run.data.test.x), run.predict(run.data.test.x),
                               atol=1e-5)  # fmt: skip


def test_the_card_of_a_model_that_fills_gaps_has_a_request_that_is_json(backend):
    run, _ = run_of("gaps", backend)
    artifact = freeze(run, "gaps")
    card = artifact.blobs[artifact.manifest.card.digest].decode()
    body = re.search(r"-d '(\{.*?\})'\n", card, re.DOTALL)[1]
    tensor = json.loads(body)["inputs"][0]
    assert (tensor["datatype"], len(tensor["data"])) == ("FP64", 2)
    assert "pipeline_tag: tabular-classification" in card
    assert artifact.manifest.input.gaps
    assert Manifest.from_bytes(artifact.manifest.to_bytes()) == artifact.manifest


def test_the_card_of_a_table_and_of_texts_says_what_they_are(backend):
    run, _ = run_of("rows", backend)
    artifact = freeze(run, "rows")
    card = artifact.blobs[artifact.manifest.card.digest].decode()
    assert "| in | `x` | BYTES | [n, 2] |" in card
    assert "tabular-classification" in card
    texts, _ = run_of("tokens", backend)
    artifact = freeze(texts, "texts")
    card = artifact.blobs[artifact.manifest.card.digest].decode()
    assert "text-classification" in card


@pytest.mark.parametrize(
    ("datatype", "shape"), [("FP64", [-1, 2]), ("BYTES", [-1]), ("BYTES", [-1, 2, 2])]
)
def test_a_manifest_whose_input_the_recipe_cannot_read_is_refused(datatype, shape):
    from maasnb.backends import backend_named

    run, _ = run_of("rows", backend_named("torch"))
    data = json.loads(freeze(run, "rows").manifest.to_bytes())
    data["signature"]["inputs"][0].update(datatype=datatype, shape=shape)
    with pytest.raises(ArtifactError, match="where an input that the recipe takes was expected"):
        Manifest.from_bytes(json.dumps(data).encode())


def test_a_manifest_checks_a_rows_numbers_before_they_are_in_a_batch():
    from maasnb.backends import backend_named

    run, _ = run_of("rows", backend_named("torch"))
    artifact = freeze(run, "rows")
    assert isinstance(artifact, Artifact)
    good = np.array([["", "Rom"]], dtype=object)
    artifact.manifest.check({"x": good})
    with pytest.raises(DataError, match="'age' holds 'x' in row 1"):
        artifact.manifest.check({"x": np.array([["x", "Rom"]], dtype=object)})
