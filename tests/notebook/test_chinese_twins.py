"""Every tutorial in Chinese: the same cells, code, outputs and solutions, in other words."""

import re

import pytest

from tests.notebook.tutorials import ARTICLES, FENCE, FOLDER, HEADING, NOTEBOOKS, name_of, read

TWINS = FOLDER / "zh"
WITHOUT_TWIN: dict[str, str] = {}
"""Notebook -> why there is none in Chinese."""

CHINESE = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(r"<code.*?</code>", flags=re.DOTALL)
TO_NOTEBOOK = re.compile(r"\[([^\]]+)\]\(([^)\s:]+\.ipynb)\)")
LINK = re.compile(r"\]\(([^)\s]+)\)")

EVERY = [*NOTEBOOKS, *ARTICLES]
TWINNED = [path for path in EVERY if path.stem not in WITHOUT_TWIN]
every_twin = pytest.mark.parametrize("path", TWINNED, ids=name_of)


def twin_of(path):
    return TWINS / path.relative_to(FOLDER)


def texts(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def differences(notebook, twin):
    """Return what of a twin is not as in its notebook, in words."""
    if len(notebook.cells) != len(twin.cells):
        return [f"{len(notebook.cells)} cells, and {len(twin.cells)} in the twin"]
    found = []
    if notebook.metadata != twin.metadata:
        found.append("the notebooks' metadata")
    for place, (one, other) in enumerate(zip(notebook.cells, twin.cells, strict=True)):
        parts = [name for name in ("cell_type", "metadata") if one[name] != other[name]]
        found += [f"cell {place}: {name}" for name in parts]
        if one.cell_type == "code" and one.source != other.source:
            found.append(f"cell {place}: code")
        if one.cell_type == "code" and outputs(one) != outputs(other):
            found.append(f"cell {place}: outputs")
        if one.cell_type == "markdown":
            found += [f"cell {place}: {what}" for what in _other_words(one.source, other.source)]
    return found


def outputs(cell):
    return [dict(output, execution_count=None) for output in cell.outputs]


def _other_words(text, twin):
    if FENCE.findall(text) != FENCE.findall(twin):
        yield "the code in the text"
    if HEADING.findall(text) != HEADING.findall(twin):
        yield "the number of the exercise"
    if not CHINESE.search(twin) and re.search(r"[a-z]{3} [a-z]{3}", text):
        yield "not in Chinese"


@pytest.mark.parametrize("path", EVERY, ids=name_of)
def test_a_notebook_has_a_twin_or_a_reason_for_none(path):
    assert twin_of(path).exists() != (path.stem in WITHOUT_TWIN)


def test_every_twin_has_its_notebook():
    assert sorted(TWINS.rglob("*.ipynb")) == sorted(map(twin_of, TWINNED))


@every_twin
def test_a_twin_has_the_same_cells_code_and_outputs(path):
    assert differences(read(path), read(twin_of(path))) == []


@pytest.mark.parametrize("path", [*EVERY, *map(twin_of, TWINNED)], ids=name_of)
def test_links_lead_to_files_that_are_there(path):
    links = [link.partition("#")[0] for text in texts(read(path)) for link in LINK.findall(text)]
    here = [link for link in links if link and "://" not in link]
    assert [link for link in here if not (path.parent / link).exists()] == []


@every_twin
def test_a_twin_leads_to_other_twins(path):
    twin = twin_of(path)
    links = [link for text in texts(read(twin)) for link in TO_NOTEBOOK.findall(text)]
    places = {words: (twin.parent / link).resolve() for words, link in links}
    assert places.pop("English") == path.resolve()
    assert [words for words, place in places.items() if TWINS.resolve() not in place.parents] == []


@pytest.mark.parametrize("path", [*EVERY, *map(twin_of, TWINNED)], ids=name_of)
def test_no_mark_of_emphasis_is_left_in_what_is_read(path):
    assert [left for text in texts(read(path)) for left in marks_left(text)] == []


def marks_left(text):
    """Return the asterisks that Markdown takes for what they are, and not for emphasis."""
    from markdown_it import MarkdownIt

    read_as = MarkdownIt("commonmark").enable("table").render(text)
    return re.findall(r".{0,20}\*\*.{0,20}", CODE.sub("", read_as))


# The rules can fail.


@pytest.mark.parametrize(
    ("text", "left"),
    [("**目标：** 看清楚", 0), ("**目标：**看清楚", 2), ("`2**3`", 0), ("2**3", 1)],
)
def test_emphasis_that_is_none_is_found(text, left):
    assert sum(found.count("**") for found in marks_left(text)) == left


def small():
    import nbformat

    cells = [
        nbformat.v4.new_markdown_cell("### Exercise 01.1\n\nsum the two\n```python\n1 + 1\n```"),
        nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["C1"]}),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def translated():
    twin = small()
    twin.cells[0].source = "### 练习 01.1\n\n求和\n```python\n1 + 1\n```"
    return twin


def test_a_good_twin_passes():
    assert differences(small(), translated()) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda twin: twin.cells.pop(), "2 cells, and 1 in the twin"),
        (lambda twin: twin.cells[1].update(source="1 + 2"), "cell 1: code"),
        (lambda twin: twin.cells[1].update(metadata={}), "cell 1: metadata"),
        (
            lambda twin: twin.cells[1].outputs.append({"output_type": "stream", "text": "2"}),
            "cell 1: outputs",
        ),
        (
            lambda twin: twin.cells[0].update(source=twin.cells[0].source.replace("1 + 1", "2")),
            "cell 0: the code in the text",
        ),
        (
            lambda twin: twin.cells[0].update(source=twin.cells[0].source.replace("01.1", "01.2")),
            "cell 0: the number of the exercise",
        ),
        (
            lambda twin: twin.cells[0].update(source=small().cells[0].source),
            "cell 0: not in Chinese",
        ),
    ],
    ids=["cells", "code", "tags", "outputs", "solution", "number", "language"],
)
def test_a_twin_that_has_fallen_behind_is_found(change, found):
    twin = translated()
    change(twin)
    assert found in differences(small(), twin)
