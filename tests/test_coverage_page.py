"""The page on what is covered is up to date, and nothing that is to be there is without a proof."""

import nbformat
import pytest

from tests.coverage_page import COMMAND, PAGE, Cell, Proof, marked_tests, page, tagged_cells
from tests.coverage_rows import ROWS

KNOWN = {row.id for row in ROWS}
NOW = [row for row in ROWS if row.when == "now"]


def test_each_id_is_given_once():
    assert len(KNOWN) == len(ROWS)


def test_every_tag_and_every_marker_names_a_row():
    named = {row_id for row_id, _ in (*tagged_cells(), *marked_tests())}
    assert sorted(named - KNOWN) == []


def test_a_subject_that_is_there_is_shown_by_a_cell_or_proven_by_a_test():
    found = {row_id for row_id, _ in (*tagged_cells(), *marked_tests())}
    assert [row.id for row in NOW if row.id not in found] == []


def test_a_subject_about_models_is_proven_in_both_frameworks_where_it_has_a_test():
    by_row: dict[str, set[str]] = {}
    for row_id, proof in marked_tests():
        by_row.setdefault(row_id, set()).update(proof.backends)
    models = [row.id for row in NOW if row.models and row.id in by_row]
    assert [each for each in models if by_row[each] != {"torch", "jax"}] == []


def test_what_comes_later_is_claimed_by_nothing():
    later = {row.id for row in ROWS if row.when == "later"}
    claimed = [(row_id, where) for row_id, where in (*tagged_cells(), *marked_tests())]
    assert [each for each in claimed if each[0] in later] == []


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), f"docs/coverage.md is old. Type: {COMMAND}"


@pytest.fixture
def project(tmp_path):
    """Return a small project with one tagged cell and a test of each form."""
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("words"),
            nbformat.v4.new_code_cell("1"),
            nbformat.v4.new_code_cell("2", metadata={"tags": ["A4", "exercise"]}),
        ]
    )
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "01_first.ipynb")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_some.py").write_text(
        "import pytest\n"
        '@pytest.mark.coverage("A4", "A5")\n'
        "def test_one(backend): ...\n"
        '@pytest.mark.timeout(9)\n@pytest.mark.coverage("B1", backends=["jax"])\n'
        "def test_two(): ...\n"
    )
    return tmp_path


def test_cells_are_counted_among_the_code_and_tests_are_read(project):
    assert list(tagged_cells(project)) == [("A4", Cell("01_first.ipynb", 2))]
    both = Proof("tests/test_some.py", "test_one", ("torch", "jax"))
    assert list(marked_tests(project)) == [
        ("A4", both),
        ("A5", both),
        ("B1", Proof("tests/test_some.py", "test_two", ("jax",))),
    ]


def test_a_line_of_the_page_links_cells_and_tests(project):
    (line,) = [each for each in page(project).splitlines() if each.startswith("| A4 |")]
    assert "[01_first](../notebooks/01_first.ipynb) 2" in line
    assert "[test_one](../tests/test_some.py)" in line
    assert line.endswith("| yes | yes |")
