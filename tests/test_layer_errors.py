"""What a layer that does not fit says: the actual value, what was expected, what to type."""

import json

import numpy as np
import pytest

import maasnb as mb
from maasnb.errors import OptionError, ShapeError, UnknownNameError
from maasnb.layers import (
    GRU,
    LSTM,
    Attention,
    BatchNorm,
    Conv,
    Dense,
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
    Spec,
    Transformer,
    make_spec,
    parse_layers,
)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Input(64), Conv(8, 3)], r"conv1: Conv got .* \(64,\).*image.*Put Reshape\(\(8, 8\)\)"),
        ([Input(63), Conv(8, 3)], r"conv1: Conv got .* \(63,\).*sequence \[length, channels\]\.$"),
        (
            [Input((4, 4, 1)), Conv(8, 5, padding="valid")],
            r"conv1: .*kernel=\(5, 5\).*larger than .*\(4, 4, 1\).*at most \(4, 4\).*\"same\"",
        ),
        ([Input((4, 4, 1)), Conv(8, (3,))], r"kernel=\(3,\) for .*\(4, 4, 1\), which are an image"),
        ([Input((9, 8)), Conv(8, (3, 3)), Conv(8, (3,))], "conv2: .*expected one number, or 2"),
        (
            [Input((8, 8)), Pool(2), Pool(2), Pool(2), Pool(2)],
            r"pool4: Pool has size=\(2, 2\), which is larger than .*\(1, 1, 1\)",
        ),
        ([Input(8), GlobalPool()], r"GlobalPool got .*\(8,\); expected an image"),
        (
            [Input(8), Reshape((3, 3))],
            r"reshape1: .*\(8,\) the shape \(3, 3\): 8 numbers are not 9",
        ),
        (
            [Input(8), LSTM(4)],
            r"lstm1: LSTM got .*\(8,\); expected a sequence .*Put Embed\(2000, 64",
        ),
        ([Input((8, 8, 3)), GRU(4)], r"gru1: GRU got .*\(8, 8, 3\); expected a sequence"),
        ([Input((5, 4)), LSTM(4), LSTM(4)], r"lstm2: LSTM got .*\(4,\)"),
        ([Input((5, 6)), Attention(4)], r"heads=4, .*width 6 .*expected one of 1, 2, 3, 6"),
        (
            [Input((5, 6)), Transformer(8)],
            r"transformer1: .*width=8.*\(5, 6\).*expected \(5, 8\).*Transformer\(6\)",
        ),
        (
            [Input(4), Residual([Dense(3)])],
            r"residual1: The layers of Residual turn .*\(4,\) into \(3,\); expected the same shape",
        ),
        (
            [Input(4), Parallel([Dense(3)], [Dense(2)], join="add")],
            r"Parallel end with branch1 \(3,\), branch2 \(2,\); expected the same shape",
        ),
        (
            [Input((4, 4, 1)), Parallel([Flatten()], [Conv(3)])],
            r"expected shapes that differ in the last axis alone.*Flatten\(\) or GlobalPool\(\)",
        ),
        ([Inputs(a=[Dense(3)])], "a: The number of inputs is not known"),
        (
            [Inputs(a=[Input(3)], b=[Input((4, 4)), Conv(3)])],
            r"inputs1: The branches of Inputs end with a \(3,\), b \(4, 4, 3\)",
        ),
    ],
)
def test_a_layer_that_does_not_fit_what_is_before_it_is_named(layers, message):
    with pytest.raises(ShapeError, match=message):
        make_spec(layers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(0), "Conv got filters=0; expected a whole number"),
        (lambda: Conv(8, (3, 3, 3)), r"Conv got kernel=\(3, 3, 3\); expected a whole number"),
        (lambda: Conv(8, 3, padding="full"), "padding='full'; expected one of 'same', 'valid'"),
        (lambda: Conv(8, 3, stride=0), "Conv got stride=0"),
        (lambda: Pool(2, "median"), "Pool got how='median'; expected one of 'max', 'mean'"),
        (lambda: GlobalPool("sum"), "GlobalPool got how='sum'"),
        (lambda: Embed(10, 0), "Embed got width=0"),
        (lambda: Embed(10, 4, padding=1), "Embed got padding=1; expected True or False"),
        (lambda: LSTM(4, sequences="yes"), "LSTM got sequences='yes'; expected True or False"),
        (lambda: GRU(4, layers=65), "GRU got layers=65; expected at most 64"),
        (lambda: Attention(0), "Attention got heads=0"),
        (
            lambda: Transformer(8, heads=3),
            "heads=3, which do not divide its width 8; .* 1, 2, 4, 8",
        ),
        (lambda: Transformer(8, dropout=1), "Transformer got dropout=1; expected 0 <= dropout < 1"),
        (lambda: Transformer(8, positions="rotary"), "positions='rotary'; expected one of 'learn"),
        (lambda: Transformer(9, heads=3, positions="sinusoidal"), "odd width 9"),
        (lambda: Residual([]), "Residual got an empty list; expected at least one layer"),
        (lambda: Residual([3]), "Residual got 3 among its layers; expected a layer, as Dense"),
        (lambda: Residual("Dense"), "Residual got 'Dense'; expected a list of layers"),
        (lambda: Residual([Input(4)]), "Input cannot stand there inside Residual"),
        (lambda: Parallel([Dense(3)]), "Parallel got 1 branches; expected at least 2"),
        (lambda: Parallel([Dense(3)], [Dense(3)], join="mul"), "join='mul'; expected one of"),
        (lambda: Inputs(), "Inputs got no branches"),
        (lambda: Inputs(mask=[Dense(3)]), "cannot call an input 'mask'"),
        (lambda: Inputs(a=[Inputs(b=[Dense(3)])]), "Inputs cannot stand there inside Inputs"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(make, message):
    with pytest.raises(OptionError, match=message):
        make()


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"layer": "dense", "width": 3}, OptionError, "Dense has no field width; it has:"),
        ({"layer": "dense"}, OptionError, "no fields of Dense"),
        ({"layer": "conv", "filters": "4"}, OptionError, "Conv got filters='4'"),
        ({"layer": "conv", "filters": 4, "kernel": [3, {}]}, OptionError, "Conv got kernel="),
        ({"layer": "residual", "layers": [{"layer": "denes"}]}, UnknownNameError, "'dense'"),
        ({"layer": "parallel", "branches": 3}, OptionError, "no fields of a layer 'parallel'"),
        ({"layer": "inputs", "branches": {"self": []}}, (OptionError, TypeError), "self"),
    ],
)
def test_json_that_is_no_layer_is_refused(fields, error, message):
    with pytest.raises(error, match=message):
        Spec.from_json({"input": [4], "layers": [fields]})


