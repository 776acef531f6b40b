"""Layers as plain data: what `mb.build` and the `%%maas build` cell turn into a native module.

A layer is a frozen dataclass that knows its output shape and its JSON form; a `Spec` is the shape
of one input and a sequence of layers. Each backend holds a table from these classes to modules of
its own library.
"""

from maasnb.layers.attention import Attention, Transformer
from maasnb.layers.composition import Inputs, Parallel, Residual
from maasnb.layers.convolution import Conv, GlobalPool, Pool
from maasnb.layers.dense import Activation, Dense, Dropout, Input
from maasnb.layers.layer import ACTIVATIONS, Layer, Shape
from maasnb.layers.normalization import BatchNorm, LayerNorm
from maasnb.layers.parsing import parse_layers
from maasnb.layers.recurrent import GRU, LSTM, RNN, Embed, Recurrent
from maasnb.layers.shaping import Flatten, Reshape
from maasnb.layers.spec import LAYERS, Spec, Step, make_spec, names_of

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LAYERS",
    "LSTM",
    "RNN",
    "Activation",
    "Attention",
    "BatchNorm",
    "Conv",
    "Dense",
    "Dropout",
    "Embed",
    "Flatten",
    "GlobalPool",
    "Input",
    "Inputs",
    "Layer",
    "LayerNorm",
    "Parallel",
    "Pool",
    "Recurrent",
    "Reshape",
    "Residual",
    "Shape",
    "Spec",
    "Step",
    "Transformer",
    "make_spec",
    "names_of",
    "parse_layers",
]
