"""The card is what model hubs read, says what was measured, and its commands work."""

import dataclasses
import subprocess

import pytest
from huggingface_hub import ModelCard

from maasnb.artifacts.card import pipeline_tag
from maasnb.artifacts.freezing import freeze
from maasnb.publishing import publish
from maasnb.serve.embedded import stop_server
from maasnb.serve.tokens import workspace_token
from maasnb.study.evaluation import evaluate
from tests.small_runs import changed, small_artifact, small_run


def card_of(artifact):
    return artifact.blobs[artifact.manifest.card.digest].decode()


def test_model_hubs_read_the_front_matter():
    card = ModelCard(card_of(small_artifact()), ignore_metadata_errors=False)
    assert card.data.library_name == "pytorch"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.tags == ["maasnb", "onnx"]
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.dataset_split) == ("digits", "test")
    assert result.metric_type == "accuracy"
    expected = evaluate(small_run())["accuracy"]
    assert result.metric_value == pytest.approx(expected, abs=5e-4)


def test_a_regression_and_a_jax_model_have_their_own_words():
    card = ModelCard(card_of(small_artifact("jax", "diabetes")), ignore_metadata_errors=False)
    assert (card.data.library_name, card.data.pipeline_tag) == ("flax", "tabular-regression")
    assert card.data.tags == ["maasnb", "onnx", "stablehlo"]
    assert {each.metric_type for each in card.data.eval_results} == {"mae", "r2"}
    assert "estimates 1 value" in card.text


@pytest.mark.coverage("D7")
def test_the_card_says_what_it_is_of_what_data_how_good_and_where_it_ends():
    card = card_of(small_artifact())
    run = small_run()
    assert "tells 10 classes apart" in card
    assert f"{len(run.data.train):,} train" in card
    assert run.data.fingerprint in card
    assert "| accuracy | test |" in card
    assert "It always names one of its 10 classes" in card
    assert "`pixel_0_2` 0 to " in card
    assert run.environment["torch"] in card


def test_a_class_with_few_examples_is_named():
    run = small_run()
    train = dataclasses.replace(run.data.train, y=run.data.train.y.clip(0, 8))
    rare = dataclasses.replace(run.data, train=train)
    assert "few training examples: `9` (0)." in card_of(freeze(changed(run, data=rare), "small"))


def test_the_code_of_the_model_and_the_cell_are_shown_once_each_and_stay_code():
    code = {
        "model": "class Net:\n    '''A net.'''\n",
        "cell": "```\nmb.train(net)\n",
        "commit": "0",
    }
    card = card_of(freeze(changed(small_run(), code=code), "small"))
    assert "The code of the model:\n\n```python\nclass Net:" in card
    assert "````python\n```\nmb.train(net)\n````" in card
    twice = {"model": "one_cell()", "cell": "one_cell()"}
    assert card_of(freeze(changed(small_run(), code=twice), "small")).count("one_cell()") == 1


def test_names_with_marks_of_markdown_stay_names():
    labels = ("<b>`x`|\n# no", *small_run().task.labels[1:])
    task = dataclasses.replace(small_run().task, labels=labels)
    assert "`<b>'x'| # no`" in card_of(freeze(changed(small_run(), task=task), "small"))


def test_the_command_on_the_card_works_as_it_is(workspace, monkeypatch):
    try:
        endpoint = publish(small_run(), "small")
        lines = card_of(small_artifact()).partition("```bash\n")[2].partition("\n```")[0]
        monkeypatch.setenv("MAASNB_URL", endpoint.server)
        monkeypatch.setenv("MAASNB_TOKEN", workspace_token(workspace))
        done = subprocess.run(["bash", "-c", lines], check=True, capture_output=True)
    finally:
        stop_server(workspace)
    assert b'"probabilities"' in done.stdout


@pytest.mark.parametrize(
    ("changes", "shape", "tag"),
    [
        ({}, (10,), "tabular-classification"),
        ({}, (28, 28, 1), "image-classification"),
        ({"takes": "int32"}, (12,), "text-classification"),
        ({"takes": "int32", "positions": (12,)}, (12,), "token-classification"),
        ({"kind": "regression", "loss": "mse", "labels": ()}, (10,), "tabular-regression"),
        ({"kind": "regression", "loss": "mse", "labels": ()}, (30, 4), ""),
        ({"kind": "own"}, (10,), ""),
    ],
)
def test_a_task_is_called_as_model_hubs_call_it(changes, shape, tag):
    task = dataclasses.replace(small_run().task, **changes)
    assert pipeline_tag(task, shape, ()) == tag
