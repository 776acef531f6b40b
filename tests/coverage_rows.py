"""What maasnb is to cover, row by row: the subjects of a course on models as services."""

import dataclasses
from typing import Literal

__all__ = ["ROWS", "Row"]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Hold one subject.

    Attributes:
        id: what cells are tagged and tests are marked with.
        what: the subject, in words.
        models: whether it is about models, so that it must work in both frameworks.
        when: whether it is there, or comes later.
    """

    id: str
    what: str
    models: bool = False
    when: Literal["now", "later"] = "now"


ROWS = (
    Row("A1", "layers, weights and biases; a model's parameters and memory, counted", models=True),
    Row("A2", "the activations sigmoid, tanh, ReLU and softmax", models=True),
    Row("A3", "multilayer perceptrons", models=True),
    Row("A4", "convolutional networks, in the layout that each framework wants", models=True),
    Row("A5", "recurrent networks and GRUs", models=True),
    Row("A6", "LSTMs: every state or the last one, stacked", models=True),
    Row("A7", "Transformers, causal or not", models=True),
    Row("A8", "embeddings, dropout, layer and batch normalisation", models=True),
    Row("A9", "choosing an architecture: runs in one table and one chart", models=True),
    Row("A10", "modules of one's own, trained as they are", models=True),
    Row("A11", "linen, Equinox, pure functions and Keras models", models=True, when="later"),
    Row("B1", "collecting, cleaning and preparing data; what is missing or twice is told"),
    Row("B2", "standardising, scaling and one-hot, fitted on the training split alone"),
    Row("B3", "seeded, stratified splits for training, validation and test"),
    Row("B4", "text as bags of words, TF-IDF, tokens, embeddings and characters; Chinese too"),
    Row("B5", "augmentation of the training split"),
    Row("B6", "balance between classes, by repeated examples or by weights"),
    Row("B7", "data beyond memory: shards, compression, caching"),
    Row("B8", "bias between groups in the data", when="later"),
    Row("C1", "one step by hand: forward, loss, backward, update", models=True),
    Row("C2", "gradient descent, mini-batches, momentum, RMSprop, Adam, AdamW", models=True),
    Row("C3", "learning rates: found, scheduled, warmed up, set while it trains", models=True),
    Row("C4", "when to stop: epochs, steps, no improvement, a target", models=True),
    Row("C5", "L1 and L2 penalties, weight decay, dropout", models=True),
    Row("C6", "squared, absolute and cross-entropy losses, and a loss of one's own", models=True),
    Row("C7", "clipped and accumulated gradients, bfloat16, compilation", models=True),
    Row("C8", "people in the loop: pause, change, fork, roll back, stop", models=True),
    Row("C9", "overfitting, seen as the gap between training and validation", models=True),
    Row("C10", "pretrained models: loaded, partly frozen, trained on", models=True),
    Row("C11", "several devices of one machine", models=True, when="later"),
    Row("C12", "many machines, and many runs at once", models=True, when="later"),
    Row("D1", "accuracy, precision, recall, F1, confusion; measures of regression"),
    Row("D2", "explanations by LIME, SHAP and integrated gradients", when="later"),
    Row("D3", "differential privacy", when="later"),
    Row("D4", "tokens and TLS; signatures and encryption of models come later"),
    Row("D5", "federated learning", when="later"),
    Row("D6", "fairness between groups, and its mending", when="later"),
    Row("D7", "a model card with each version; policies that demand one come later"),
    Row("D8", "the energy and carbon of runs and endpoints", when="later"),
    Row("E1", "a model used over the network, on somebody else's machine"),
    Row("E2", "save, load, predict", models=True),
    Row("E3", "deploy and run", models=True),
    Row("E4", "quantising and pruning, with the loss that they cost", when="later"),
    Row("E5", "versions, aliases, the way back, comparisons"),
    Row("E6", "monitoring: latency, rate, errors, drift of the inputs"),
    Row("E7", "shared machines: batching and limits; the price of a call comes later"),
    Row("E8", "five cells from data to an endpoint that answers"),
    Row("E9", "endpoints on several machines", when="later"),
    Row("E10", "text written over an API shaped as OpenAI's, while it is written"),
    Row("F1", "text classification, English and Chinese", models=True),
    Row("F2", "text generation by an LSTM and by a Transformer", models=True),
    Row("F3", "image recognition", models=True),
    Row("F4", "tables: medicine and regression", models=True),
    Row("F5", "recommendation, translation, speech", models=True, when="later"),
    Row("S0", "article 1: embedding, LSTM, dropout and softmax", models=True),
    Row("S1", "article 2: a small binary classifier, saved, loaded and asked", models=True),
    Row("S2", "article 3: prepare, build, train by three descents and two penalties", models=True),
    Row("S3", "article 4: an embedding and two LSTMs, watched by validation data", models=True),
    Row("S4", "article 5: three dense layers, trained, loaded and asked", models=True),
)
"""Every subject, in the order of the course."""
