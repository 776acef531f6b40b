"""How results look in a cell."""

import pytest

from maasnb.diagnosis import Check, Diagnosis
from maasnb.magics.formatters import NOUNS, html_of


@pytest.mark.parametrize(("module", "name"), NOUNS)
def test_every_class_that_is_displayed_is_there(module, name):
    import importlib

    assert isinstance(getattr(importlib.import_module(module), name), type)


def test_a_table_is_html_without_colours_of_its_own(notebook):
    notebook.run("%maas data digits")
    text = html_of(notebook["digits"])
    assert text.startswith("<div>Data &#x27;digits&#x27;: classification</div>\n<table>")
    assert '<td style="text-align:left">standardize</td>' in text
    assert "color" not in text


def test_what_is_bad_stands_out_in_the_theme_s_colour():
    rows = (Check(check="disk", value="full", state="bad", fix="Make room."),)
    assert "var(--jp-error-color0,#b3261e)" in html_of(Diagnosis(rows=rows))


def test_words_from_data_cannot_become_markup():
    rows = (Check(check="<script>", value="x"),)
    assert "<script>" not in html_of(Diagnosis(rows=rows))


def test_the_shell_uses_the_formatters(notebook):
    notebook.run("%maas data digits")
    bundle, _ = notebook.shell.display_formatter.format(notebook["digits"])
    assert set(bundle) == {"text/plain", "text/html"}
    assert bundle["text/plain"] == str(notebook["digits"])


def test_a_run_is_a_picture_with_a_text_twin(notebook):
    notebook.run("%maas data digits")
    notebook.run("%%maas build net\nDense(10)")
    notebook.run("%maas train net digits --epochs 1")
    bundle, _ = notebook.shell.display_formatter.format(notebook["run"])
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert bundle["text/plain"].startswith("Run on digits (torch): finished")


def test_after_unloading_objects_are_shown_by_their_own_text(notebook):
    notebook.run("%maas data digits")
    notebook.run("%unload_ext maasnb")
    bundle, _ = notebook.shell.display_formatter.format(notebook["digits"])
    assert set(bundle) == {"text/plain"}
    notebook.run("%load_ext maasnb")


def test_a_shape_is_not_broken_and_its_numbers_stand_right():
    from types import SimpleNamespace

    rows = [("conv", "16 x 28 x 28", "1,024", "16.6 kB", "< 1%")]
    item = SimpleNamespace(
        table=lambda: rows, columns=("layer", "output", "count", "memory", "share")
    )
    table = html_of(item)
    assert "16&nbsp;x&nbsp;28&nbsp;x&nbsp;28" in table
    assert table.count('<td style="text-align:left">') == 2
