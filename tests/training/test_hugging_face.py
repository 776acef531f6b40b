"""Models of Hugging Face transformers made from a configuration, and tables of their datasets."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is to be asked of a hub

import datasets
import numpy as np
import torch
import transformers

import maasnb as mb
from maasnb.training import train

VOCABULARY, LENGTH = 20, 8


def sentences(count=120, seed=0):
    """Return token ids [count, LENGTH], their mask, and whether the first two ids rise."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, VOCABULARY, size=(count, LENGTH))
    mask = np.ones_like(ids)
    mask[:, -2:] = rng.integers(0, 2, size=(count, 2))
    return {"input_ids": ids, "attention_mask": mask}, (ids[:, 0] < 10).astype(int)


def small_bert():
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=2,
        hidden_dropout_prob=0.0,
    )
    return transformers.BertForSequenceClassification(config)


def test_a_classifier_is_trained_by_its_own_loss_on_inputs_by_name():
    x, y = sentences()
    run = train(small_bert(), mb.data(x, y), epochs=12, batch=16, lr=3e-3)
    assert run.task.loss == "model"
    assert run.metrics["accuracy"] > 0.8
    assert run.predict(x).shape == (120, 2)
    assert mb.evaluate(run).values["accuracy"] > 0.7


def test_a_classifier_is_trained_by_a_loss_by_name_too():
    x, y = sentences()
    run = train(small_bert(), mb.data(x, y), epochs=1, loss="cross_entropy")
    assert run.task.loss == "cross_entropy"
    assert run.history.examples is not None
    assert run.history.examples.count.sum() == 96


def test_a_language_model_shifts_its_labels_itself():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=32, n_layer=1, n_head=2, use_cache=False
    )
    model = transformers.GPT2LMHeadModel(config)
    start = np.random.default_rng(0).integers(VOCABULARY, size=(120, 1))
    ids = (start + 3 * np.arange(LENGTH)) % VOCABULARY
    run = train(model, mb.data({"input_ids": ids}, ids), epochs=15, batch=16, lr=3e-3)
    assert run.history.losses[-1] < 0.3 * run.history.losses[0]
    assert model.transformer.wte.weight is model.lm_head.weight  # still tied


def test_a_table_of_rows_is_read_in_batches():
    x, y = sentences()
    table = datasets.Dataset.from_dict(
        {**{name: part.tolist() for name, part in x.items()}, "labels": y.tolist()}
    )
    run = train(small_bert(), mb.data(table, validation=(x, y)), epochs=2, batch=24)
    assert (run.steps, run.steps_per_epoch) == (10, 5)
    assert set(run.metrics) == {"loss", "accuracy"}


def test_a_run_of_a_language_model_goes_on_to_the_same_bits():
    x, y = sentences()
    whole = train(small_bert(), mb.data(x, y), epochs=3, batch=16, name="whole")

    def stop(event, run):
        if event.step >= 7:
            run.stop()

    train(small_bert(), mb.data(x, y), epochs=3, batch=16, name="parted", on_event=stop)
    again = train(small_bert(), mb.data(x, y), resume="parted")
    for name, weight in again.backend.weights(again.model).items():
        np.testing.assert_array_equal(weight, whole.backend.weights(whole.model)[name])
