"""A mistake is shown with its line, and carets under the word."""

import io
from contextlib import redirect_stderr, redirect_stdout

import pytest

from maasnb.errors import OptionError, UnknownNameError
from maasnb.magics.pointing import at, pointed


@pytest.fixture
def shown(notebook):
    """Return the lines below the message of a cell's mistake."""
    notebook.run("%maas data digits")
    notebook.run("%%maas build net\nDense(10)")

    def below(cell):
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            result = notebook.shell.run_cell(cell)
        assert not result.success
        return out.getvalue().splitlines()[-2:]

    return below


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("%maas trian net digits", "trian"),
        ("%maas train nett digits", "nett"),
        ("%maas train net digits --epoch 3", "--epoch"),
        ("%maas train net digits --epochs ten", "ten"),
        ("%maas train net digits --epochs=ten", "ten"),
        ("%maas train net digits --epochs", "--epochs"),
        ("%maas train net digits --optimizer adma", "adma"),
        ("%maas train net digits more", "more"),
        ("%maas data digits --as 2x", "2x"),
        ("%maas data digits --split a,b", "a,b"),
        ("%maas evaluate net digits.tset", "digits.tset"),
    ],
)
def test_the_carets_stand_under_the_word(shown, line, word):
    first, second = shown(line)
    assert first == f"  {line}"
    assert second.strip() == "^" * len(word)
    assert first[second.index("^") :].startswith(word)


def test_a_word_in_a_cell_s_body_is_pointed_at(shown):
    assert shown("%%maas build other\nDense(4)\nDense(hiden)") == [
        "  Dense(hiden)",
        "        ^^^^^",
    ]
    assert shown("%%maas build other\nDens(4)") == ["  Dens(4)", "  ^^^^"]


def test_a_mistake_about_no_word_has_no_carets():
    assert pointed(OptionError("net needs data."), "train net", None) == ""


def test_the_word_is_not_found_inside_another():
    error = at(OptionError("no"), "net")
    assert pointed(error, "train nett net-2 net", None).splitlines()[1].index("^") == 25


def test_carets_stand_right_below_chinese():
    error = at(OptionError("no"), "错")
    assert (
        pointed(error, "generate 故事 错", None) == "  %maas generate 故事 错\n" + " " * 22 + "^^"
    )


def test_the_word_nearest_to_the_mistake_counts():
    error = UnknownNameError("no", name="x")
    assert at(at(error, "near"), "far").__dict__["word"] == "near"


def test_a_long_line_is_cut_before_the_word():
    error = at(OptionError("no"), "--sed")
    text = pointed(error, f'generate run "{"once " * 60}" --sed 3', None)
    first, second = text.splitlines()
    assert first.startswith("  ...")
    assert len(first) < 120
    assert first[second.index("^") :].startswith("--sed")
