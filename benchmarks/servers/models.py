"""The models that are served: trained for a moment, frozen as any run is."""

import dataclasses
import json

import numpy as np

import maasnb as mb
from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.freezing import freeze

__all__ = ["LARGE", "SMALL", "Model", "make_model"]

SMALL = (16, 64, 64, 4)
LARGE = (64, 1024, 1024, 1024, 10)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Hold a model in every form that a server wants.

    Attributes:
        artifact: as maasnb publishes it.
        program: the ONNX program alone.
        body: the request of one example, JSON of the Open Inference Protocol.
        batched: whether the other servers batch too.
    """

    artifact: Artifact
    program: bytes
    body: bytes
    batched: bool = False


def make_model(sizes: tuple[int, ...], *, seed: int = 0, batched: bool = False) -> Model:
    """Return a dense network, from inputs to classes, trained on a little made-up data."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(256, sizes[0])).astype(np.float32)
    y = generator.integers(0, sizes[-1], 256)
    y[: sizes[-1]] = np.arange(sizes[-1])
    data = mb.data(x, y, seed=seed)
    layers = [mb.Dense(width, "relu") for width in sizes[1:-1]]
    net = mb.build([*layers, mb.Dense(sizes[-1])], backend="torch", data=data, seed=seed)
    run = mb.train(net, data, epochs=1, seed=seed)
    artifact = freeze(run, "mlp")
    entry = artifact.manifest.program(("onnx",))
    assert entry is not None
    one = [round(float(number), 4) for number in x[0]]
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, sizes[0]], "data": one}
    body = json.dumps({"inputs": [tensor]}).encode()
    program = artifact.blobs[entry.blob.digest]
    return Model(artifact=artifact, program=program, body=body, batched=batched)