def test_json_with_layers_too_deep_in_each_other_is_refused():
    fields = {"layer": "flatten"}
    for _ in range(40):
        fields = {"layer": "residual", "layers": [fields]}
    with pytest.raises(OptionError, match="more than 32 deep"):
        Spec.from_json({"input": [4], "layers": [fields]})


def test_a_cell_may_have_layers_inside_layers():
    text = """
Conv(8, 3, "relu")
Residual([
    Conv(8, 3, "relu"),
    BatchNorm,
    mb.Conv(8, size),
])
Parallel([GlobalPool()], [Flatten, Dense(4)], join="concat")
"""
    assert parse_layers(text, {"size": 5}) == (
        Conv(8, 3, "relu"),
        Residual([Conv(8, 3, "relu"), BatchNorm(), Conv(8, 5)]),
        Parallel([GlobalPool()], [Flatten(), Dense(4)]),
    )


def test_a_variable_may_hold_layers():
    block = [LayerNorm(), Attention(2)]
    assert parse_layers("Residual(block)", {"block": block}) == (Residual(block),)


def test_a_mistake_inside_a_list_is_one_message():
    with pytest.raises(UnknownNameError, match="no layer 'Danse'. Did you mean 'Dense'"):
        parse_layers("Residual([Danse(4)])")
    with pytest.raises(OptionError, match="Conv got filters='x'"):
        parse_layers("Parallel([Conv('x')], [Flatten])")


def test_data_of_several_parts_asks_for_inputs():
    data = mb.data({"table": np.zeros((20, 3)), "image": np.zeros((20, 4, 4))}, np.arange(20) % 2)
    with pytest.raises(
        ShapeError, match=r"several parts \(table, image\).*Inputs\(table=\[\.\.\.\]"
    ):
        mb.build([Dense(3)], data=data)
    with pytest.raises(ShapeError, match="Inputs names a, but the data has table, image"):
        mb.build([Inputs(a=[Dense(3)])], data=data)


def test_inputs_for_data_of_one_part_are_refused():
    data = mb.data(np.zeros((20, 3)), np.arange(20) % 2)
    with pytest.raises(ShapeError, match=r"Inputs names a, but the data has one of shape \(3,\)"):
        mb.build([Inputs(a=[Dense(3)])], data=data)


def test_sizes_and_rates_of_numpy_are_taken_as_python_s_own():
    layers = [
        mb.Dense(np.int64(3)),
        mb.Conv(np.int32(2), (np.int64(3), 3)),
        mb.Dropout(np.float64(0.5)),
        mb.Dropout(np.float32(0.5)),
        mb.Embed(np.int64(9), 2),
        mb.LSTM(np.uint8(4)),
        mb.Transformer(np.int64(8), dropout=np.float32(0.5)),
        mb.Input(tuple(np.array([2, 3]))),
    ]
    assert "np." not in " ".join(layer.source() for layer in layers)
    assert json.dumps([layer.to_json() for layer in layers])
    assert parse_layers("Dense(n)", {"n": np.int64(3)}) == (mb.Dense(3),)


@pytest.mark.parametrize("value", [np.bool_(True), np.float64(3), 3.0, True, np.int64(0)])
def test_what_is_no_size_stays_none(value):
    with pytest.raises(OptionError, match="expected a whole number of at least 1"):
        mb.Dense(value)
