"""A small model for each layer and each of its options, and inputs for it."""

import numpy as np

from maasnb.layers import (
    ACTIVATIONS,
    GRU,
    LSTM,
    RNN,
    Activation,
    Attention,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Embed,
    Flatten,
    GlobalPool,
    Input,
    Inputs,
    LayerNorm,
    Parallel,
    Pool,
    Reshape,
    Residual,
    Transformer,
)

TOKENS = [Input(7), Embed(11, 8)]
PADDED = [Input(7), Embed(11, 8, padding=True)]
PICTURE = Input((9, 8, 3))

LAYERED = {
    "dense": [Input(4), Dense(5), Dense(3, bias=False)],
    "dense on each place": [Input((5, 4)), Dense(3, "tanh")],
    **{f"activation {name}": [Input(4), Dense(5), Activation(name)] for name in ACTIVATIONS},
    "conv": [PICTURE, Conv(4, 3, "relu")],
    "conv without padding": [PICTURE, Conv(4, (3, 2), padding="valid", bias=False)],
    "conv with an even kernel": [PICTURE, Conv(4, 4)],
    "conv with a stride": [PICTURE, Conv(4, 3, stride=2)],
    "conv with other strides": [PICTURE, Conv(4, (2, 5), stride=(3, 2))],
    "conv with softmax": [PICTURE, Conv(4, 3, "softmax"), Conv(2, 1)],
    "conv of a picture without channels": [Input((9, 8)), Dropout(0.0), Conv(4, 3)],
    "conv of a sequence": [*TOKENS, Conv(4, 4, "gelu"), Conv(4, 3, stride=2, padding="valid")],
    "conv of a raw sequence": [Input((9, 4)), Conv(4, (3,))],
    "pool": [PICTURE, Conv(4, 3), Pool(2)],
    "pool of a sequence": [*TOKENS, Pool(3, stride=2)],
    "pool with a mean": [PICTURE, Conv(4, 3), Pool((2, 3), "mean", stride=1)],
    "pool of a picture without channels": [Input((9, 8)), Pool(2), Conv(4, 3)],
    "global pool": [PICTURE, Conv(4, 3), GlobalPool()],
    "global pool with a maximum": [PICTURE, Conv(4, 3), GlobalPool("max")],
    "global pool of a padded sequence": [*PADDED, GlobalPool()],
    "global pool of a padded sequence with a maximum": [*PADDED, GlobalPool("max")],
    "flatten": [PICTURE, Conv(4, 3), Flatten(), Dense(3)],
    "reshape": [Input(36), Reshape((6, 6)), Conv(4, 3), Reshape(144), Dense(3)],
    "embed": [*TOKENS, Flatten(), Dense(3)],
    **{
        f"{kind.__name__} {text}": [*before, kind(5, **options)]
        for kind in (RNN, GRU, LSTM)
        for text, before, options in (
            ("last", TOKENS, {}),
            ("sequences", TOKENS, {"sequences": True}),
            ("stacked", TOKENS, {"layers": 2}),
            ("bidirectional", TOKENS, {"bidirectional": True, "layers": 2}),
            ("padded", PADDED, {}),
            ("padded, bidirectional", PADDED, {"bidirectional": True, "layers": 2}),
            ("padded sequences", PADDED, {"bidirectional": True, "sequences": True}),
        )
    },
    "LSTM behind a padded LSTM": [*PADDED, LSTM(5, sequences=True), Dropout(0.0), LSTM(4)],
    "attention": [*TOKENS, Attention(2)],
    "attention, causal": [*TOKENS, Attention(4, causal=True)],
    "attention, padded": [*PADDED, Attention(2)],
    "attention, padded and causal": [*PADDED, Attention(2, causal=True)],
    "transformer": [*TOKENS, Transformer(8, heads=2)],
    "transformer, causal": [*TOKENS, Transformer(8, heads=2, layers=2, causal=True, hidden=12)],
    "transformer, padded": [*PADDED, Transformer(8, heads=2, layers=2)],
    "transformer, sinusoidal": [*PADDED, Transformer(8, heads=2, positions="sinusoidal")],
    "transformer without positions": [*TOKENS, Transformer(8, heads=2, positions=None)],
    "layer norm": [Input((5, 4)), LayerNorm()],
    "layer norm of a picture": [PICTURE, Conv(4, 3), LayerNorm()],
    "batch norm": [Input(4), BatchNorm()],
    "batch norm of a picture": [PICTURE, Conv(4, 3), BatchNorm(), Activation("relu"), Conv(2, 3)],
    "batch norm of a sequence": [*TOKENS, BatchNorm()],
    "residual": [Input(4), Residual([Dense(6, "relu"), Dense(4)])],
    "residual of a picture": [PICTURE, Conv(4, 3), Residual([Conv(4, 3, "relu"), Conv(4, 3)])],
    "residual with a norm": [PICTURE, Conv(4, 3), Residual([LayerNorm(), Conv(4, 1)]), Pool(2)],
    "residual, padded": [*PADDED, Residual([LayerNorm(), Attention(2)]), GlobalPool()],
    "parallel": [Input(4), Parallel([Dense(3, "relu")], [Dense(2), Activation("tanh")])],
    "parallel, added": [Input(4), Parallel([Dense(3)], [Dense(3)], [Dense(3)], join="add")],
    "parallel of a picture": [
        PICTURE,
        Conv(4, 3),
        Parallel([Conv(2, 1)], [Conv(3, 5, "relu")], [Dense(2)]),
        Conv(2, 3),
    ],
    "parallel to vectors": [
        PICTURE,
        Conv(4, 3),
        Parallel([GlobalPool()], [Flatten(), Dense(3)]),
        Dense(3),
    ],
    "parallel, padded": [*PADDED, Parallel([LSTM(3)], [Attention(2), GlobalPool()])],
    "parallel inside residual": [
        Input(4),
        Residual([Parallel([Dense(2)], [Residual([Dense(4)]), Dense(2)])]),
    ],
    "several inputs": [
        Inputs(
            table=[Input(4), Dense(3, "relu")],
            text=[Input(7), Embed(11, 8, padding=True), GRU(5)],
            image=[Input((8, 8)), Conv(4, 3), Pool(2), Flatten()],
        ),
        Dense(6, "relu"),
        Dense(3),
    ],
    "several inputs, added": [
        Inputs(a=[Input(3)], b=[Input(3), Dense(3)], join="add"),
        Dense(3),
    ],
}
"""A text -> layers."""


def inputs_for(spec, rows=6, seed=0):
    """Return inputs of a spec: tokens where an `Embed` takes them, else numbers."""
    random = np.random.default_rng(seed)
    if spec.parts is not None:
        branches = dict(spec.layers[0].branches)
        return {
            name: _inputs(random, (rows, *shape), branches[name])
            for name, shape in spec.parts.items()
        }
    return _inputs(random, (rows, *spec.shape), spec.layers)


def _inputs(random, shape, layers):
    if not layers or not isinstance(layers[0], Embed):
        return random.normal(0, 1, shape).astype(np.float32)
    tokens = random.integers(1, layers[0].tokens, shape).astype(np.int32)
    for row in range(len(tokens)):  # the first is all padding, the last has the most that is real
        tokens[row, row + 1 if row else 0 :] = 0
    return tokens
