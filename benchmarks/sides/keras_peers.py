"""Keras 3 with layers of its own of the same sizes; the process's KERAS_BACKEND says on what.

A model that was compiled once is trained again from its first weights, so that no run compiles.
"""

import time
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from benchmarks.sides.workloads import CONTEXT, LR, VOCABULARY, Workload

__all__ = ["prepare_keras", "prepare_sixteen"]


def prepare_keras(workload: Workload) -> Callable[[], float]:
    """Return `Model.fit` with one step an execution, the default."""
    return _fitting(workload, at_once=1)


def prepare_sixteen(workload: Workload) -> Callable[[], float]:
    """Return `Model.fit` with 16 steps an execution."""
    return _fitting(workload, at_once=16)


def _fitting(workload: Workload, *, at_once: int) -> Callable[[], float]:
    keras.utils.set_random_seed(0)
    model = _MODELS[workload.name](workload)
    model.compile(
        optimizer=keras.optimizers.Adam(LR),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=at_once,
    )
    model.optimizer.build(model.trainable_variables)
    weights = model.get_weights()
    memory = [variable.numpy() for variable in model.optimizer.variables]

    def run() -> float:
        model.set_weights(weights)
        for variable, first in zip(model.optimizer.variables, memory, strict=True):
            variable.assign(first)
        began = time.perf_counter()
        model.fit(
            workload.inputs,
            workload.targets,
            batch_size=workload.batch,
            epochs=workload.epochs,
            shuffle=True,
            verbose=0,
        )
        return time.perf_counter() - began

    return run


def _perceptron(workload: Workload) -> Any:
    return keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(workload.classes),
        ]
    )


def _text_classifier(workload: Workload) -> Any:
    return keras.Sequential(
        [
            keras.Input((workload.inputs.shape[1],), dtype="int32"),
            layers.Embedding(VOCABULARY, 64),
            layers.LSTM(128, return_sequences=True),
            layers.LSTM(128),
            layers.Dense(workload.classes),
        ]
    )


def _convolutional(workload: Workload) -> Any:
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(workload.classes),
        ]
    )


class Places(layers.Layer):
    """Add what is learnt of each place in the text."""

    def build(self, shape: Any) -> None:
        self.places = self.add_weight(shape=(CONTEXT, shape[-1]), name="places")

    def call(self, x: Any) -> Any:
        return x + self.places


def _tiny_gpt(workload: Workload) -> Any:
    tokens = keras.Input((CONTEXT,), dtype="int32")
    x = Places()(layers.Embedding(workload.classes, 64)(tokens))
    for _ in range(2):
        normal = layers.LayerNormalization(epsilon=1e-5)(x)
        x = x + layers.MultiHeadAttention(4, 16)(normal, normal, use_causal_mask=True)
        wide = layers.Dense(256, activation="gelu")(layers.LayerNormalization(epsilon=1e-5)(x))
        x = x + layers.Dense(64)(wide)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return keras.Model(tokens, layers.Dense(workload.classes)(x))


_MODELS: dict[str, Callable[[Workload], Any]] = {
    "digits-mlp": _perceptron,
    "lstm-text": _text_classifier,
    "cnn": _convolutional,
    "tiny-gpt": _tiny_gpt,
}
