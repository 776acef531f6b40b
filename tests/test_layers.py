"""Layers as plain data: shapes, JSON, and a cell that is read without being run."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maasnb.errors import OptionError, ShapeError, UnknownNameError
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
    Spec,
    Transformer,
    make_spec,
    parse_layers,
)

SIZES = st.integers(1, 9)
ACTIVATION = st.none() | st.sampled_from(ACTIVATIONS)
SIMPLE = st.one_of(
    st.builds(Dense, st.integers(1, 999), ACTIVATION, bias=st.booleans()),
    st.builds(Dropout, st.floats(0, 0.999)),
    st.builds(Activation, st.sampled_from(ACTIVATIONS)),
    st.builds(
        Conv,
        SIZES,
        SIZES | st.tuples(SIZES) | st.tuples(SIZES, SIZES),
        ACTIVATION,
        stride=SIZES,
        padding=st.sampled_from(["same", "valid"]),
        bias=st.booleans(),
    ),
    st.builds(
        Pool,
        SIZES | st.tuples(SIZES, SIZES),
        st.sampled_from(["max", "mean"]),
        stride=st.none() | SIZES,
    ),
    st.builds(GlobalPool, st.sampled_from(["max", "mean"])),
    st.builds(Flatten),
    st.builds(Reshape, st.lists(SIZES, min_size=1, max_size=4).map(tuple)),
    st.builds(Embed, SIZES, SIZES, padding=st.booleans()),
    *(
        st.builds(kind, SIZES, sequences=st.booleans(), bidirectional=st.booleans(), layers=SIZES)
        for kind in (RNN, GRU, LSTM)
    ),
    st.builds(Attention, SIZES, causal=st.booleans()),
    st.builds(
        Transformer,
        st.just(24),
        heads=st.sampled_from([1, 2, 4, 8]),
        layers=SIZES,
        causal=st.booleans(),
        dropout=st.floats(0, 0.9),
        hidden=st.none() | SIZES,
        positions=st.sampled_from(["learned", "sinusoidal", None]),
    ),
    st.builds(LayerNorm),
    st.builds(BatchNorm),
)
SOME = st.lists(SIMPLE, min_size=1, max_size=3)
LAYER = st.one_of(
    SIMPLE,
    st.builds(Residual, SOME),
    st.builds(
        lambda ways, join: Parallel(*ways, join=join),
        st.lists(SOME, min_size=2, max_size=3),
        st.sampled_from(["concat", "add"]),
    ),
    st.builds(
        lambda ways, join: Inputs(**ways, join=join),
        st.dictionaries(st.sampled_from(["table", "text", "image"]), SOME, min_size=1),
        st.sampled_from(["concat", "add"]),
    ),
)


@given(st.lists(LAYER, min_size=1).map(tuple), st.lists(st.integers(1, 99), min_size=1).map(tuple))
def test_a_spec_comes_back_from_its_json(layers, shape):
    spec = Spec(input=shape, layers=layers)
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@given(st.lists(LAYER, min_size=1).map(tuple))
def test_a_layer_written_as_python_is_read_from_a_cell(layers):
    assert parse_layers("\n".join(map(repr, layers))) == layers


@given(st.lists(LAYER, min_size=1).map(tuple))
def test_the_source_of_a_layer_is_read_as_the_layer(layers):
    assert parse_layers("\n".join(layer.source("mb.") for layer in layers)) == layers


def test_shapes_follow_the_layers():
    spec = make_spec([Dense(32, "relu"), Dropout(0.5), Dense(10)], (64,))
    assert spec.shapes() == ((32,), (32,), (10,))


def test_a_dense_layer_works_on_the_last_axis_alone():
    assert Dense(5).output_shape((7, 3)) == (7, 5)


def test_layers_are_named_by_kind_and_count():
    spec = make_spec([Dense(3), Dropout(0.1), Dense(2), Activation("softmax")], (4,))
    assert spec.names() == ("dense1", "dropout1", "dense2", "activation1")


def test_a_spec_from_a_later_version_names_the_unknown_layer():
    with pytest.raises(UnknownNameError, match="no layer 'conv9d'"):
        Spec.from_json({"input": [4], "layers": [{"layer": "conv9d"}]})


@pytest.mark.parametrize("units", [0, -1, 2.5, "64", True, None])
def test_a_layer_needs_a_whole_positive_number_of_units(units):
    with pytest.raises(OptionError, match="Dense got units=.*expected a whole number"):
        Dense(units)


@pytest.mark.parametrize("rate", [-0.1, 1, 30, "0.3", True, float("nan")])
def test_a_dropout_rate_is_a_part_of_one(rate):
    with pytest.raises(OptionError, match=r"Dropout got rate=.*Type: Dropout\(0\.3\)"):
        Dropout(rate)


def test_an_activation_that_is_not_known_gets_its_nearest_match():
    with pytest.raises(UnknownNameError, match="no activation 'relux'. Did you mean 'relu'"):
        Dense(4, "relux")


@pytest.mark.parametrize("shape", ["64", 6.4, 0, (8, 0), (8, 2.5), None, True])
def test_an_input_shape_is_whole_positive_numbers(shape):
    with pytest.raises(OptionError, match="Input got shape="):
        Input(shape)


def test_an_input_line_gives_the_shape():
    assert make_spec([Input((8, 8)), Dense(3)]).input == (8, 8)
    assert make_spec([Input(8), Dense(3)], (8,)).input == (8,)


def test_an_input_line_that_contradicts_the_data_is_refused():
    with pytest.raises(
        ShapeError, match=r"Input\(8,\), but the data has examples of shape \(64,\)"
    ):
        make_spec([Input(8), Dense(3)], (64,))


def test_an_input_between_layers_is_refused():
    with pytest.raises(OptionError, match="only be the first layer"):
        make_spec([Dense(3), Input(3)], (8,))


@pytest.mark.parametrize("layers", [[], [Input(8)]])
def test_a_model_without_layers_is_refused(layers):
    with pytest.raises(OptionError, match="no layers. Type, for example: Dense"):
        make_spec(layers)


def test_a_shape_that_nobody_gave_is_asked_for():
    with pytest.raises(ShapeError, match="number of inputs is not known.*--data digits"):
        make_spec([Dense(3)])


def test_something_that_is_no_layer_is_refused():
    with pytest.raises(OptionError, match=r"Expected layers, got 64\. Type: mb\.build"):
        make_spec([64], (8,))


def test_a_cell_may_hold_comments_commas_lists_and_blank_lines():
    text = """
        # a small network
    [Input(64),

     mb.Dense(32, activation="relu"),]
    Dropout(rate=.5), Dense(10)
    """
    lines = "\n".join(line.strip() for line in text.splitlines())
    assert parse_layers(lines) == (Input(64), Dense(32, "relu"), Dropout(0.5), Dense(10))


def test_a_cell_may_use_plain_variables():
    names = {"hidden": 32, "how": "relu", "shape": (8, 8)}
    assert parse_layers("Input(shape)\nDense(hidden, how)", names) == (
        Input((8, 8)),
        Dense(32, "relu"),
    )


def test_a_cell_is_read_and_not_run(tmp_path):
    trap = tmp_path / "trap"
    with pytest.raises(OptionError, match="is not a number, a string or a variable"):
        parse_layers(f"Dense(open({str(trap)!r}, 'w').write('x'))")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("Danse(64)", UnknownNameError, "no layer 'Danse'. Did you mean 'Dense'"),
        ("Dense(hiden)", UnknownNameError, "no variable 'hiden'. Did you mean 'hidden'"),
        ("Dense(array)", OptionError, "array is a list; expected a number or a string"),
        ("Dense(2 * hidden)", OptionError, r"'2 \* hidden' is not a number.*in a cell before"),
        ("Dense({[]: 1})", OptionError, "is not a number, a string or a variable"),
        ("Dense(64, colour=3)", OptionError, "'colour'.*Dense takes: units, activation, bias"),
        ("Dense", OptionError, "missing.*'units'.*Dense takes: units"),
        ("Dense(64", OptionError, r"Line 2 of the cell is no layer: 'Dense\(64'"),
        ("x = Dense(64)", OptionError, r"Line 2 of the cell is no layer: 'x = Dense\(64\)'"),
        ("import os", OptionError, "Line 2 of the cell is no layer"),
        ("64", OptionError, "Line 2 of the cell is no layer: '64'"),
    ],
)
def test_a_line_that_is_no_layer_says_what_to_type(line, error, message):
    with pytest.raises(error, match=message):
        parse_layers(f"Dropout(0.5)\n{line}", {"hidden": 32, "array": [1]})
