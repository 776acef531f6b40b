"""What Shift-Tab shows in a cell of ours."""

import pytest

from maasnb.magics.inspection import told

NAMES = {"net": object(), "digits": object()}


def at(marked):
    """Return what is told where the mark | stands."""
    return told(marked.replace("|", ""), marked.index("|"), NAMES)


@pytest.mark.parametrize("cell", ["%ma|as", "%maas| train net", "x = %maa|s train", "%%maas|"])
def test_the_magic_itself_lists_the_verbs(cell):
    assert "\n  train     Train a model on data" in at(cell)


@pytest.mark.parametrize(
    "cell",
    ["%maas tr|ain", "%maas train| net digits", "x = %maas train| net", "y = 1\n%maas train|"],
)
def test_a_verb_shows_its_help(cell):
    assert at(cell).startswith("%maas train model data [options]\n")


@pytest.mark.parametrize(
    "cell",
    [
        "%maas train net digits --opt|imizer adam",
        "%maas train net digits --optimizer ad|am",
        "%maas train net digits --optimizer=ad|am --lr 1",
        "%maas train net digits --optimizer|",
    ],
)
def test_an_option_and_its_value_show_the_option_s_text(cell):
    text = at(cell)
    assert text.startswith("%maas train ... --optimizer WORD\na name, a class or a factory")
    assert 'Default: "adam".' in text


def test_a_place_shows_what_stands_there():
    assert at("%maas data dig|its2").startswith("%maas data ... x\nthe name of a data set")


def test_the_end_of_a_line_shows_the_verb():
    assert at("%maas train net digits |").startswith("%maas train model data")


def test_a_switch_of_the_magic_shows_what_it_is_in_python():
    assert "wait=False in Python" in at("%maas train net digits --b|g")


@pytest.mark.parametrize(
    "cell", ["%maas train ne|t digits", "print(ne|t)", "train|", "%time train|", "digits.test|"]
)
def test_a_variable_and_python_are_left_to_ipython(cell):
    assert at(cell) is None


@pytest.mark.parametrize("cell", ["%maas trian| net", "%maas trian net|"])
def test_an_unknown_verb_lists_the_known_ones(cell):
    assert "%maas VERB" in at(cell)


def test_a_layer_shows_its_arguments():
    text = at("%%maas build net\nDense(64)\nDrop|out(0.2)")
    assert text.startswith("Dropout(rate")
    assert at("%%maas build net\nDense(uni|ts=3)") is None


def test_the_first_line_of_a_build_cell_is_a_line_as_any_other():
    assert at("%%maas build net --back|end jax\nDense(3)").startswith("%maas build ... --backend")
